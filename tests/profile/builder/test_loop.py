"""Stacks in a loop (HRM): transformers' logits with its weights copied, and no parts."""

from typing import Any

import pytest
import torch

from moecalc.api.loading import load
from moecalc.errors import InputError
from moecalc.profile.builder import Numerics, build
from moecalc.profile.builder.loop import order_of_runs
from moecalc.profile.measure.asked import Asked
from moecalc.profile.measure.profiling import profile
from moecalc.sources.hf_config import read_config
from tests.oracle.families import hrm_text
from tests.profile.builder.against_transformers import check_logits, copy_weights, numbers_of, random_model

NAMES = {
    "layer": ["layers."],
    "norm.layer": [],
    "residual.initial_state": ["model.z_L_init"],
    "attention.gate": ["self_attn.gate_proj.weight"],
    "attention.bias": [f"self_attn.{side}_proj.bias" for side in ("q", "k", "v", "gate", "o")],
    "ffn.bias": [f"mlp.{side}_proj.bias" for side in ("gate", "up", "down")],
}


@pytest.mark.oracle
@pytest.mark.parametrize(
    "config",
    [
        pytest.param(hrm_text.TINY, id="hrm"),
        pytest.param({**hrm_text.TINY, **hrm_text.VARIANTS[1]}, id="hrm-bias-one-low-cycle"),
        pytest.param({**hrm_text.TINY, **hrm_text.VARIANTS[2], "H_cycles": 3}, id="hrm-three-cycles"),
    ],
)
def test_logits_are_those_of_transformers(config: dict[str, Any]) -> None:
    model = random_model(config)
    numerics = Numerics(**numbers_of(model.config))
    network = build(read_config(config).architecture, dtype=torch.float32, device="cpu", numerics=numerics)
    source = {}
    for name, tensor in model.state_dict().items():
        stack, _, rest = name.partition(".layers.")
        if rest:
            index, rest = rest.split(".", 1)
            source[
                f"layers.{int(index) + (stack == 'model.H_module') * config['num_hidden_layers']}.{rest}"
            ] = tensor
        else:
            source[name] = tensor
    # A number of the forward pass, in the rows themselves here.
    source["model.embed_tokens.weight"] = source["model.embed_tokens.weight"] * model.config.embedding_scale
    copy_weights(network, source, NAMES)
    check_logits(network, model)


def test_the_low_stack_runs_so_often_for_each_time_that_the_high_one_does():
    stacks = read_config({**hrm_text.TINY, "num_hidden_layers": 1}).architecture.stacks
    assert order_of_runs(stacks) == (0, 0, 0, 1, 0, 0, 0, 1)


def test_no_layer_stands_for_others():
    architecture = read_config(hrm_text.TINY).architecture
    assert build(architecture, dtype=torch.float32, device="meta").kinds == ()
    with pytest.raises(InputError, match="none stands for the others"):
        build(architecture, dtype=torch.float32, device="meta", layers=("layer",))
    with pytest.raises(InputError, match="its stacks run in a loop"):
        profile(load(hrm_text.TINY), Asked(cpu=True, dtype="fp32", prompt=8, context=8, layers="kinds"))
