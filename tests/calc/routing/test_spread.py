"""How far draws stray: variances by hand and by simulation, and no more strays than were said."""

from math import exp, log

import pytest

from moecalc.calc.routing.choosing import choices
from moecalc.calc.routing.inclusion import layers_of
from moecalc.calc.routing.spread import CHANCE, called_variance, likely_deviation, touched_variance
from moecalc.ir.rows import Pool
from moecalc.specs.routing import UNIFORM_SKEW, Loads, Skew, parse_law

np = pytest.importorskip("numpy")

POOLS = [
    Pool(8, 2),
    Pool(128, 8),
    Pool(64, 6, groups=8, group_limit=3),
    Pool(6, 3, null_experts=4),
    Pool(4, 4),
]


def drawn(pool, skew, tokens, times):
    """Distinct experts with weights, and choices of such experts, of so many draws."""
    random = np.random.default_rng(20_261_124)
    (layer,) = layers_of(skew, pool)
    made = [choices(pool, layer, tokens, random) for _ in range(times)]
    real = [draw[draw < pool.experts] for draw in made]
    return np.array([len(np.unique(each)) for each in real]), np.array([each.size for each in real])


def test_two_tokens_that_choose_one_of_two_experts():
    """Both alike or not, one experts or two, each with a chance of a half."""
    assert touched_variance(UNIFORM_SKEW, Pool(2, 1), 2).within == pytest.approx(0.25)


@pytest.mark.parametrize("law", ["uniform", "zipf:1.1"])
def test_a_token_touches_what_it_chooses(law):
    assert touched_variance(parse_law(law), Pool(16, 4), 1).within == 0


@pytest.mark.parametrize("tokens", [1, 2, 7, 20])
@pytest.mark.parametrize("pool", POOLS)
def test_the_variance_of_uniform_choice_is_that_of_its_draws(pool, tokens):
    """Of 4,000 draws a variance is known to about 2 in 100; five times that is asked."""
    distinct, called = drawn(pool, UNIFORM_SKEW, tokens, 4000)
    assert touched_variance(UNIFORM_SKEW, pool, tokens).within == pytest.approx(
        distinct.var(), rel=0.11, abs=0.01
    )
    assert called_variance(pool, tokens) == pytest.approx(called.var(), rel=0.11)


@pytest.mark.parametrize("tokens", [2, 8, 40])
@pytest.mark.parametrize("law", ["zipf:0.5", "zipf:2"])
def test_the_variance_of_other_laws_is_not_below_that_of_their_draws(law, tokens):
    pool, skew = Pool(64, 8), parse_law(law)
    distinct, _ = drawn(pool, skew, tokens, 2000)
    assert touched_variance(skew, pool, tokens).within > 0.9 * distinct.var() > 0


def test_layers_of_different_loads_have_different_expectations():
    """Two tokens touch 1.5 experts of even loads, and 1 where one has all."""
    skew = Skew(law="loads", loads=Loads(source="counts.json", counts=((5, 5), (10, 0))))
    assert touched_variance(skew, Pool(2, 1), 2).between == pytest.approx(0.25**2)


def test_by_how_much_a_draw_may_be_off():
    """For small deviations a normal's: sqrt(2 v ln(2 / chance)); none where nothing varies."""
    assert likely_deviation(0.0) == 0.0
    assert likely_deviation(1e8) == pytest.approx((2e8 * log(2 / CHANCE)) ** 0.5, rel=1e-3)
    found, variance, largest = likely_deviation(3.0, largest=2.0), 3.0, 2.0
    ratio = largest * found / variance
    bound = 2 * exp(-variance / largest**2 * ((1 + ratio) * log(1 + ratio) - ratio))
    assert bound == pytest.approx(CHANCE)


def test_an_event_that_hardly_ever_is_leaves_no_room():
    """That eight experts are not all touched by 64 tokens has a chance of 1 in 10 million: none may be missing."""
    pool = Pool(8, 2)
    assert likely_deviation(touched_variance(UNIFORM_SKEW, pool, 64).within) < 1


@pytest.mark.parametrize("pool", POOLS)
def test_draws_stay_within(pool):
    """Of 4,000 draws less than one is expected outside."""
    distinct, _ = drawn(pool, UNIFORM_SKEW, 12, 4000)
    expected = pool.experts * pool.distinct_share(12)
    likely = likely_deviation(touched_variance(UNIFORM_SKEW, pool, 12).within)
    assert (abs(distinct - expected) <= likely + 1e-9).sum() >= 3999
