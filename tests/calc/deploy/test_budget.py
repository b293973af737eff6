"""The fullest rank against its device: exact at the border, monotone, never pooled."""

from fractions import Fraction

import pytest

from moecalc.api.fit_setting import Asked
from moecalc.api.loading import load
from moecalc.api.model import Model
from moecalc.calc import memory
from moecalc.calc.deploy.budget import MOST_SEQUENCES, Holding, fullest, most, usable
from moecalc.calc.deploy.ranks import Sharded
from moecalc.calc.deploy.shares import share_bytes
from moecalc.ir.roles import Component
from moecalc.specs.plan import Plan
from moecalc.specs.workload import LONGEST

GIB = 2**30

MODELS = (
    "llama-3.1-8b",
    "qwen3-30b-a3b",
    "deepseek-v3",
    "gpt-oss-120b",
    "gemma-3-27b",
    "qwen3-next-80b-a3b",
    "nemotron-3-nano-30b-a3b",
    "falcon-h1-0.5b",
    "deepseek-v4-flash",
)
"""Dense, experts, latents, windows, recurrent layers, both at once, compressed sparse attention."""


def holding(name: str, plan: Plan, kv_dtype: str = "bf16") -> Holding:
    found = load(name)
    assert isinstance(found, Model)
    return Holding(
        sharded=Sharded(ledger=found.ledger, plan=plan), precision=found.precision, kv_dtype=kv_dtype
    )


@pytest.mark.parametrize("name", MODELS)
def test_more_tokens_or_sequences_never_take_less(name: str) -> None:
    held = holding(name, Plan(tensor=2))
    last = 0
    for context in (1, 2, 127, 128, 129, 4096, 4097, 32_768, 1_000_000):
        total = held.ranks((0,), 0, context, 1)[0].total_bytes
        assert total >= last
        last = total
    counts = [held.ranks((0,), 0, 4096, count)[0].total_bytes for count in (1, 2, 3, 64, 1000)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("sequences", [1, 3])
def test_the_longest_context_is_exact(name: str, sequences: int) -> None:
    held = holding(name, Plan(tensor=2))
    room = (int(held.weight_bytes[0]) + 3 * GIB,)
    longest = held.longest_context(room, GIB, sequences)
    assert longest is not None
    assert longest > 1
    assert held.fits(room, GIB, longest, sequences)
    assert longest == LONGEST or not held.fits(room, GIB, longest + 1, sequences)


@pytest.mark.parametrize("name", MODELS)
def test_the_most_sequences_are_exact(name: str) -> None:
    held = holding(name, Plan(pipeline=2))
    room = (int(max(held.weight_bytes)) + 3 * GIB,)
    count = held.most_sequences(room, GIB, 8192)
    assert count is not None
    assert held.fits(room, GIB, 8192, count)
    assert count == MOST_SEQUENCES or not held.fits(room, GIB, 8192, count + 1)


def test_what_does_not_fit_has_no_longest_context() -> None:
    held = holding("llama-3.1-8b", Plan())
    room = (int(held.weight_bytes[0]),)
    assert held.longest_context(room, 1, 1) is None
    assert held.most_sequences(room, 1, 1) is None


def test_memory_is_not_pooled_over_cards() -> None:
    # Two stages of 40 layers of Llama 3.1 70B in bf16 take 66 GiB each: 100 + 40 GiB hold the sum, not the parts.
    held = holding("llama-3.1-70b", Plan(pipeline=2))
    assert sum(held.weight_bytes) < 140 * GIB
    assert not held.fits((100 * GIB, 40 * GIB), 0, 1, 1)
    assert held.fits((100 * GIB, 70 * GIB), 0, 1, 1)
    assert fullest(held.ranks((100 * GIB, 40 * GIB), 0, 1, 1)).stage == 1


def test_a_rank_holds_its_parts_and_no_more() -> None:
    held = holding("llama-3.1-8b", Plan())
    rank = held.ranks((80 * GIB,), GIB, 4096, 2)[0]
    found = load("llama-3.1-8b")
    assert isinstance(found, Model)
    assert rank.weight_bytes == memory.weight_bytes(found.ledger, found.precision)
    # 2 sequences x 4,096 tokens x 2 x 32 layers x 8 heads x 128 in bf16 (config.json of Llama-3.1-8B)
    assert rank.state_bytes == 2 * 4096 * 2 * 32 * 8 * 128 * 2
    parts = rank.weight_bytes + rank.state_bytes + rank.activation_bytes + rank.overhead_bytes
    assert rank.free_bytes == 80 * GIB - parts
    assert sum(size for _, size in rank.by_group) == rank.weight_bytes


@pytest.mark.parametrize("name", ["qwen3-30b-a3b", "gemma-2-2b", "deepseek-v3", "zamba2-2.7b", "gpt-oss-20b"])
@pytest.mark.parametrize("quant", ["released", "q4_k_m"])
def test_bytes_by_layer_are_the_bytes_of_the_rows(name: str, quant: str) -> None:
    """Stages are sums over layers; they must be what the rows of each stage store, row by row."""
    asked = Asked(name, context=None, sequences=1, kv_dtype=None, utilization=None, engine="generic")
    precision, ledger = asked.precision(quant), asked.model.ledger
    is_tied = any(weight.tied_to is not None for weight in ledger.weights)
    plans = [Plan(), Plan(tensor=2)]  # a tied head's own copy on a later stage has the embedding's format
    for plan in plans if is_tied else [*plans, Plan(pipeline=3), Plan(tensor=2, pipeline=2)]:
        sharded = Sharded(ledger=ledger, plan=plan, components=(Component.LANGUAGE,))
        for stage in range(plan.pipeline):
            rows = (share_bytes(precision, whole, share) for whole, share in sharded.rank_weights(stage))
            assert sum(dict(sharded.weight_groups(stage, precision)).values()) == sum(rows), (plan, stage)


@pytest.mark.parametrize("quant", ["released", "q4_k_m"])
def test_a_tied_head_on_a_later_stage_is_a_copy_of_the_embedding(quant: str) -> None:
    asked = Asked("gemma-2-2b", context=None, sequences=1, kv_dtype=None, utilization=None, engine="generic")
    precision = asked.precision(quant)
    first, last = Sharded(ledger=asked.model.ledger, plan=Plan(pipeline=2)), 1
    embedding = dict(first.weight_groups(0, precision))["embedding"]
    assert dict(first.weight_groups(last, precision))["head"] == embedding


@pytest.mark.parametrize(
    ("limit", "border"), [(100, 1), (100, 37), (100, 99), (100, 100), (2**32, 2**31 + 5)]
)
def test_the_search_finds_the_border(limit: int, border: int) -> None:
    assert most(limit, lambda value: value <= border) == border


def test_a_share_of_memory_is_whole_bytes() -> None:
    assert usable(10, Fraction(1, 3)) == 3
