"""The frontier against the definition, pair by pair."""

import random

from hypothesis import given
from hypothesis import strategies as st

from moecalc.calc.design.pareto import Frontier

SCORES = st.lists(st.tuples(*[st.integers(0, 6)] * 3), max_size=60)


def by_definition(scores):
    return {
        one
        for one in scores
        if not any(all(b <= a for a, b in zip(one, other, strict=True)) and other != one for other in scores)
    }


@given(SCORES)
def test_none_that_is_kept_is_beaten_and_all_others_are(scores):
    frontier = Frontier()
    for start in range(0, len(scores), 7):  # in portions, as a search hands them over
        frontier.add([(entry, index) for index, entry in enumerate(scores[start : start + 7], start)])
    kept = [entry for entry, _ in frontier.entries]
    assert set(kept) == by_definition(scores)
    assert len(kept) == len(set(kept))
    assert kept == sorted(kept)


def test_of_equals_the_first_is_kept():
    frontier = Frontier()
    frontier.add([((1, 1), "first"), ((1, 1), "second")])
    frontier.add([((1, 1), "third")])
    assert frontier.entries == [((1, 1), "first")]


def test_the_order_in_which_designs_come_does_not_matter():
    draw = random.Random(0)
    scores = [tuple(draw.randrange(20) for _ in range(4)) for _ in range(400)]
    frontiers = []
    for _ in range(3):
        draw.shuffle(scores)
        frontier = Frontier()
        frontier.add([(entry, None) for entry in scores])
        frontiers.append([entry for entry, _ in frontier.entries])
    assert frontiers[0] == frontiers[1] == frontiers[2]
