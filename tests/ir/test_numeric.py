"""One arithmetic for ints, Fractions and arrays: every sum against a plain loop."""

from fractions import Fraction
from math import prod
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moecalc.ir.numeric import (
    maximum,
    minimum,
    product,
    sum_blocks_and_tail,
    sum_blocks_capped,
    sum_capped,
    sum_floor,
    sum_floor_capped,
    sum_in_chunks,
    sum_to,
)

lengths = st.integers(0, 150)
sizes = st.integers(1, 40)
numbers = st.integers(-(10**15), 10**15)
fractions = st.fractions(min_value=-1000, max_value=1000, max_denominator=97)


@given(numbers, numbers)
def test_minimum_and_maximum_of_ints(a, b):
    assert (minimum(a, b), maximum(a, b)) == (min(a, b), max(a, b))


@given(fractions, fractions)
def test_minimum_and_maximum_stay_exact_for_fractions(a, b):
    assert (minimum(a, b), maximum(a, b)) == (min(a, b), max(a, b))
    assert isinstance(minimum(a, b), Fraction)


@given(fractions, numbers)
def test_a_fraction_and_an_int(a, b):
    assert (minimum(a, b), maximum(b, a)) == (min(a, b), max(a, b))


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=20))
def test_minimum_and_maximum_of_arrays_go_element_by_element(pairs):
    a, b = (np.array(side, dtype=np.int64) for side in zip(*pairs, strict=True))
    assert minimum(a, b).tolist() == [min(pair) for pair in pairs]
    assert maximum(a, b).tolist() == [max(pair) for pair in pairs]


@given(st.lists(numbers, min_size=1, max_size=20), numbers)
def test_an_array_broadcasts_against_a_number(values, bound):
    array = np.array(values, dtype=np.int64)
    assert minimum(array, bound).tolist() == [min(value, bound) for value in values]
    assert minimum(bound, array).tolist() == [min(value, bound) for value in values]
    assert maximum(bound, array).tolist() == [max(value, bound) for value in values]


@given(st.lists(st.integers(-50, 50), max_size=6))
def test_product(factors):
    assert product(factors) == prod(factors)


def test_product_of_nothing_is_one_and_arrays_multiply():
    assert product([]) == 1
    assert product([2, np.array([3, 5]), 7]).tolist() == [42, 70]


@given(lengths)
def test_sum_to(n):
    assert sum_to(n) == sum(range(1, n + 1))


def position_in(chunk, i):
    """Counted from 1 within its chunk."""
    return (i - 1) % chunk + 1


# Each closed form beside the term it sums over i = 1..n.
SUMS = {
    "sum_capped": (sum_capped, min),
    "sum_floor": (sum_floor, lambda block, i: i // block),
    "sum_in_chunks": (sum_in_chunks, position_in),
}
CAPPED_SUMS = {
    "sum_floor_capped": (sum_floor_capped, lambda block, cap, i: min(cap, i // block)),
    # the tokens of the last `cap` blocks, of which the last one ends at i
    "sum_blocks_capped": (
        sum_blocks_capped,
        lambda block, cap, i: min(i, (cap - 1) * block + position_in(block, i)),
    ),
    # the tokens of `cap` closed blocks and of the open one
    "sum_blocks_and_tail": (sum_blocks_and_tail, lambda block, cap, i: min(i, cap * block + i % block)),
}


@pytest.mark.parametrize("name", SUMS)
@given(size=sizes, n=lengths)
def test_sums_over_a_size(name, size, n):
    closed, term = SUMS[name]
    assert closed(size, n) == sum(term(size, i) for i in range(1, n + 1))


@pytest.mark.parametrize("name", CAPPED_SUMS)
@given(block=st.integers(1, 12), cap=st.integers(1, 12), n=lengths)
def test_sums_over_a_size_and_a_cap(name, block, cap, n):
    closed, term = CAPPED_SUMS[name]
    assert closed(block, cap, n) == sum(term(block, cap, i) for i in range(1, n + 1))


@pytest.mark.parametrize("name", SUMS)
@given(pairs=st.lists(st.tuples(sizes, lengths), min_size=1, max_size=15))
def test_sums_over_arrays_equal_those_over_ints(name, pairs):
    closed, _ = SUMS[name]
    size, n = (np.array(side) for side in zip(*pairs, strict=True))
    assert closed(size, n).tolist() == [closed(*pair) for pair in pairs]
    assert closed(pairs[0][0], n).tolist() == [closed(pairs[0][0], length) for _, length in pairs]


@pytest.mark.parametrize("name", CAPPED_SUMS)
@given(triples=st.lists(st.tuples(sizes, sizes, lengths), min_size=1, max_size=15))
def test_capped_sums_over_arrays_equal_those_over_ints(name, triples):
    closed, _ = CAPPED_SUMS[name]
    block, cap, n = (np.array(side) for side in zip(*triples, strict=True))
    assert closed(block, cap, n).tolist() == [closed(*triple) for triple in triples]


def test_sums_over_a_whole_number_written_as_a_fraction():
    n = Fraction(10)
    assert sum_to(n) == 55
    # 1 + 2 + 3 + 3 + 3 + 3 + 3 + 3 + 3 + 3
    assert sum_capped(3, n) == 27
    # floor(i / 4) for i = 1..10: 0 0 0 1 1 1 1 2 2 2
    assert sum_floor(4, n) == 10
    # 1 2 3 4 1 2 3 4 1 2
    assert sum_in_chunks(4, n) == 23


def test_the_larger_and_the_smaller_of_two_floats_are_one_of_them():
    """b + (a - b) can be a's neighbour: a ceiling would be neither of the times that bound it."""
    random = Random(0)
    for _ in range(1000):
        a, b = random.random(), random.random() / 10
        assert maximum(a, b) == maximum(b, a) == max(a, b)
        assert minimum(a, b) == minimum(b, a) == min(a, b)
