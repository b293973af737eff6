"""Arithmetic that means the same over plain ints, Fractions, numpy arrays and formulas (`symbolic`).

A row is evaluated by one fold whether its dims are ints or arrays of candidates, so a sweep lowers once and
evaluates many sizes. numpy is never imported here: an array brings its own operators along.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, TypeAlias

Number: TypeAlias = Any
"""An int, a Fraction, a numpy array of them, or a formula. Typed Any because those overload the operators used here."""

SCALARS = (int, float, Fraction)
"""Of these the larger is one of the two; the sums that serve arrays and formulas can round a float to its neighbour."""


def product(factors: Iterable[Number]) -> Number:
    """The product of the factors; 1 for none."""
    result: Number = 1
    for factor in factors:
        result = result * factor
    return result


def fraction(a: Number, b: Number) -> Number:
    """`a / b` without rounding where both are plain numbers; what arrays and formulas divide to otherwise."""
    if isinstance(a, int | Fraction) and isinstance(b, int | Fraction):
        return Fraction(a) / b
    return a / b


def whole(value: Number) -> Number:
    """An int where a Fraction is one."""
    return int(value) if isinstance(value, Fraction) and value.denominator == 1 else value


def minimum(a: Number, b: Number) -> Number:
    """Element by element the smaller of the two."""
    if isinstance(a, SCALARS) and isinstance(b, SCALARS):
        return min(a, b)
    # b + (a - b) where a < b: broadcasts over arrays, and is a formula where one is.
    return b + (a - b) * (a < b)


def maximum(a: Number, b: Number) -> Number:
    """Element by element the larger of the two."""
    if isinstance(a, SCALARS) and isinstance(b, SCALARS):
        return max(a, b)
    return b + (a - b) * (a > b)


def sum_to(n: Number) -> Number:
    """1 + 2 + ... + n."""
    return n * (n + 1) // 2


def sum_capped(cap: Number, n: Number) -> Number:
    """The sum over i = 1..n of min(cap, i): the query-key pairs of n causal queries with a window of cap."""
    rising = minimum(cap, n)
    return sum_to(rising) + (n - rising) * cap


def sum_floor(block: Number, n: Number) -> Number:
    """The sum over i = 1..n of floor(i / block)."""
    full = n // block
    return block * sum_to(full - 1) * (full > 0) + full * (n - full * block + 1)


def sum_floor_capped(block: Number, cap: Number, n: Number) -> Number:
    """The sum over i = 1..n of min(cap, floor(i / block))."""
    # Up to i = block * cap - 1 the floor is below the cap; from there on every term is the cap.
    rising = minimum(n, block * cap - 1)
    return sum_floor(block, rising) + (n - rising) * cap


def sum_blocks_capped(block: Number, cap: Number, n: Number) -> Number:
    """The sum over i = 1..n of the tokens in the last cap blocks up to i, the block of i cut off behind it."""
    rising = minimum(n, block * cap)
    behind = sum_in_chunks(block, n) - sum_in_chunks(block, rising)
    return sum_to(rising) + (n - rising) * (cap - 1) * block + behind


def sum_blocks_and_tail(block: Number, cap: Number, n: Number) -> Number:
    """The sum over i = 1..n of the tokens in the open block at i and in at most cap closed ones."""
    # Up to i = block * (cap + 1) - 1 that is all of them.
    rising = minimum(n, block * (cap + 1) - 1)
    tails = _sum_remainders(block, n) - _sum_remainders(block, rising)
    return sum_to(rising) + (n - rising) * cap * block + tails


def _sum_remainders(block: Number, n: Number) -> Number:
    full = n // block
    return full * sum_to(block - 1) + sum_to(n - full * block)


def sum_in_chunks(chunk: Number, n: Number) -> Number:
    """The sum over i = 1..n of the position of i within its chunk, counted from 1."""
    full = n // chunk
    return full * sum_to(chunk) + sum_to(n - full * chunk)
