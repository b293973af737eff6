"""Rows: slots of a state, pools of experts, weights, operations and what they come to."""

from fractions import Fraction
from itertools import combinations, product

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moecalc.ir.dims import Axis, Dim, axis, concat
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Ledger, Op, Pool, Slots, SlotsKind, State, Weight
from moecalc.ir.step import ALL_PAIRS, Choices, Domain, Extent, Form, Logits, Pairs, Step

contexts, sizes = st.integers(0, 120), st.integers(1, 30)


# --------------------------------------------------------------------------------------------------- slots


class Memory:
    """What a layer holds, token by token."""

    def __init__(self, size):
        self.size = size
        self.tokens, self.window, self.open_block, self.closed = [], [], [], []

    def see(self, token):
        self.tokens.append(token)
        self.window = [*self.window, token][-self.size :]
        self.open_block.append(token)
        if len(self.open_block) == self.size:
            self.closed.append(self.open_block)
            self.open_block = []

    def held(self, kind):
        return {
            SlotsKind.FULL: len(self.tokens),
            SlotsKind.WINDOW: len(self.window),
            SlotsKind.CHUNK: len(self.window),
            SlotsKind.BLOCKS: len(self.closed),
            SlotsKind.REMAINDER: len(self.open_block),
            SlotsKind.OVERLAP: len(self.closed[-1]) if self.closed else 0,
            SlotsKind.CONV: self.size - 1,  # zeros before the first tokens
            SlotsKind.CONSTANT: 1,
        }[kind]


COUNTED = [kind for kind in SlotsKind if kind is not SlotsKind.SOURCE]


@given(context=contexts, size=sizes)
def test_slots_are_what_is_held_after_so_many_tokens(context, size):
    memory = Memory(size)
    for token in range(context):
        memory.see(token)
    for kind in COUNTED:
        assert Slots(kind, size).count(context) == memory.held(kind), kind


@given(context=contexts, size=sizes)
def test_transformers_keeps_a_token_less_of_a_window_and_a_column_more_of_a_convolution(context, size):
    # the window of the next token: all but itself
    assert Slots(SlotsKind.WINDOW, size).reserved_by_transformers(context) == min(size - 1, context)
    assert Slots(SlotsKind.CONV, size).reserved_by_transformers(context) == size
    for kind in (SlotsKind.FULL, SlotsKind.BLOCKS, SlotsKind.REMAINDER, SlotsKind.CONSTANT):
        slots = Slots(kind, size)
        assert slots.reserved_by_transformers(context) == slots.count(context)


@given(context=contexts, size=sizes, top_k=st.integers(1, 40))
def test_a_sparse_read_touches_at_most_top_k(context, size, top_k):
    blocks = Slots(SlotsKind.BLOCKS, size, top_k)
    assert blocks.count(context) == len(range(size, context + 1, size)[:top_k])
    assert Slots(top_k=top_k).count(context) == min(context, top_k)


@pytest.mark.parametrize("kind", COUNTED)
def test_slots_over_an_array_of_contexts(kind):
    lengths = [0, 1, 7, 8, 9, 16, 100]
    slots = Slots(kind, 8)
    together = slots.count(np.array(lengths)) * np.ones(len(lengths), dtype=int)
    assert together.tolist() == [slots.count(length) for length in lengths]


def test_a_source_fills_its_slots_and_a_context_does_not():
    state = State(role=Role.ATTENTION_KEY_STATE, dims=(Dim("d", 6),), slots=Slots(SlotsKind.SOURCE), layers=2)
    assert state.elements(1000) == 0
    assert state.source_elements(7) == 2 * 6 * 7
    tokens = State(role=Role.ATTENTION_KEY_STATE, dims=(Dim("d", 6),), slots=Slots())
    assert tokens.source_elements(7) == 0


# ------------------------------------------------------------------------------------------------- states


def test_a_state_is_dims_by_slots_by_layers_by_applications():
    state = State(
        role=Role.ATTENTION_KEY_STATE,
        dims=(Dim("kv_heads", 8), Dim("head_dim", 128)),
        slots=Slots(SlotsKind.WINDOW, 100),
        layers=3,
        applications=2,
        read=Slots(SlotsKind.FULL, top_k=40),
        reserved_dims=(Dim("heads", 32), Dim("head_dim", 128)),
    )
    assert state.elements_per_slot == 1024
    assert state.elements(50) == 1024 * 50 * 6
    assert state.elements(500) == 1024 * 100 * 6
    assert state.elements_read(500) == 1024 * 40 * 6
    assert state.elements_reserved(500) == 32 * 128 * 99 * 6
    whole = msgspec.structs.replace(state, reserved=Slots())
    assert whole.elements_reserved(500) == 32 * 128 * 500 * 6
    plain = msgspec.structs.replace(state, read=None)
    assert plain.elements_read(500) == plain.elements(500)


# -------------------------------------------------------------------------------------------------- pools


def choices(experts, null_experts, top_k):
    """Every choice of top_k among real experts (numbered first) and null ones."""
    return list(combinations(range(experts + null_experts), top_k))


@pytest.mark.parametrize(
    ("experts", "null_experts", "top_k"),
    [(4, 0, 2), (4, 2, 2), (3, 4, 3), (2, 5, 4), (5, 1, 5), (6, 3, 1), (2, 2, 4)],
)
def test_calls_are_the_mean_and_the_ends_over_every_choice(experts, null_experts, top_k):
    calls = [sum(chosen < experts for chosen in choice) for choice in choices(experts, null_experts, top_k)]
    pool = Pool(experts, top_k, null_experts)
    assert pool.calls == Fraction(sum(calls), len(calls))
    assert (pool.min_calls, pool.max_calls) == (min(calls), max(calls))


def test_longcat_uses_8_of_its_12_choices_for_experts_with_weights():
    # 512 experts, 256 zero-compute ones, 12 chosen (LongCat-Flash, arXiv 2509.01322): 12 x 512 / 768
    pool = Pool(512, 12, 256)
    assert (pool.calls, pool.min_calls, pool.max_calls) == (8, 0, 12)


@pytest.mark.parametrize(("experts", "null_experts", "top_k"), [(4, 0, 2), (3, 0, 1), (3, 2, 2), (2, 1, 3)])
@pytest.mark.parametrize("tokens", [1, 2, 3])
def test_distinct_share_is_the_mean_over_every_way_to_route(experts, null_experts, top_k, tokens):
    ways = list(product(choices(experts, null_experts, top_k), repeat=tokens))
    touched = [len({expert for choice in way for expert in choice if expert < experts}) for way in ways]
    mean = Fraction(sum(touched), len(ways) * experts)
    assert Pool(experts, top_k, null_experts).distinct_share(tokens) == pytest.approx(float(mean), rel=1e-12)


@given(experts=st.integers(1, 512), tokens=st.integers(1, 5000), data=st.data())
def test_distinct_share_at_its_limits(experts, tokens, data):
    top_k = data.draw(st.integers(1, experts))
    share = Pool(experts, top_k).distinct_share(tokens)
    assert 0 < share <= 1
    assert Pool(experts, top_k).distinct_share(1) == pytest.approx(top_k / experts, rel=1e-12)
    assert Pool(experts, experts).distinct_share(tokens) == 1
    assert Pool(experts, top_k).distinct_share(0) == 0
    assert Pool(experts, top_k).distinct_share(tokens + 1) >= share


def test_a_batch_of_16_touches_99_percent_of_mixtral_and_128_tokens_98_percent_of_256_choose_8():
    # (6/8)^16 = 0.01002 and (248/256)^128 = e^(128 ln 0.96875) = e^-4.0638 = 0.01718
    assert Pool(8, 2).distinct_share(16) == pytest.approx(1 - 0.0100226, abs=1e-6)
    assert Pool(256, 8).distinct_share(128) == pytest.approx(1 - 0.01718, abs=1e-4)


# ----------------------------------------------------------------------------------------- axes and weights


def test_axes_multiply_their_dims_and_add_their_parts():
    heads, width = Dim("heads", 128), Dim("qk_head_dim", 192)
    assert axis(heads, width).size == 24_576
    assert concat(axis(heads, width), axis(heads), axis(Dim("rope", 64))).size == 24_576 + 128 + 64
    assert Axis().size == 1
    assert axis(Dim("hidden_size", np.array([2, 3])), heads).size.tolist() == [256, 384]


def test_a_weight_is_layers_by_its_axes_and_a_tied_one_stores_nothing():
    weight = Weight(
        role=Role.HEAD,
        shape=(axis(Dim("vocab_size", 10)), axis(Dim("hidden_size", 4))),
        layers=3,
        applications=7,
    )
    assert (weight.elements_per_layer, weight.elements) == (40, 120)
    tied = msgspec.structs.replace(weight, tied_to=Role.EMBEDDING_TOKENS)
    assert (tied.elements_per_layer, tied.elements) == (40, 0)


# --------------------------------------------------------------------------------------------- operations

CAUSAL = Choices(Pairs.CAUSAL, Logits.LAST, frozenset({Form.NAIVE, Form.STEP}))
FULL = Choices(Pairs.FULL, Logits.ALL, frozenset({Form.ABSORBED}))


def test_an_operation_is_2_by_dims_by_extent_by_layers_by_applications_by_batch():
    op = Op(
        role=Role.ATTENTION_SCORES,
        dims=(Dim("heads", 4), Dim("head_dim", 8)),
        extent=Extent(Domain.TOKENS, ALL_PAIRS),
        layers=3,
        applications=2,
    )
    # 10 + 9 + ... + 1 pairs under the mask, 10 x 10 without
    assert op.flops(Step.prefill(10, 5), CAUSAL) == 2 * 32 * 55 * 3 * 2 * 5
    assert op.flops(Step.prefill(10, 5), FULL) == 2 * 32 * 100 * 3 * 2 * 5
    assert op.flops(Step.decode(10), CAUSAL) == 2 * 32 * 10 * 6
    assert msgspec.structs.replace(op, coefficient=1).flops(Step.decode(10), CAUSAL) == 32 * 10 * 6


def test_an_operation_counts_only_in_its_forms():
    op = Op(role=Role.ATTENTION_KV_B, dims=(Dim("x", 3),), extent=Extent(), forms=frozenset({Form.NAIVE}))
    assert op.flops(Step(4), CAUSAL) == 2 * 3 * 4
    assert op.flops(Step(4), FULL) == 0
    everywhere = msgspec.structs.replace(op, forms=frozenset())
    assert everywhere.flops(Step(4), FULL) == 2 * 3 * 4


def test_routed_operations_run_once_per_expected_expert_call():
    op = Op(role=Role.EXPERT_UP, dims=(Dim("out", 5), Dim("in", 7)), extent=Extent(), pool=Pool(6, 4, 3))
    # 4 x 6 / 9 = 8/3 calls
    assert op.flops(Step(3), CAUSAL) == 2 * 35 * 3 * Fraction(8, 3)


# ------------------------------------------------------------------------------------------------- ledgers


def test_a_ledger_sorts_rows_and_parts_them_by_component():
    weight = Weight(role=Role.NORM, shape=(axis(Dim("hidden_size", 4)),))
    beside = msgspec.structs.replace(weight, component=Component.MTP)
    op = Op(role=Role.HEAD, dims=(), extent=Extent())
    state = State(role=Role.ATTENTION_KEY_STATE, dims=(), slots=Slots(), component=Component.MTP)
    ledger = Ledger.of(iter([state, weight, op, beside]))
    assert ledger == Ledger((weight, beside), (op,), (state,))
    assert ledger.part(Component.MTP) == Ledger((beside,), (), (state,))
    assert ledger.part(Component.LANGUAGE) == Ledger((weight,), (op,), ())
    assert ledger.part(Component.VISION) == Ledger((), (), ())
