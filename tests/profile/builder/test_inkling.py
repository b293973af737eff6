"""Inkling: convolutions behind sublayers, keys and values, bias by distance, shared experts that the router weighs."""

from typing import Any

import pytest
import torch

from moecalc.ir.rows import Slots, SlotsKind
from moecalc.profile.builder import Numerics, build
from moecalc.profile.builder.cache import positions, remember
from moecalc.sources.hf_config import read_config
from tests.oracle.families import inkling_text
from tests.profile.builder.against_transformers import check_logits, copy_weights, random_model
from tests.profile.builder.test_types import HOLD_OF_EVERY_TYPE

NAMES = {
    "embedding norm.layer": ["model.embed_tokens.embed_norm.weight"],
    "recurrent.conv": [
        f"{name}.conv1d.weight"
        for name in ("attn_sconv", "mlp_sconv", "self_attn.k_sconv", "self_attn.v_sconv")
    ],
    "attention.relative": ["self_attn.r_proj.weight", "self_attn.rel_logits_proj.proj"],
    "router.other": ["mlp.gate.global_scale"],
    "ffn.other": ["mlp.global_scale"],
    "shared.gate": ["shared.gate"],
    "shared.up": ["shared.up"],
    "shared.down": ["shared.down"],
}
CONFIGS = [
    pytest.param(inkling_text.TINY, id="inkling"),
    pytest.param(
        {**inkling_text.TINY, "n_shared_experts": 1, "conv_kernel_size": 4, "sliding_window_size": 7},
        id="inkling-one",
    ),
    pytest.param({**inkling_text.TINY, "rel_extent": 9, "n_shared_experts": 3}, id="inkling-near"),
]


def ours(source: dict[str, torch.Tensor], config: Any) -> dict[str, torch.Tensor]:
    """Convolutions without their axis of one, shared experts side by side, and the logits' divisor in the head."""
    made = {}
    for name, tensor in source.items():
        layer = name[: name.find(".", len("model.layers.")) + 1]
        made[name] = tensor.squeeze(1) if name.endswith("conv1d.weight") else tensor
        if ".shared_experts." in name:
            part = name.split(".")[-1].removesuffix("_proj")
            side_by_side = tensor.flatten(0, 1) if part != "down" else tensor.transpose(0, 1).flatten(1)
            made[f"{layer}shared.{part}"] = side_by_side
    made["lm_head.weight"] = made["lm_head.weight"] / config.logits_mup_width_multiplier
    return made


@pytest.mark.oracle
@pytest.mark.parametrize("config", CONFIGS)
def test_logits_are_those_of_transformers(config: dict[str, Any]) -> None:
    config = {**config, "logits_mup_width_multiplier": 2.0}
    model = random_model(config)
    numerics = Numerics(
        scores="sigmoid",
        routed_scale=model.config.route_scale,
        rotary=False,
        scale_by_width=True,
        norm_epsilon=model.config.rms_norm_eps,
    )
    network = build(read_config(config).architecture, dtype=torch.float32, device="cpu", numerics=numerics)
    copy_weights(network, ours(dict(model.state_dict()), model.config), NAMES)
    check_logits(network, model)


@pytest.mark.parametrize("variant", inkling_text.VARIANTS[:2])
@pytest.mark.parametrize("holds", HOLD_OF_EVERY_TYPE)
def test_what_holds_of_every_type_holds_of_variants(variant, holds):
    holds(read_config({**inkling_text.TINY, **variant}).architecture)


@pytest.mark.parametrize("kind", [Slots(), Slots(SlotsKind.WINDOW, 5), Slots(SlotsKind.CHUNK, 4)])
def test_positions_are_of_the_tokens_that_are_remembered(kind):
    """Each token stores its own number: what comes back says which it was."""
    size = int(kind.count(40))
    stored, past = [torch.full((1, size), -1)], 0
    for new in (7, 1, 1, 3, 1, 1, 1, 1, 1, 6, 1):
        seen = remember(kind, stored, [torch.arange(past, past + new)[None]], past)
        told = positions(kind, past, new, seen.tensors[0].shape[1], torch.device("cpu"))
        visible = torch.ones(new, len(told), dtype=torch.bool) if seen.allowed is None else seen.allowed
        assert torch.equal(told[visible.any(0)], seen.tensors[0][0][visible.any(0)])
        past += new
