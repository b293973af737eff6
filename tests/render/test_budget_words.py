"""A judged limit in words: units, bases, digits."""

from fractions import Fraction

import pytest

from moecalc.render.budgets.words import amount, exactly, signed


@pytest.mark.parametrize(
    ("value", "unit", "limit", "text"),
    [
        (2**34, "bytes", "<= 24 GiB", "16.0 GiB"),
        (2**34, "bytes", "<= 24 GB", "17.2 GB"),
        (2**34, "bytes", "<= 24gb", "17.2 GB"),
        (2**34, "bytes", "<= +5%", "16.0 GiB"),
        (512, "bytes", "<= 1 kB", "512 B"),
        (46_702_792_704, "parameters", "", "46.70 B"),
        (8 * 10**9, "FLOPs", "", "8.00 GF"),
        (1_234_567, "elements", "", "1,234,567"),
        (Fraction(81, 2), "tokens/s", "", "40.5 tok/s"),
        (Fraction(1, 20), "seconds", "", "50.0 ms"),
        (2, "seconds", "", "2.00 s"),
        (Fraction(3, 5), "dollars", "", "$0.600"),
        (Fraction(1, 4), "share", "", "0.250"),
        (140, "watt-hours", "", "140 Wh"),
    ],
)
def test_amounts(value, unit, limit, text):
    assert amount(Fraction(value), unit, limit) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2**34, "bytes", "17,179,869,184 B"),
        (Fraction(819_312_238_082, 5), "bytes", "163,862,447,616.4 B"),
        (Fraction(-1, 4), "FLOPs", "-0.25 FLOPs"),
        (Fraction(10, 3), "parameters", "10/3 parameters"),
        (1, "parameters", "1 parameter"),
    ],
)
def test_every_digit(value, unit, text):
    assert exactly(Fraction(value), unit) == text


def test_changes_have_a_sign():
    assert signed(Fraction(2**30), "bytes") == "+1.00 GiB"
    assert signed(Fraction(-(2**30)), "bytes", "<= 5 GB") == "-1.07 GB"
