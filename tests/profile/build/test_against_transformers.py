"""Networks with transformers' weights copied in give transformers' logits: eager, float32, in a prompt and behind it.

The copy names every tensor of both sides; the numbers that no shape tells (activation, rotary base, the router's
scores) are the config's. 2e-5 is rounding: logits are of the size of 1, and both sides are float32.
"""

from typing import Any

import msgspec
import pytest
import torch

from moecalc.profile.build import Numerics, build
from moecalc.sources.hf_config import read_config
from tests.oracle import reference
from tests.oracle.families import deepseek_v3, gpt_oss, llama, mixtral, qwen3_moe

NAMES = {
    "embedding.tokens": ["model.embed_tokens.weight"],
    "head.lm": ["lm_head.weight"],
    "norm.final": ["model.norm.weight"],
    "norm.layer": ["input_layernorm.weight", "post_attention_layernorm.weight"],
    "attention.q": ["self_attn.q_proj.weight"],
    "attention.k": ["self_attn.k_proj.weight"],
    "attention.v": ["self_attn.v_proj.weight"],
    "attention.o": ["self_attn.o_proj.weight"],
    "attention.bias": [f"self_attn.{side}_proj.bias" for side in ("q", "k", "v", "o")],
    "attention.sinks": ["self_attn.sinks"],
    "attention.qk_norm": ["self_attn.q_norm.weight", "self_attn.k_norm.weight"],
    "attention.q_a": ["self_attn.q_a_proj.weight"],
    "attention.q_b": ["self_attn.q_b_proj.weight"],
    "attention.kv_a": ["self_attn.kv_a_proj_with_mqa.weight"],
    "attention.kv_b": ["self_attn.kv_b_proj.weight"],
    "attention.latent_norm": ["self_attn.q_a_layernorm.weight", "self_attn.kv_a_layernorm.weight"],
    "ffn.gate": ["mlp.gate_proj.weight"],
    "ffn.up": ["mlp.up_proj.weight"],
    "ffn.down": ["mlp.down_proj.weight"],
    "router.weight": ["mlp.gate.weight"],
    "router.correction_bias": ["mlp.gate.e_score_correction_bias"],
    "routed.down": ["mlp.experts.down_proj"],
    "shared.gate": ["mlp.shared_experts.gate_proj.weight"],
    "shared.up": ["mlp.shared_experts.up_proj.weight"],
    "shared.down": ["mlp.shared_experts.down_proj.weight"],
}

CASES = [
    pytest.param(llama.TINY, Numerics(), id="llama"),
    pytest.param({**llama.TINY, **llama.VARIANTS[0]}, Numerics(), id="llama-tied"),
    pytest.param(mixtral.TINY, Numerics(), id="mixtral"),
    pytest.param({**mixtral.TINY, "sliding_window": 16}, Numerics(), id="mixtral-window"),
    pytest.param({**qwen3_moe.TINY, "norm_topk_prob": True}, Numerics(), id="qwen3_moe"),
    pytest.param(
        {**qwen3_moe.TINY, "norm_topk_prob": False},
        Numerics(normalise_weights=False),
        id="qwen3_moe-unnormalised",
    ),
    pytest.param(
        {**deepseek_v3.TINY, "topk_group": 1, "n_group": 2, "norm_topk_prob": True},
        Numerics(scores="sigmoid", routed_scale=2.5, rope_interleaved=True),
        id="deepseek_v3",
    ),
    pytest.param(
        {
            **gpt_oss.TINY,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
        },
        Numerics(activation="clamped_swiglu"),
        id="gpt_oss",
    ),
]


def copy_weights(network: Any, source: dict[str, torch.Tensor]) -> None:
    """Fill the network, tensor by tensor; every tensor of the source is used."""
    left = {name: tensor.clone() for name, tensor in source.items()}
    used: dict[tuple[str, str], int] = {}
    biased = "model.layers.0.mlp.router.bias" in left
    for row, place, tensor in network.weights():
        role = row.role.value
        number = used.get((place, role), 0)
        used[place, role] = number + 1
        prefix = f"model.layers.{place.split()[1]}." if place.startswith("layer") else ""
        if role.startswith(("routed.", "router.")) and biased:
            value = gpt_oss_tensor(left, prefix, role, number)
        elif role in ("routed.gate", "routed.up"):
            halves = left[f"{prefix}mlp.experts.gate_up_proj"].chunk(2, 1)
            value = halves[role == "routed.up"]
        else:
            value = left[prefix + NAMES[role][number]]
        with torch.no_grad():
            assert tensor.shape == value.shape, (place, role)
            tensor.copy_(value)


def gpt_oss_tensor(source: dict[str, torch.Tensor], prefix: str, role: str, number: int) -> torch.Tensor:
    """Experts are stored [in, out], gate and up interleaved; biases come gate, up, down."""
    experts = f"{prefix}mlp.experts."
    if role.startswith("router."):
        return source[f"{prefix}mlp.router.{'weight' if role == 'router.weight' else 'bias'}"]
    if role == "routed.down":
        return source[f"{experts}down_proj"].transpose(1, 2)
    if role in ("routed.gate", "routed.up"):
        return source[f"{experts}gate_up_proj"][..., int(role == "routed.up") :: 2].transpose(1, 2)
    assert role == "routed.bias"
    if number == 2:
        return source[f"{experts}down_proj_bias"]
    return source[f"{experts}gate_up_proj_bias"][..., number::2]


@pytest.mark.oracle
@pytest.mark.parametrize(("config", "numerics"), CASES)
def test_logits_are_those_of_transformers(config: dict[str, Any], numerics: Numerics) -> None:
    torch.manual_seed(7)
    model = reference.build_model(config)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            # Norms, biases and sinks too: initialised to constants they could stand anywhere.
            tensor.normal_(0.1, 0.3) if tensor.ndim > 1 else tensor.normal_(0.6, 0.2)
    asked = model.config
    numerics = msgspec.structs.replace(
        numerics, rope_theta=float(asked.rope_parameters["rope_theta"]), norm_epsilon=asked.rms_norm_eps
    )
    network = build(read_config(config).architecture, dtype=torch.float32, device="cpu", numerics=numerics)
    copy_weights(network, model.state_dict())
    ids = torch.randint(0, 128, (2, 30))
    with torch.no_grad():
        wanted = model(input_ids=ids, use_cache=False).logits
    cache = network.new_state(2, 32)
    made = torch.cat(
        [
            network(ids[:, :25], cache, logits="all"),
            *(network(ids[:, i : i + 1], cache, logits="all") for i in range(25, 30)),
        ],
        1,
    )
    assert float(wanted.std()) > 0.3
    torch.testing.assert_close(made, wanted, rtol=2e-5, atol=2e-5 * float(wanted.abs().max()))
