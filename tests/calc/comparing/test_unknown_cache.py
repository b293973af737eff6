"""Verdicts against a model of two numbers: what holds whatever its cache, by arithmetic done again here."""

import re

import pytest

from moecalc.api.comparison import compare


@pytest.fixture(scope="module")
def found():
    return compare("70B-A12B:128x8", "llama-13b")


def said(comparison):
    return next(sentence for sentence in comparison.sentences if "whatever its cache" in sentence)


def test_dearer_without_a_cache_is_dearer_with_any(found):
    """70 B and 12 B by 128 x 8: 58 / 120 B an expert. 15 tokens miss an expert with (1 - 8 / 128)^15."""
    assert "batch 2-35 whatever its cache" in said(found)
    expert = 58 / 120
    touched = 1 - (1 - 8 / 128) ** 15
    read = 2 * (70 - 128 * expert + 128 * expert * touched)  # GB in bf16
    dense = 2 * (13.015864320 - 32000 * 5120 / 1e9)
    state = 15 * 2048 * 800 * 1024 / 1e9
    assert f"by about {read / (dense + state):.1f}x or more, at 15" in said(found)
    assert f"reads {touched:.0%} of its experts" in said(found)


def test_cheaper_up_to_a_break_even_cache(found):
    """At batch 1 both read: 24 GB and a cache, against 25.7 GB and one of 800 KiB a token."""
    dense = 2 * (13.015864320e9 - 32000 * 5120) + 2048 * 800 * 1024
    mib = (dense - 24e9) / 2048 / 2**20
    match = re.search(r"at batch 1 as long as its cache is below about ([\d.]+) MiB per token", said(found))
    assert match is not None
    assert float(match[1]) == pytest.approx(mib, abs=0.01)
    assert "that of llama-13b: 800 KiB" in said(found)


def test_the_order_of_the_two_does_not_matter(found):
    assert said(compare("llama-13b", "70B-A12B:128x8")) == said(found)


def test_without_experts_nothing_cheaper_is_said():
    """All tokens on the same experts is the least: dearer holds under it, cheaper does not."""
    (verdict,) = (s for s in compare("70B-A12B", "llama-13b").sentences if "no verdict" in s)
    assert "70B-A12B:128x8" in verdict
    dear = compare("400B-A100B", "llama-13b").sentences
    assert any("whatever its cache" in s and "cheaper" not in s for s in dear)
