"""Experts without weights: what a network counts is what its router chose, layer by layer."""

import pytest
import torch

from moecalc.ir.roles import Role
from moecalc.ir.step import Step
from moecalc.profile.builder import build
from moecalc.profile.builder.counters import count, counted_choices
from moecalc.sources.hf_config import read_config
from tests.oracle.families import longcat_flash

ARCHITECTURE = read_config(longcat_flash.TINY).architecture
LEDGER = ARCHITECTURE.lower_to_ledger()


@pytest.mark.parametrize("bias", [-10.0, 0.0, 10.0])
@pytest.mark.parametrize("step", [Step(40, 0, 2), Step(1, 40, 2)])
def test_flops_are_those_of_the_experts_chosen(step: Step, bias: float):
    network = build(ARCHITECTURE, dtype=torch.float32, device="cpu")
    for row, _place, tensor, _beside in network.weights():
        if row.role is Role.ROUTER_CORRECTION:
            tensor[longcat_flash.TINY["n_routed_experts"] :] = bias
    cache = network.new_state(2, 41)
    network.fill(cache, step.past)
    ids = torch.arange(2 * step.new).view(2, step.new)
    counted = count(lambda: network(ids, cache))
    calls = sum(
        int((chosen < longcat_flash.TINY["n_routed_experts"]).sum())
        for chosen in network.chosen_experts().values()
    )
    each = 3 * 2 * longcat_flash.TINY["hidden_size"] * longcat_flash.TINY["expert_ffn_hidden_size"]
    choices = counted_choices(step)
    rest = sum(op.flops(step, choices) for op in LEDGER.ops if op.pool is None)
    tokens = step.batch * step.new * longcat_flash.TINY["num_layers"]
    if bias:
        assert calls == tokens * (1 if bias > 0 else longcat_flash.TINY["moe_topk"])
    assert counted.flops == rest + calls * each
