"""The probability that a token picks each expert: sums, caps, limits, and recordings that cannot be of the model."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moecalc.calc.routing.inclusion import capped, drawn_layers, hottest_rank, layers_of
from moecalc.errors import InputError
from moecalc.ir.rows import Pool
from moecalc.specs.routing import Loads, Skew, parse_law

POOLS = (
    Pool(8, 2),
    Pool(16, 1),
    Pool(128, 8),
    Pool(256, 8, groups=8, group_limit=4),
    Pool(12, 12),
    Pool(1, 1),
)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("law", ["uniform", "zipf:0", "zipf:0.7", "zipf:3", "dirichlet:0.05", "dirichlet:5"])
def test_a_token_calls_as_many_experts_as_it_does(pool, law):
    for layer in layers_of(parse_law(law), pool):
        assert len(layer) == pool.experts
        assert math.isclose(math.fsum(layer), float(pool.calls), rel_tol=1e-12)
        assert all(0 <= probability <= 1 for probability in layer)


def test_a_zipf_law_of_exponent_0_is_uniform():
    assert layers_of(parse_law("zipf:0"), Pool(128, 8)) == layers_of(parse_law("uniform"), Pool(128, 8))


def test_uncapped_loads_fall_as_the_law_has_it():
    (layer,) = layers_of(parse_law("zipf:1"), Pool(256, 1))
    harmonic = sum(1 / rank for rank in range(1, 257))
    assert layer == pytest.approx([1 / rank / harmonic for rank in range(1, 257)], rel=1e-13)


@given(st.lists(st.integers(0, 1000), min_size=4, max_size=30), st.integers(1, 4))
def test_what_a_cap_cuts_off_falls_to_the_others_in_proportion(shares, calls):
    shares = [share + 1 for share in shares]
    made = capped(shares, float(calls))
    assert math.isclose(math.fsum(made), calls, rel_tol=1e-12)
    below = [(share, p) for share, p in zip(shares, made, strict=True) if p < 1]
    if below:
        ratio = below[0][1] / below[0][0]
        assert all(math.isclose(p / share, ratio, rel_tol=1e-9) for share, p in below)
        # One that is certain would have got more than 1 at the others' rate.
        certain = [share for share, p in zip(shares, made, strict=True) if p >= 1]
        assert all(share * ratio >= 1 - 1e-9 for share in certain)


def test_draws_are_the_same_every_time_and_more_where_layers_are_small():
    law = parse_law("dirichlet:0.5")
    assert layers_of(law, Pool(8, 2)) == layers_of(law, Pool(8, 2))
    assert len(layers_of(law, Pool(8, 2))) == drawn_layers(8) == 512
    assert drawn_layers(4096) == 16


def test_the_hottest_rank_of_an_even_load_is_like_the_others():
    assert hottest_rank(layers_of(parse_law("uniform"), Pool(256, 8)), 32) == pytest.approx(1, rel=1e-12)
    counted = Skew(law="loads", loads=Loads(source="f", counts=((3, 1, 1, 3), (4, 2, 1, 1))))
    # Ranks of two experts: 4 of 8 and 4 of 8, then 6 of 8 and 2 of 8.
    assert hottest_rank(layers_of(counted, Pool(4, 2)), 2) == pytest.approx((1 + 1.5) / 2)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (((1, 1, 1),), "counts 3 experts, and the model has 4"),
        (((1, 1, 1, 1),) * 3, "counts 3 layers, and 2 of the model's choose experts"),
        (((5, 0, 0, 0), (1, 1, 1, 1)), "has load on 1 experts, and a token calls 2"),
        (((9, 1, 1, 1), (1, 1, 1, 1)), "gives expert 0 75.0% of the load"),
    ],
)
def test_loads_that_are_not_of_this_model_are_refused(counts, said):
    skew = Skew(law="loads", loads=Loads(source="f.json", counts=counts))
    with pytest.raises(InputError, match=said):
        layers_of(skew, Pool(4, 2), 2)
