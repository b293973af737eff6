"""ZAYA: transformers' logits, of convolved attention, routers that hand on, an expert that skips, scaled residuals."""

from typing import Any

import pytest
import torch

from moecalc.profile.builder import Numerics, build
from moecalc.sources.hf_config import read_config
from tests.oracle.families import zaya
from tests.profile.builder.against_transformers import check_logits, copy_weights, random_model

PROJECTIONS = [f"self_attn.qkv_proj.{side}_proj" for side in ("q", "k")]
VALUES = [f"self_attn.qkv_proj.v_proj_{which}" for which in ("current", "delayed")]
CONVOLUTIONS = [f"self_attn.qkv_proj.conv_qk_{kind}" for kind in ("depthwise", "grouped")]
ROUTER = ["mlp.gate.down_proj", "mlp.gate.router_mlp.fc1", "mlp.gate.router_mlp.fc2"]
NAMES = {
    "embedding.other": ["model.input_hidden_states_scale", "model.input_hidden_states_bias"],
    "residual.scale": [
        f"post_{sublayer}_residual_scale.{side}_{kind}"
        for sublayer in ("attention", "mlp")
        for side in ("hidden_states", "residual")
        for kind in ("scale", "bias")
    ],
    "attention.q": [f"{PROJECTIONS[0]}.weight"],
    "attention.k": [f"{PROJECTIONS[1]}.weight"],
    "attention.v": [f"{name}.weight" for name in VALUES],
    "attention.bias": [f"{name}.bias" for name in (*PROJECTIONS, *VALUES, "self_attn.o_proj")],
    "attention.qk_norm": ["self_attn.qk_norm.temp"],
    "recurrent.conv": [f"{name}.weight" for name in CONVOLUTIONS],
    "recurrent.bias": [f"{name}.bias" for name in CONVOLUTIONS],
    "router.other": [
        *(f"{name}.weight" for name in ROUTER),
        "mlp.gate.router_mlp.norm.weight",
        "mlp.gate.router_states_scale",
    ],
    "router.bias": [f"{name}.bias" for name in ROUTER],
    "router.weight": ["mlp.gate.router_mlp.out_proj.weight"],
    "router.correction_bias": ["mlp.gate.balancing_biases"],
    "head.bias": ["lm_head.bias"],
}


def rotary(config: dict[str, Any]) -> dict[str, Any]:
    """All channels turned, by one base: what shares of them turn is in no shape."""
    kinds = ("hybrid", "hybrid_sliding")
    whole = {"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 1.0}
    return {**config, "rope_parameters": {kind: dict(whole) for kind in kinds}}


@torch.no_grad()
def let_half_skip(model: torch.nn.Module, gate: torch.nn.Module, ids: torch.Tensor) -> None:
    """Balance a router so that half of the tokens choose the last, the expert that skips."""
    logits: list[torch.Tensor] = []
    handle = gate.register_forward_hook(lambda _gate, _given, made: logits.append(made[0]))
    model(input_ids=ids, use_cache=False)
    handle.remove()
    scores = logits[0].softmax(-1) + gate.balancing_biases
    gate.balancing_biases[-1] += (scores[:, :-1].max(-1).values - scores[:, -1]).quantile(0.5)


@pytest.mark.oracle
@pytest.mark.parametrize("variant", [{}, *zaya.VARIANTS])
def test_logits_are_those_of_transformers(variant: dict[str, Any]) -> None:
    config = rotary({**zaya.TINY, **variant})
    model = random_model(config)
    ids = torch.randint(0, 128, (2, 30))
    for layer in model.model.layers:
        let_half_skip(model, layer.mlp.gate, ids)
    numerics = Numerics(norm_epsilon=model.config.rms_norm_eps, normalise_weights=False)
    network = build(read_config(config).architecture, dtype=torch.float32, device="cpu", numerics=numerics)
    source = dict(model.state_dict())
    for name in [name for name in source if name.endswith("depthwise.weight")]:
        source[name] = source[name].squeeze(1)
    copy_weights(network, source, NAMES)
    network(ids, network.new_state(2, 30))
    for chosen in network.chosen_experts().values():
        assert 0 < int((chosen == config["num_experts"]).sum()) < len(chosen)
    check_logits(network, model)
