"""Mamba 2 in the models that have it, with several groups: transformers' logits with its weights copied."""

from typing import Any

import msgspec
import pytest
import torch

from moecalc.profile.builder import Numerics, build
from moecalc.sources.hf_config import read_config
from tests.oracle.families import bamba, falcon_h1, granitemoehybrid, mamba2, nemotron_h
from tests.profile.builder.against_transformers import check_logits, copy_weights, numbers_of, random_model


def recurrent(module: str) -> dict[str, list[str]]:
    """The names of a Mamba 2 mixer's tensors under its module's."""
    return {
        "recurrent.in": [f"{module}.in_proj.weight"],
        "recurrent.conv": [f"{module}.conv1d.weight"],
        "recurrent.out": [f"{module}.out_proj.weight"],
        "recurrent.norm": [f"{module}.norm.weight"],
        "recurrent.bias": [f"{module}.conv1d.bias"],
        "recurrent.parameter": [f"{module}.A_log", f"{module}.D", f"{module}.dt_bias"],
    }


ATTENTION = {f"attention.{side}": [f"mixer.{side}_proj.weight"] for side in "qkvo"}
FFN = {f"ffn.{side}": [f"feed_forward.{side}_proj.weight"] for side in ("gate", "up", "down")}
LAYER_NORMS = ["input_layernorm.weight", "pre_ff_layernorm.weight"]
NAMES: dict[str, dict[str, list[str]]] = {
    "mamba2": {
        **recurrent("mixer"),
        "layer": ["backbone.layers."],
        "embedding.tokens": ["backbone.embeddings.weight"],
        "norm.layer": ["norm.weight"],
        "norm.final": ["backbone.norm_f.weight"],
    },
    "bamba": {
        **recurrent("mamba"),
        **FFN,
        "norm.layer": LAYER_NORMS,
        "norm.final": ["model.final_layernorm.weight"],
    },
    "falcon_h1": {
        **recurrent("mamba"),
        **FFN,
        "norm.layer": LAYER_NORMS,
        "norm.final": ["model.final_layernorm.weight"],
    },
    "granitemoehybrid": {
        **recurrent("mamba"),
        "router.weight": ["block_sparse_moe.router.weight"],
        **{f"routed.{side}": [f"block_sparse_moe.experts.{side}"] for side in ("gate", "up")},
        "routed.down": ["block_sparse_moe.experts.down_proj"],
        **{f"shared.{side}": [f"shared_mlp.{side}"] for side in ("gate", "up")},
        "shared.down": ["shared_mlp.output_linear.weight"],
    },
    "nemotron_h": {
        **recurrent("mixer"),
        **ATTENTION,
        "embedding.tokens": ["model.embeddings.weight"],
        "norm.layer": ["norm.weight"],
        "norm.final": ["model.norm_f.weight"],
        "ffn.up": ["mixer.up_proj.weight"],
        "ffn.down": ["mixer.down_proj.weight"],
        "router.weight": ["mixer.gate.weight"],
        "router.correction_bias": ["mixer.gate.e_score_correction_bias"],
        "routed.up": ["mixer.experts.up_proj"],
        "routed.down": ["mixer.experts.down_proj"],
        "shared.up": ["mixer.shared_experts.up_proj.weight"],
        "shared.down": ["mixer.shared_experts.down_proj.weight"],
    },
}

CASES = [
    pytest.param(mamba2.TINY, Numerics(), id="mamba2"),
    pytest.param({**mamba2.TINY, "n_groups": 3}, Numerics(), id="mamba2-three-groups"),
    pytest.param(
        {
            **bamba.TINY,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 1.0},
        },
        Numerics(),
        id="bamba",
    ),
    pytest.param(falcon_h1.TINY, Numerics(), id="falcon_h1"),
    # The gate in front of the norm, as in the others.
    pytest.param(
        {**falcon_h1.TINY, "mamba_rms_norm": True, "mamba_norm_before_gate": False},
        Numerics(),
        id="falcon_h1-norm",
    ),
    pytest.param(
        {**granitemoehybrid.TINY, "position_embedding_type": "rope"},
        Numerics(attention_scale=1.0),
        id="granitemoehybrid",
    ),
    pytest.param(
        {**nemotron_h.TINY, "norm_topk_prob": True},
        Numerics(activation="relu_squared", scores="sigmoid", rotary=False),
        id="nemotron_h",
    ),
]


def in_our_shapes(source: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Convolutions without their axis of one; gate and up, which Granite stores as one matrix, apart."""
    made = {}
    for name, tensor in source.items():
        made[name] = tensor.squeeze(1) if name.endswith("conv1d.weight") else tensor
        for whole in ("experts.gate_up_proj", "shared_mlp.input_linear.weight"):
            if name.endswith(whole):
                stem = name.removesuffix(whole) + whole.split(".")[0]
                axis = tensor.ndim - 2
                made |= dict(zip((f"{stem}.gate", f"{stem}.up"), tensor.chunk(2, axis), strict=True))
    return made


@pytest.mark.oracle
@pytest.mark.parametrize(("config", "numerics"), CASES)
def test_logits_are_those_of_transformers(config: dict[str, Any], numerics: Numerics) -> None:
    model = random_model(config)
    numerics = msgspec.structs.replace(numerics, **numbers_of(model.config))
    network = build(read_config(config).architecture, dtype=torch.float32, device="cpu", numerics=numerics)
    copy_weights(network, in_our_shapes(dict(model.state_dict())), NAMES[config["model_type"]])
    check_logits(network, model)
