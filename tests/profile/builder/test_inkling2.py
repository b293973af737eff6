"""Inkling 2: attention residuals, dynamic convolutions, sinks of each token, queries that are cut and grow."""

from typing import Any

import pytest
import torch

from moecalc.profile.builder import Network, Numerics, build
from moecalc.sources.hf_config import read_config
from tests.oracle.families import inkling2_text
from tests.profile.builder.against_transformers import check_logits, copy_weights, random_model
from tests.profile.builder.test_types import HOLD_OF_EVERY_TYPE

CONVOLUTIONS = [
    f"{name}.conv1d.weight"
    for name in (
        "post_attention_convolution",
        "post_mlp_convolution",
        "self_attn.k_sconv",
        "self_attn.v_sconv",
    )
]
DYNAMIC = [f"self_attn.{side}_sconv.static_weight" for side in "kv"]
INPUTS = ["q_input_layernorm.weight", "post_attention_layernorm.weight"]
NAMES = {
    "embedding norm.layer": ["model.embed_tokens.embed_norm.weight"],
    "streams residual.mix": ["model.final_input.query"],
    "residual.mix": ["attention_input.query", "mlp_input.query"],
    "recurrent.conv": CONVOLUTIONS,
    "recurrent.projection": [f"self_attn.{side}_sconv.weight_proj.weight" for side in "kv"],
    "attention.qk_norm": ["self_attn.q_l2_clip.scale"],
    "attention.sinks": ["self_attn.sink_proj.weight"],
    "attention.gate": ["self_attn.gate_proj.weight"],
    "attention.relative": [
        "self_attn.r_proj.weight",
        "self_attn.rel_l2_clip.scale",
        "self_attn.rel_logits_proj.proj",
    ],
}
CONFIGS = [
    pytest.param({}, id="inkling2"),
    pytest.param(
        {"qk_l2_clip_threshold": 1.5, "rel_l2_clip_threshold": 0.5, "log_scaling_n_floor": 9},
        id="cut-and-growing",
    ),
    pytest.param(
        {**inkling2_text.VARIANTS[0], "layer_types": ["hybrid", "hybrid_sliding", "hybrid"]}, id="wide"
    ),
    pytest.param({**inkling2_text.VARIANTS[2], "sliding_window_size": 7}, id="three-a-block"),
]


def names_of(config: dict[str, Any]) -> dict[str, list[str]]:
    """Layer 0 mixes nothing before its mixer; global layers have three input norms and dynamic convolutions."""
    made = dict(NAMES)
    for index, kind in enumerate(config["layer_types"]):
        place = f"layer {index} (`{'global' if kind == 'hybrid' else 'local'}`)"
        if kind == "hybrid":
            more = [f"{side}_input_layernorm.weight" for side in "kv"]
            made[f"{place} norm.layer"] = [*INPUTS, *more]
            made[f"{place} recurrent.conv"] = [*CONVOLUTIONS[:2], *DYNAMIC]
        if index == 0:
            made[f"{place} residual.mix"] = NAMES["residual.mix"][1:]
    return made


def ours(source: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Convolutions without their axis of one, and single queries and scales with the axes of the ledger's rows."""
    made = {}
    for name, tensor in source.items():
        if name.endswith("conv1d.weight"):
            made[name] = tensor.squeeze(1)
        elif name.endswith(".query") and tensor.ndim == 1:
            made[name] = tensor[None]
        else:
            made[name] = tensor.flatten() if name.endswith("q_l2_clip.scale") else tensor
    return made


class Capped:
    """A network whose logits are capped, and cut to the tokens that there are, as the library's are."""

    def __init__(self, network: Network, config: Any) -> None:
        self.new_state, self._network = network.new_state, network
        self._cap, self._tokens = config.final_logit_softcapping, config.unpadded_vocab_size

    def __call__(self, *given: Any, **named: Any) -> torch.Tensor:
        logits = self._network(*given, **named)[..., : self._tokens]
        return self._cap * torch.tanh(logits / self._cap)


@pytest.mark.oracle
@pytest.mark.parametrize("changes", CONFIGS)
def test_logits_are_those_of_transformers(changes: dict[str, Any]) -> None:
    config = {**inkling2_text.TINY, **changes}
    model = random_model(config)
    asked = model.config
    numerics = Numerics(
        activation="softcapped_swiglu",
        scores="sigmoid",
        routed_scale=asked.route_scale,
        rotary=False,
        norm_epsilon=asked.rms_norm_eps,
        longest=asked.qk_l2_clip_threshold,
        longest_relative=asked.rel_l2_clip_threshold,
        growing_queries=(asked.log_scaling_n_floor, asked.log_scaling_alpha),
        scaled_convolutions=True,
    )
    network = build(read_config(config).architecture, dtype=torch.float32, device="cpu", numerics=numerics)
    copy_weights(network, ours(dict(model.state_dict())), names_of(config))
    check_logits(Capped(network, asked), model)


@pytest.mark.parametrize("variant", inkling2_text.VARIANTS)
@pytest.mark.parametrize("holds", HOLD_OF_EVERY_TYPE)
def test_what_holds_of_every_type_holds_of_variants(variant, holds):
    holds(read_config({**inkling2_text.TINY, **variant}).architecture)
