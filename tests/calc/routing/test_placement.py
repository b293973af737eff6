"""Placements: DeepSeek's published example to the slot, optima by brute force, and what every placement keeps."""

import itertools
import random
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moecalc.calc.routing.placement import floor, in_order, placed
from moecalc.calc.routing.placements import placements_of
from moecalc.errors import InputError
from moecalc.specs.recordings import Recording

EXAMPLE = (
    (90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86),
    (20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27),
)
"""Of EPLB's README (github.com/deepseek-ai/EPLB): 16 replicas, 4 groups, 2 nodes, 8 GPUs."""


def test_eplb_s_own_example_to_the_slot():
    found = placed(EXAMPLE, 8, 4, groups=4, nodes=2, exchange=False)
    assert [layer.slots for layer in found.layers] == [
        (5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1),
        (7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1),
    ]


def test_ours_is_no_worse_than_theirs():
    theirs = placed(EXAMPLE, 8, 4, groups=4, nodes=2, exchange=False).max_over_mean
    assert placed(EXAMPLE, 8, 4, groups=4, nodes=2).max_over_mean <= theirs
    assert placed(EXAMPLE, 8, 4).max_over_mean <= placed(EXAMPLE, 8, 4, exchange=False).max_over_mean


def best(counts, ranks, redundant):
    """The lowest fullest load of all ways to copy and to place, tried one by one."""
    experts = len(counts)
    size = (experts + redundant) // ranks
    lowest = None
    for extra in itertools.combinations_with_replacement(range(experts), redundant):
        copies = Counter(range(experts)) + Counter(extra)
        shares = [Fraction(counts[expert], copies[expert]) for expert in copies.elements()]
        for full in _fullest(tuple(range(len(shares))), shares, size):
            lowest = full if lowest is None else min(lowest, full)
    return lowest


def _fullest(left, shares, size):
    if not left:
        yield Fraction(0)
        return
    head, *rest = left
    for others in itertools.combinations(rest, size - 1):
        load = sum((shares[at] for at in others), shares[head])
        remaining = tuple(at for at in rest if at not in others)
        for below in _fullest(remaining, shares, size):
            yield max(load, below)


CASES = [(6, 2, 0), (6, 3, 0), (8, 4, 0), (5, 2, 1), (5, 3, 1), (6, 4, 2)]


@pytest.mark.parametrize(("experts", "ranks", "redundant"), CASES)
def test_against_the_optimum_by_brute_force(experts, ranks, redundant):
    rng = random.Random(f"{experts} {ranks} {redundant}")
    gaps = []
    for _ in range(12):
        counts = [round(1000 / rng.paretovariate(1)) for _ in range(experts)]
        ours = max(placed([counts], ranks, redundant).layers[0].loads)
        optimum = best(counts, ranks, redundant)
        assert floor(counts, ranks, redundant) <= optimum <= ours
        gaps.append(ours / optimum)
    # No promise in general (the problem is NP-hard), but so in all of these; EPLB alone is up to 16% above.
    assert set(gaps) == {1}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 500), min_size=12, max_size=12), min_size=1, max_size=3).filter(
        lambda rows: any(map(any, rows))
    ),
    st.sampled_from([(2, 0), (3, 0), (4, 4), (8, 4), (2, 8)]),
)
def test_what_every_placement_keeps(counts, shape):
    ranks, redundant = shape
    found = placed(counts, ranks, redundant)
    for row, layer in zip(counts, found.layers, strict=True):
        assert len(layer.slots) == 12 + redundant
        assert set(layer.slots) == set(range(12))
        assert sum(layer.loads) == sum(row)
        assert max(layer.loads) >= Fraction(sum(row), ranks)
    if not redundant:
        assert found.max_over_mean <= in_order(counts, ranks).max_over_mean


def test_groups_and_their_copies_stay_on_one_node():
    found = placed(EXAMPLE, 8, 4, groups=4, nodes=2)
    for layer in found.layers:
        nodes = [set(layer.slots[:8]), set(layer.slots[8:])]
        assert all(len({expert // 3 for expert in node}) == 2 for node in nodes)
        assert not nodes[0] & nodes[1]


def test_what_is_exported_is_what_sglang_takes_and_nothing_else():
    assert list(placed(EXAMPLE, 8, 4).exported()) == ["physical_to_logical_map"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"ranks": 5}, "do not divide among 5 ranks"),
        ({"ranks": 8, "redundant": 3}, "do not divide among 8 ranks"),
        ({"ranks": 0}, "fewer than one rank"),
        ({"ranks": 8, "redundant": -4}, "-4 copies of 12 experts"),
        ({"ranks": 8, "redundant": 10**9}, "1,000,000,000 copies of 12"),
        ({"ranks": 8, "redundant": 4, "nodes": 3}, "do not divide among 3 nodes"),
    ],
)
def test_slots_that_do_not_divide(arguments, said):
    with pytest.raises(InputError, match=said):
        placed(EXAMPLE, **arguments)


def test_the_second_half_judges_a_placement_made_from_the_first():
    # Experts 0 and 1 are hot at first, 2 and 3 later: a placement from the first half does nothing for the second.
    choices = np.array([[[0]], [[1]]] * 50 + [[[2]], [[3]]] * 50)
    recording = Recording(source="here", experts=4, layer_names=(0,), choices=choices)
    found = placements_of(recording, 2, 0)
    assert found.dealt is not None
    assert found.dealt.max_over_mean == 1
    assert found.held_out in {1.0, 2.0}
    assert found.held_out_order == 2.0
