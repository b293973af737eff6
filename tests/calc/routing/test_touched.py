"""Experts touched: exact where tokens are few enough to list, limits, and what was observed on real machines."""

import itertools
import math

import pytest

import moecalc
from moecalc.api.precision import precision_for
from moecalc.api.skews import routing_of
from moecalc.calc.comparing.demand import LedgerDemand
from moecalc.calc.routing.experts import pools_of
from moecalc.calc.routing.skewed import routing_under
from moecalc.calc.routing.touched import groups_reached, tokens_that_touch
from moecalc.calc.speed.traffic import UNIFORM
from moecalc.ir.rows import Pool
from moecalc.specs.measurements import measurements
from moecalc.specs.routing import Loads, Skew, parse_law


def touched(law, pool, tokens):
    return float(routing_under(parse_law(law)).touched(pool, tokens)) * pool.experts


def test_the_uniform_law_is_the_assumption_that_speed_has_anyway():
    assert routing_under(parse_law("uniform")) is UNIFORM
    assert routing_of(skew="uniform") is UNIFORM


@pytest.mark.parametrize("pool", [Pool(128, 4), Pool(256, 8), Pool(8, 2)])
def test_a_flat_skew_touches_what_uniform_choice_does(pool):
    counts = Skew(law="loads", loads=Loads(source="f", counts=((7,) * pool.experts,)))
    for tokens in (1, 5, 32, 4096):
        for routing in (routing_under(parse_law("zipf:0")), routing_under(counts)):
            assert routing.touched(pool, tokens) == pytest.approx(UNIFORM.touched(pool, tokens), rel=1e-12)


@pytest.mark.parametrize("law", ["uniform", "zipf:1", "zipf:4", "dirichlet:0.1"])
@pytest.mark.parametrize("pool", [Pool(8, 2), Pool(256, 8), Pool(16, 1)])
def test_limits(law, pool):
    assert touched(law, pool, 1) == pytest.approx(pool.top_k, rel=1e-9)  # B = 1
    assert touched(law, Pool(pool.experts, pool.experts), 7) == pytest.approx(pool.experts)  # k = E
    assert touched(law, Pool(1, 1), 7) == 1  # E = 1


def test_it_is_what_all_choices_of_a_few_tokens_touch():
    """Uniform choice: every way in which 3 tokens pick 2 of 4 experts, listed."""
    subsets = list(itertools.combinations(range(4), 2))
    counted = [len(set().union(*picked)) for picked in itertools.product(subsets, repeat=3)]
    assert touched("uniform", Pool(4, 2), 3) == pytest.approx(sum(counted) / len(counted), rel=1e-12)


def test_top_1_under_a_dirichlet_law_against_its_closed_form():
    """E (1 - E (1 - x)^B) with x ~ Beta(a, a (E - 1)) is a ratio of gamma functions; 4,096 draws lie near it."""
    experts, a, tokens = 64, 0.5, 100
    other = a * (experts - 1)
    log = (
        math.lgamma(other + tokens)
        - math.lgamma(other)
        + math.lgamma(a * experts)
        - math.lgamma(a * experts + tokens)
    )
    exact = experts * (1 - math.exp(log))
    # The share that one expert is touched with deviates by less than 1/2: 4,096 of them by less than 1/128 in the mean.
    assert touched("dirichlet:0.5", Pool(experts, 1), tokens) == pytest.approx(exact, abs=3 * experts / 128)


def test_skew_touches_less_and_more_of_it_still_less():
    for tokens in (8, 64, 512):
        seen = [touched(law, Pool(128, 8), tokens) for law in ("uniform", "zipf:0.5", "zipf:1", "zipf:2")]
        assert seen == sorted(seen, reverse=True)
        assert len(set(seen)) == 4


@pytest.mark.parametrize(
    ("model", "weights", "alone", "batch", "uniform", "implied"),
    [
        ("gpt-oss-120b", "mxfp4_moe", "m1198", "m1205", 82, 41),
        ("qwen3-30b-a3b", "q8_0", "m1225", "m1232", 112, 63),
    ],
)
def test_observed_on_a_gb10_at_batch_32(model, weights, alone, batch, uniform, implied):
    """Uniform choice is an upper bound: real tokens agree on experts (llama.cpp b6918, benches/dgx-spark.md).

    Steps of one and of 32 tokens are taken to last as long as their bytes do: the weights that every token reads, the
    experts touched, the caches. What that leaves for experts is about half of what uniform choice says; within 2 of
    what others worked out of the same measurements.
    """
    loaded = moecalc.load(model)
    (pool,) = pools_of(loaded.ledger)
    rows = {row.id: row for row in measurements()}
    longer = 32 / rows[batch].value * rows[alone].value
    demand = LedgerDemand(loaded.ledger, precision_for(loaded, weights), "fp16")
    every = float(demand.reads.always)
    routed = float(sum(part.read for part in demand.reads.routed))
    state = float(demand.state_bytes_read(rows[alone].context))
    one = every + routed * pool.top_k / pool.experts + state
    seen = (longer * one - every - 32 * state) / routed * pool.experts
    assert seen == pytest.approx(implied, abs=2)
    assert round(touched("uniform", pool, 32)) == uniform
    # Some skew accounts for it.
    assert touched("zipf:2", pool, 32) < implied < touched("zipf:0.5", pool, 32)


@pytest.mark.parametrize("law", ["uniform", "zipf:1"])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_the_batch_that_touches_a_share_is_the_smallest(law, share):
    routing, pool = routing_under(parse_law(law)), Pool(256, 8)
    tokens = tokens_that_touch(routing, pool, share)
    assert routing.touched(pool, tokens) >= share > routing.touched(pool, tokens - 1)


def test_experts_without_load_are_never_touched():
    dead = Skew(law="loads", loads=Loads(source="f", counts=((5, 5, 5, 0),)))
    assert tokens_that_touch(routing_under(dead), Pool(4, 1), 0.75) is not None
    assert tokens_that_touch(routing_under(dead), Pool(4, 1), 0.9) is None


def test_groups_that_a_token_reaches_are_those_of_all_its_choices():
    for pool in (
        Pool(12, 3, groups=4),
        Pool(12, 3, groups=4, group_limit=2),
        Pool(8, 1, groups=4, group_limit=2),
    ):
        size, allowed = pool.experts // pool.groups, pool.group_limit or pool.groups
        picked = list(itertools.combinations(range(allowed * size), pool.top_k))
        reached = sum(len({expert // size for expert in one}) for one in picked)
        assert groups_reached(pool) * len(picked) == reached


def test_a_router_that_ranks_groups_by_their_two_best_experts_reaches_more_of_them():
    """DeepSeek-V3: 4 of 8 groups of 32, ranked by the sum of their two best scores; whatever the scores' law."""
    import numpy as np

    random, tokens = np.random.default_rng(0), 4096
    for scores in (random.random((tokens, 8, 32)), random.standard_normal((tokens, 8, 32))):
        ranking = np.sort(scores, axis=2)[:, :, -2:].sum(axis=2)
        picked = np.argsort(-ranking, axis=1)[:, :4, None]
        within = np.take_along_axis(scores, picked, axis=1).reshape(tokens, -1)
        groups = np.sort(np.argsort(-within, axis=1)[:, :8] // 32, axis=1)
        reached = 1 + np.count_nonzero(np.diff(groups, axis=1), axis=1)
        assert reached.mean() == pytest.approx(3.96, abs=0.02)
    assert float(groups_reached(Pool(256, 8, groups=8, group_limit=4))) == pytest.approx(3.63, abs=0.005)
