"""FLOPs that a router decides are an expectation in the table, and no others are."""

import pytest
import torch

from moecalc.api.loading import load
from moecalc.profile.builder import build
from moecalc.profile.measure.computing import Computed
from moecalc.profile.measure.own import OwnRunner
from moecalc.sources.hf_config import read_config
from tests.oracle.families import longcat_flash, mixtral


@pytest.mark.parametrize(
    ("config", "drawn"),
    [
        (longcat_flash.TINY, True),
        ({**longcat_flash.TINY, "zero_expert_num": 0}, False),
        (mixtral.TINY, False),
    ],
)
def test_flops_are_drawn_where_experts_without_weights_are_chosen(config, drawn):
    computed = Computed(model=load(config), dtype="fp32")
    assert computed.draws_flops == drawn


def test_experts_beside_a_dense_feed_forward_are_touched_too():
    runner = OwnRunner(build(read_config(longcat_flash.TINY).architecture, dtype=torch.float32, device="cpu"))
    runner.prefill(torch.arange(64).view(1, 64), runner.new_state(1, 64))
    touched = runner.touched()
    assert touched is not None
    assert (touched.experts, touched.layers) == (2 * 6, 2)
    assert 0 < touched.distinct <= 12
