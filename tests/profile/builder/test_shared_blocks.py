"""Blocks that layers share (Zamba): transformers' logits with its weights copied; no part stands for the whole."""

from typing import Any

import pytest
import torch

from moecalc.errors import InputError
from moecalc.profile.builder import Numerics, build
from moecalc.sources.hf_config import read_config
from tests.oracle.families import gemma3n_text, zamba, zamba2
from tests.profile.builder.against_transformers import check_logits, copy_weights, random_model

Tensors = dict[str, torch.Tensor]
LAYERS = "model.layers."
RECURRENT = {
    "norm.layer": ["input_layernorm.weight"],
    "norm.final": ["model.final_layernorm.weight"],
    "recurrent.in": ["mamba.in_proj.weight"],
    "recurrent.conv": ["mamba.conv1d.weight"],
    "recurrent.out": ["mamba.out_proj.weight"],
    "recurrent.norm": ["mamba.norm.weight"],
    "recurrent.projection": ["mamba.x_proj_weight", "mamba.dt_proj_weight"],
    "recurrent.bias": ["mamba.conv1d.bias", "mamba.dt_proj_bias"],
    "recurrent.parameter": ["mamba.A_log", "mamba.D", "mamba.dt_bias"],
}
SHARED = {
    "norm.layer": ["input_layernorm.weight", "pre_ff_layernorm.weight"],
    **{f"attention.{side}": [f"self_attn.{side}_proj.weight"] for side in "qkvo"},
    **{f"ffn.{side}": [f"feed_forward.{side}_proj.weight"] for side in ("gate", "up", "down")},
}
ADAPTED = ("linear_q_adapter_list", "linear_k_adapter_list", "linear_v_adapter_list")


def adapted(
    source: Tensors, config: dict[str, Any], hybrid: list[int], copies: int, block: str
) -> dict[str, list[str]]:
    """Bring tensors into the ledger's shapes; the names of those of shared blocks and of the ways into them."""
    for name, tensor in list(source.items()):
        plain = name.replace("mamba_decoder.", "")
        value = tensor
        if name.endswith("conv1d.weight"):
            value = tensor.squeeze(1)
        elif "n_mamba_heads" not in config and name.endswith(
            ("A_log", "D", "dt_proj_weight", "dt_proj_bias")
        ):
            value = tensor.flatten(0, 1)
        elif "n_mamba_heads" not in config and name.endswith("in_proj.weight"):
            value = torch.cat([tensor[::2], tensor[1::2]])  # of each channel, value and gate stand together
        elif name.endswith("gate_up_proj.weight"):
            for part, half in zip(("gate", "up"), tensor.chunk(2), strict=True):
                source[name.replace("gate_up", part)] = half
        source[plain] = value
    own: dict[str, list[str]] = {}
    for turn, index in enumerate(hybrid):
        where = f"{LAYERS}{index}."
        own[f"entry {index} recurrent.projection"] = [f"{where}linear.weight"]
        lists = (
            [f"self_attn.{name}" for name in ADAPTED] if config.get("use_shared_attention_adapter") else []
        )
        own[f"entry {index} adapter.lora"] = [
            f"{where}{block}.{name}.{turn}.{half}.weight"
            for name in (*lists, "feed_forward.gate_up_proj_adapter_list")
            for half in (0, 1)
        ]
        if turn < copies:
            for role, names in SHARED.items():
                own[f"shared block {turn} {role}"] = [f"{where}{block}.{name}" for name in names]
    return own


EQUAL_EPSILONS = {**zamba2.TINY, "rms_norm_eps": 1e-5}
"""The gated norm of Zamba 2 has 1e-5 whatever the config says; a network has one epsilon."""

CASES = [
    pytest.param(zamba.TINY, [2, 4], 1, "shared_transf", id="zamba"),
    pytest.param(EQUAL_EPSILONS, [1, 2, 4], 2, "shared_transformer", id="zamba2"),
    pytest.param(
        {**EQUAL_EPSILONS, **zamba2.VARIANTS[0]},
        [1, 2, 4],
        2,
        "shared_transformer",
        id="zamba2-attention-adapters",
    ),
]


@pytest.mark.oracle
@pytest.mark.parametrize(("config", "hybrid", "copies", "block"), CASES)
def test_logits_are_those_of_transformers(config: dict[str, Any], hybrid: list[int], copies: int, block: str):
    model = random_model(config)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if "A_log" in name:  # rates of decay, of two dimensions here
                tensor.normal_(0.6, 0.2)
    width = model.config.attention_head_dim
    numerics = Numerics(
        activation="gelu",
        norm_epsilon=model.config.rms_norm_eps,
        rotary=False,
        attention_scale=(width / 2) ** -0.5,
    )
    network = build(read_config(config).architecture, dtype=torch.float32, device="cpu", numerics=numerics)
    source = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    copy_weights(network, source, RECURRENT | adapted(source, config, hybrid, copies, block))
    check_logits(network, model)


def test_a_block_is_stored_as_often_as_it_has_copies():
    network = build(read_config(zamba2.TINY).architecture, dtype=torch.float32, device="meta")
    assert {s.place for s in network.weights() if s.place.startswith("shared")} == {
        "shared block 0",
        "shared block 1",
    }


@pytest.mark.parametrize(
    ("config", "kind", "said"),
    [(zamba2.TINY, "hybrid", "shares blocks"), (gemma3n_text.TINY, "shared_local", "reads the keys")],
)
def test_layers_that_need_others_are_not_built_apart(config: dict[str, Any], kind: str, said: str):
    architecture = read_config(config).architecture
    (found,) = [name for name in architecture.stacks[0].layers if name.startswith(kind)]
    with pytest.raises(InputError, match=said) as caught:
        build(architecture, dtype=torch.float32, device="meta", layers=(found,))
    assert "--layers all" in str(caught.value.hint)


def test_layers_that_read_keys_are_built_beside_those_that_make_them():
    architecture = read_config(gemma3n_text.TINY).architecture
    kinds = tuple(architecture.stacks[0].layers)
    network = build(architecture, dtype=torch.float32, device="cpu", layers=kinds)
    ids = torch.zeros(1, 8, dtype=torch.long)
    assert network.prefill(ids, network.new_state(1, 8)).isfinite().all()
