"""Limits mean what they say, and refuse what could mean two things."""

from fractions import Fraction

import pytest

from moecalc.checks.budgets.limit import parse_limit
from moecalc.errors import InputError


@pytest.mark.parametrize(
    ("text", "unit", "comparison", "amount", "relative"),
    [
        ("<= 24 GiB", "bytes", "<=", 24 * 2**30, None),
        ("24 GB", "bytes", "<=", 24 * 10**9, None),
        ("<24GiB", "bytes", "<", 24 * 2**30, None),
        ("== 46,702,792,704", "parameters", "==", 46_702_792_704, None),
        ("= 46702792704", "parameters", "==", 46_702_792_704, None),
        ("<= 46.7B", "parameters", "<=", 46_700_000_000, None),
        ("8 GF", "FLOPs", "<=", 8 * 10**9, None),
        (">= 40 tok/s", "tokens/s", ">=", 40, None),
        (">40", "tokens/s", ">", 40, None),
        ("<= 250 ms", "seconds", "<=", Fraction(1, 4), None),
        ("<= $0.60", "dollars", "<=", Fraction(3, 5), None),
        ("<= 60 cents", "dollars", "<=", Fraction(3, 5), None),
        ("<= 0.5", "share", "<=", Fraction(1, 2), None),
        ("<= +5%", "bytes", "<=", Fraction(1, 20), "share"),
        ("+2.5 %", "parameters", "<=", Fraction(1, 40), "share"),
        (">= -10%", "tokens/s", ">=", Fraction(-1, 10), "share"),
        ("<= +1 GiB", "bytes", "<=", 2**30, "amount"),
        ("<= -1 GiB", "bytes", "<=", -(2**30), "amount"),
        ("<= +0%", "FLOPs", "<=", 0, "share"),
    ],
)
def test_read(text, unit, comparison, amount, relative):
    limit = parse_limit(text, unit)
    assert (limit.comparison, limit.amount, limit.relative) == (comparison, amount, relative)


@pytest.mark.parametrize(
    ("text", "unit", "said"),
    [
        ("<= 8 GF", "bytes", "this figure is in bytes"),
        ("<= 24 GiB", "FLOPs", "this figure is in FLOPs"),
        ("<= 24 GiB", "parameters", "this figure is in parameters"),
        ("<= 24 GiB", "tokens/s", "`24 GiB` is not in tokens/s"),
        ("<= 5 tok/s", "dollars", "is not in dollars"),
        ("<= 24G", "bytes", "does not say its base"),
        ("<= 24", "bytes", "has no unit"),
        ("<= 250", "seconds", "is not in seconds"),
        ("<= 5%", "bytes", "a share of what?"),
        ("40 tok/s", "tokens/s", "at least or at most?"),
        ("", "bytes", "is no limit"),
        ("<=", "bytes", "is no limit"),
        ("<= +-5%", "bytes", "is no limit"),
        ("<= > 5 GiB", "bytes", "is no limit"),
        ("<= nan", "tokens/s", "is not in tokens/s"),
        ("<= " + "9" * 500, "dollars", "is not in dollars"),
    ],
)
def test_refused(text, unit, said):
    with pytest.raises(InputError) as caught:
        parse_limit(text, unit)
    assert said in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "kept", "broken"),
    [("<= 10", 10, 11), ("< 10", 9, 10), (">= 10", 10, 9), ("> 10", 11, 10), ("== 10", 10, 11)],
)
def test_held_to_the_last_unit(text, kept, broken):
    limit = parse_limit(text, "parameters")
    assert limit.holds(kept)
    assert not limit.holds(broken)


def test_a_share_is_exact():
    limit = parse_limit("<= +5%", "bytes")
    assert limit.bound(10**18 + 1) == Fraction(21, 20) * (10**18 + 1)
    assert limit.holds(105, 100)
    assert not limit.holds(106, 100)


def test_a_decrease_may_be_asked_for():
    assert not parse_limit("<= -10%", "bytes").holds(91, 100)
    assert parse_limit("<= -10%", "bytes").holds(90, 100)


@pytest.mark.parametrize(
    ("warn", "fail", "silent"),
    [
        ("<= 22 GiB", "<= 24 GiB", False),
        ("<= 24 GiB", "<= 24 GiB", True),
        ("<= 26 GiB", "<= 24 GiB", True),
        ("<= +5%", "<= 24 GiB", False),
        ("<= +5%", "<= +2%", True),
        (">= 20 GiB", ">= 24 GiB", True),
        (">= 26 GiB", ">= 24 GiB", False),
        (">= 26 GiB", "<= 24 GiB", False),
    ],
)
def test_a_warning_that_cannot_come_first_is_found(warn, fail, silent):
    assert parse_limit(warn, "bytes").allows_all_of(parse_limit(fail, "bytes")) is silent
