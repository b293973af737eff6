"""Choices that a capacity factor drops, against sums over all loads and against simulation."""

import math

import numpy as np
import pytest

from moecalc.calc.routing.capacity import capacity, check_factor, dropped_share, excess
from moecalc.calc.routing.choosing import choices
from moecalc.calc.routing.inclusion import layers_of
from moecalc.errors import InputError
from moecalc.ir.rows import Pool
from moecalc.specs.routing import parse_law


@pytest.mark.parametrize("tokens", [1, 2, 10, 60])
@pytest.mark.parametrize("probability", [0.0, 0.03, 0.3, 0.75, 1.0])
def test_the_excess_is_the_sum_over_all_loads(tokens, probability):
    for slots in range(tokens + 2):
        exact = sum(
            (n - slots) * math.comb(tokens, n) * probability**n * (1 - probability) ** (tokens - n)
            for n in range(slots + 1, tokens + 1)
        )
        assert excess(tokens, probability, slots) == pytest.approx(exact, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(
    ("pool", "law"), [(Pool(64, 6), "uniform"), (Pool(16, 1), "zipf:0.5"), (Pool(8, 2), "uniform")]
)
def test_the_closed_form_lies_where_simulated_drops_lie(pool, law):
    (layer,) = layers_of(parse_law(law), pool)
    batch, batches = 64, 2000
    slots = capacity(pool, batch, 1.25)
    made = choices(pool, layer, batch * batches, np.random.default_rng(5)).reshape(batches, -1)
    counts = np.array([np.bincount(row, minlength=pool.experts) for row in made])
    dropped = np.maximum(counts - slots, 0).sum(axis=1) / (batch * pool.top_k)
    error = dropped.std(ddof=1) / batches**0.5
    assert abs(dropped.mean() - dropped_share((layer,), batch, slots)) < 4 * error


def test_capacity_is_what_switch_transformers_have():
    # Switch Transformer, figure 3: 6 tokens and 3 experts hold 2 each at a factor of 1, 3 at 1.5.
    assert capacity(Pool(3, 1), 6, 1.0) == 2
    assert capacity(Pool(3, 1), 6, 1.5) == 3
    # A factor as it is written, not as binary has it: 1.1 x 10 is 11 slots, not 12.
    assert capacity(Pool(4, 2), 20, 1.1) == 11


def test_limits():
    pool = Pool(8, 8)
    assert dropped_share(layers_of(parse_law("uniform"), pool), 5, capacity(pool, 5, 1.0)) == 0  # k = E
    one = Pool(8, 1)
    assert dropped_share(layers_of(parse_law("uniform"), one), 1, capacity(one, 1, 1.0)) == 0  # B = 1
    assert dropped_share(((1.0, 0.0),), 10, 4) == pytest.approx(0.6)


@pytest.mark.parametrize("factor", [0, -1, math.nan, math.inf, True, 1e5])
def test_factors_that_are_none(factor):
    with pytest.raises(InputError, match="capacity factor"):
        check_factor(factor)
