"""Laws that hold for every architecture known: a prompt is its tokens one by one, a sweep is its points."""

import numpy as np
import pytest

from moecalc.ir.roles import Component
from moecalc.ir.step import Choices, Domain, Form, Logits, Pairs, Step
from moecalc.sources.hf_config import read_config
from tests.oracle.cases import small_configs

TOKEN_BY_TOKEN = Choices(Pairs.CAUSAL, Logits.ALL, frozenset({Form.ABSORBED, Form.STEP}))
CONFIGS = [pytest.param(config, id=name) for name, config in small_configs()]
PREFIX_LMS = ("cpmant",)
"""Types whose prompt sees itself both ways: a part of it read alone is another prompt, and meets fewer keys."""
TOKENS_ALONE = [
    pytest.param(config, id=name)
    for name, config in small_configs()
    if config["model_type"] not in PREFIX_LMS
]


def ledger_of(config):
    return read_config(config).architecture.lower_to_ledger().part(Component.LANGUAGE)


def flops(ops, step, choices=TOKEN_BY_TOKEN):
    return sum(op.flops(step, choices) for op in ops)


@pytest.mark.parametrize("config", TOKENS_ALONE)
def test_a_prompt_costs_what_its_tokens_cost_one_by_one(config):
    # What is done once per key, whatever the number of queries, is done again in every step.
    ops = [op for op in ledger_of(config).ops if op.extent.domain is not Domain.KEYS]
    assert flops(ops, Step(1)) > 0
    prompt = 41
    one_by_one = sum(flops(ops, Step.decode(context)) for context in range(1, prompt + 1))
    assert flops(ops, Step.prefill(prompt)) == one_by_one
    in_two_chunks = flops(ops, Step(17)) + flops(ops, Step(prompt - 17, 17))
    assert in_two_chunks == one_by_one


@pytest.mark.parametrize("config", CONFIGS)
def test_a_batch_costs_what_its_sequences_cost(config):
    ops = ledger_of(config).ops
    assert flops(ops, Step(9, 30, 5)) == 5 * flops(ops, Step(9, 30))


@pytest.mark.parametrize("config", CONFIGS)
def test_a_sweep_over_contexts_is_its_points(config):
    ledger = ledger_of(config)
    contexts = [1, 5, 33, 100]
    swept = flops(ledger.ops, Step.decode(np.array(contexts, dtype=object)))
    assert (swept * np.ones(4, dtype=int)).tolist() == [
        flops(ledger.ops, Step.decode(context)) for context in contexts
    ]
    held = sum(state.elements(np.array(contexts)) for state in ledger.states)
    points = [sum(state.elements(context) for state in ledger.states) for context in contexts]
    assert (held * np.ones(4, dtype=int)).tolist() == points


@pytest.mark.parametrize("config", CONFIGS)
def test_a_plain_implementation_never_computes_less_than_the_mask_asks(config):
    ops = ledger_of(config).ops
    full = Choices(Pairs.FULL, Logits.ALL, TOKEN_BY_TOKEN.forms)
    for step in (Step(20), Step(20, 30), Step.decode(40)):
        assert flops(ops, step) <= flops(ops, step, full)


@pytest.mark.parametrize("config", CONFIGS)
def test_a_step_reads_no_more_state_than_there_is(config):
    for state in ledger_of(config).states:
        for context in (1, 7, 64, 300):
            assert 0 <= state.elements_read(context) <= state.elements(context)
