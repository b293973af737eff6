"""Printed figures: value, last place, units, and what is refused."""

from fractions import Fraction

import pytest

from moecalc.checks.claiming import figure
from moecalc.checks.claiming.figure import parse_figure
from moecalc.errors import InputError


def count(text):
    return parse_figure(text, figure.COUNTS, "a number of parameters", "46.7B")


def size(text):
    return parse_figure(text, figure.BYTES, "a size", "24GB")


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("46.7B", 46_650_000_000, 46_750_000_000),
        ("1T", 500_000_000_000, 1_500_000_000_000),
        ("16.8 billion", 16_750_000_000, 16_850_000_000),
        ("789M", 788_500_000, 789_500_000),
        ("12,748,853,248", Fraction(25497706495, 2), Fraction(25497706497, 2)),
        ("~42B", 41_500_000_000, 42_500_000_000),
    ],
)
def test_the_last_printed_place_is_what_a_figure_leaves_open(text, low, high):
    made = count(text)
    assert (made.low, made.high) == (low, high)


def test_gigabytes_can_be_meant_as_binary():
    made = size("377 GB")
    assert made.as_binary().value == 377 * 2**30
    assert made.as_binary().half == Fraction(2**30, 2)
    assert size("377 GiB").as_binary() is None
    assert size("352494542848 bytes").as_binary() is None


@pytest.mark.parametrize("text", ["", "B", "3GB", "1e9", "4,67B", "1.B", "--3B", "3 B B"])
def test_what_is_no_count(text):
    with pytest.raises(InputError):
        count(text)


@pytest.mark.parametrize(("text", "word"), [("-3B", "negative"), ("0B", "zero"), ("0.0B", "zero")])
def test_below_and_at_nothing(text, word):
    with pytest.raises(InputError, match=word):
        count(text)
