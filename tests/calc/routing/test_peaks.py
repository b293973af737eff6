"""The fullest expert and rank: closed forms against brute force, simulations against closed forms, limits."""

import itertools
from collections import Counter

import numpy as np
import pytest

from moecalc.calc.routing.choosing import choices
from moecalc.calc.routing.inclusion import layers_of
from moecalc.calc.routing.largest import at_most, expected_largest
from moecalc.calc.routing.peaks import Pace, peaks
from moecalc.ir.rows import Pool
from moecalc.specs.routing import parse_law


def layers(law, pool):
    return layers_of(parse_law(law), pool)


@pytest.mark.parametrize(("bins", "tokens"), [(2, 2), (3, 4), (4, 5), (5, 3), (2, 9), (1, 6)])
def test_the_largest_of_multinomial_loads_is_that_of_all_outcomes(bins, tokens):
    outcomes = [max(Counter(one).values()) for one in itertools.product(range(bins), repeat=tokens)]
    assert expected_largest(bins, tokens) == pytest.approx(sum(outcomes) / len(outcomes), rel=1e-12)
    for most in range(tokens + 1):
        share = sum(largest <= most for largest in outcomes) / len(outcomes)
        assert at_most(bins, tokens, most) == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize(("bins", "tokens"), [(8, 1000), (128, 4096), (64, 20)])
def test_the_closed_form_lies_where_multinomial_draws_lie(bins, tokens):
    drawn = np.random.default_rng(1).multinomial(tokens, [1 / bins] * bins, size=4000).max(axis=1)
    error = drawn.std(ddof=1) / len(drawn) ** 0.5
    assert abs(expected_largest(bins, tokens) - drawn.mean()) < 4 * error


def test_simulated_loads_of_two_choices_lie_where_all_outcomes_do():
    """3 tokens that pick 2 of 4 experts, on 2 ranks: every outcome, listed."""
    subsets = list(itertools.combinations(range(4), 2))
    most = most_on_rank = most_read = read = 0
    outcomes = list(itertools.product(subsets, repeat=3))
    for picked in outcomes:
        counts = Counter(itertools.chain(*picked))
        most += max(counts.values())
        most_on_rank += max(counts[0] + counts[1], counts[2] + counts[3])
        on_ranks = [len({0, 1} & set(counts)), len({2, 3} & set(counts))]
        most_read += max(on_ranks)
        read += sum(on_ranks) / 2
    found = peaks(Pool(4, 2), layers("uniform", Pool(4, 2)), [3], 2)[3]
    for peak, exact in (
        (found.expert, most / len(outcomes) / 1.5),
        (found.rank_choices, most_on_rank / len(outcomes) / 3),
        (found.rank_experts, most_read / read),
    ):
        assert abs(peak.over_mean - exact) < 4 * peak.error


@pytest.mark.parametrize(
    "pool", [Pool(64, 6), Pool(256, 8, groups=8, group_limit=4), Pool(8, 2), Pool(16, 1)]
)
def test_each_expert_is_picked_as_often_as_its_probability_says(pool):
    for law, off in (("uniform", 0.0), ("zipf:0.5", 0.02), ("zipf:1", 0.02)):
        (layer,) = layers(law, pool)
        made = choices(pool, layer, 40_000, np.random.default_rng(2))
        assert made.shape == (40_000, pool.top_k)
        assert all(len(set(row)) == pool.top_k for row in made[:200].tolist())
        seen = np.bincount(made.ravel(), minlength=pool.experts) / len(made)
        noise = 5 * np.sqrt(np.array(layer) * (1 - np.array(layer)) / len(made))
        if pool.group_limit is None:  # with one, a group's share is capped too
            assert (abs(seen - layer) <= noise + off).all(), law
        elif law == "uniform":
            assert (abs(seen - layer) <= noise).all()


def test_random_tokens_repeat_experts_as_often_as_the_mixtral_paper_says():
    """Its baseline of random assignment (arXiv 2401.04088, section 5): 1 - 6/8 x 5/7, 46%, share one of two experts."""
    made = choices(Pool(8, 2), layers("uniform", Pool(8, 2))[0], 40_000, np.random.default_rng(6))
    earlier, later = made[::2, :, None], made[1::2, None, :]
    repeated = (earlier == later).any(axis=(1, 2))
    assert repeated.mean() == pytest.approx(1 - 6 / 8 * 5 / 7, abs=5 * 0.5 / len(repeated) ** 0.5)


def test_a_group_limit_is_kept():
    pool = Pool(256, 8, groups=8, group_limit=4)
    made = choices(pool, layers("uniform", pool)[0], 2000, np.random.default_rng(3))
    reached = [len({expert // 32 for expert in row}) for row in made.tolist()]
    assert max(reached) <= 4
    # 3.629 by the closed form of `groups_reached`; a row deviates by less than 0.6.
    assert np.mean(reached) == pytest.approx(3.629, abs=5 * 0.6 / 2000**0.5)


def test_a_group_limit_makes_ranks_less_even():
    """A rank for each group: a token sends more of its choices to the same rank."""
    limited, free = Pool(256, 8, groups=8, group_limit=4), Pool(256, 8)
    for batch in (32, 256):
        uneven = peaks(limited, layers("uniform", limited), [batch], 8)[batch].rank_choices
        even = peaks(free, layers("uniform", free), [batch], 8)[batch].rank_choices
        assert uneven.over_mean - even.over_mean > 4 * (uneven.error + even.error)


def test_limits():
    everything = peaks(Pool(8, 8), layers("uniform", Pool(8, 8)), [1, 16], 4)
    assert all(found.expert.over_mean == found.rank_choices.over_mean == 1 for found in everything.values())
    assert peaks(Pool(1, 1), layers("uniform", Pool(1, 1)), [5])[5].expert.over_mean == 1
    one = peaks(Pool(256, 8), layers("zipf:1", Pool(256, 8)), [1])[1].expert
    assert one.over_mean == 32
    assert one.error is None


def test_many_tokens_are_as_uneven_as_the_law():
    pool = Pool(64, 4)
    (layer,) = layers("zipf:0.3", pool)
    found = peaks(pool, (layer,), [16384])[16384].expert
    assert found.over_mean == pytest.approx(max(layer) * 64 / 4, rel=0.05)  # and what chance adds


def test_a_step_takes_what_binds_it():
    """Where reading takes all the time a step follows the experts read, where arithmetic does the choices."""
    pool, batch = Pool(64, 4), 64
    made = {name: peaks(pool, layers("zipf:0.5", pool), [batch], 8, pace)[batch] for name, pace in
            (("reading", Pace(1.0, 0.0)), ("arithmetic", Pace(0.0, 1.0)))}  # fmt: skip
    assert made["reading"].rank_seconds == made["reading"].rank_experts
    assert made["arithmetic"].rank_seconds == made["arithmetic"].rank_choices


def test_zero_compute_experts_take_their_share_of_choices():
    pool = Pool(8, 2, null_experts=8)
    made = choices(pool, layers("uniform", pool)[0], 20_000, np.random.default_rng(4))
    assert (made < 8).mean() == pytest.approx(0.5, abs=0.01)
    assert peaks(pool, layers("uniform", pool), [4])[4].expert.error > 0


def test_the_same_question_has_the_same_answer():
    pool = Pool(32, 2)
    once, again = (peaks(pool, layers("dirichlet:1", pool), [8, 64], 4) for _ in range(2))
    assert once == again
