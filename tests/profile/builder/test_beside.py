"""A residual feed-forward beside experts (Arctic): remote code, which transformers has no module of."""

import pytest
import torch

from moecalc.profile.builder import build
from moecalc.profile.builder.step import Call, Handed
from moecalc.sources.hf_config import read_config
from tests.profile.builder.test_refusals import changed, refusal
from tests.profile.builder.test_types import HOLD_OF_EVERY_TYPE

ARCTIC = {
    "model_type": "arctic",
    "vocab_size": 128,
    "hidden_size": 64,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_local_experts": 6,
    "num_experts_per_tok": 2,
    "moe_layer_frequency": 1,
    "parallel_attn_mlp_res": True,
}


@pytest.fixture(params=[{}, {"moe_layer_frequency": 2}], ids=["every-layer", "every-second"])
def architecture(request):
    return read_config({**ARCTIC, **request.param}).architecture


@pytest.mark.parametrize("holds", HOLD_OF_EVERY_TYPE)
def test_what_holds_of_every_type(architecture, holds):
    holds(architecture)


def test_experts_read_what_came_into_the_layer_and_the_residual_reads_behind_attention():
    """As vllm runs it (model_executor/models/arctic.py), written out."""
    network = build(read_config(ARCTIC).architecture, dtype=torch.float32, device="cpu")
    layer, cache = network.layers[0], network.new_state(2, 8)
    x, ids = torch.randn(2, 8, 64), torch.zeros(2, 8, dtype=torch.long)
    call = Call(0, 8, None, ids, Handed())
    with torch.inference_mode():
        made = layer(x, call, cache.layers[0])
        attended = x + layer.mixers[0](layer.mixer_norm(x), call, cache.layers[0][0])
        residual = layer.beside(layer.beside_norm(attended))
        experts = layer.ffn(layer.ffn_norm(x), ids=ids)
    torch.testing.assert_close(made, attended + residual + experts)


def test_a_wiring_that_is_not_built():
    both = changed(ARCTIC, mixer={}, residual_scales=True)
    assert "`behind_mixer` and more than" in refusal(both)
