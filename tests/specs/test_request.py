"""The grammar of a request mix, and the tokens that follow from it."""

from fractions import Fraction

import pytest

from moecalc.errors import InputError
from moecalc.specs.request import Request, parse_request


def test_the_mix_of_the_readme():
    mix = parse_request("in=8k,out=1k,cached=70%,turns=5")
    assert mix == Request(prompt=8192, output=1024, cached=Fraction(7, 10), turns=5)
    assert (mix.cached_tokens, mix.new_tokens) == (5734, 2458)  # 5734.4 rounded, and the rest
    assert mix.context == 8192 + 512
    assert mix.longest == 9216


def test_it_reads_back_what_it_says():
    text = "in=8192,out=1024,cached=70%,turns=5,pause=90s"
    assert parse_request(text).words == text
    assert parse_request(" out = 10 , in = 20 ").words == "in=20,out=10"


@pytest.mark.parametrize(
    ("text", "share"),
    [("70%", Fraction(7, 10)), ("0.7", Fraction(7, 10)), ("0", 0), ("12.5%", Fraction(1, 8))],
)
def test_shares(text, share):
    assert parse_request(f"in=100,out=1,cached={text}").cached == share


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("1.5m", 90), ("2min", 120), ("1h", 3600)])
def test_pauses(text, seconds):
    assert parse_request(f"in=1,out=1,turns=2,pause={text}").pause_seconds == seconds


def test_some_token_is_always_new():
    assert parse_request("in=3,out=1,cached=99%").new_tokens == 1


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("in=8k", "does not say `out`", "in=8k,out=1k"),
        ("out=1k", "does not say `in`", "in=8k,out=1k"),
        ("in=8k,out=1k,cache=70%", "has no `cache`", "did you mean `cached`"),
        ("in=8k,out=1k,in=4k", "`in` stands twice", "leave one out"),
        ("in=8k,out", "`out` in `--request in=8k,out` has no value", "type"),
        ("in=8k,out=1k,", "has no value", "type"),
        ("", "has no value", "type"),
        ("in=0,out=1k", "`in=0`", "4096"),
        ("in=8k,out=-1", "`out=-1`", "4096"),
        ("in=8k,out=1.5", "whole number", "4096"),
        ("in=8k,out=1k,cached=100%", "not a share below 100%", "some of a prompt is new"),
        ("in=8k,out=1k,cached=70", "more than all of the prompt", "`cached=70%`"),
        ("in=8k,out=1k,cached=-1%", "not a share below 100%", "70%"),
        ("in=8k,out=1k,turns=0", "not a number of requests", "from 1 to 10,000"),
        ("in=8k,out=1k,turns=2.5", "not a number of requests", "from 1 to 10,000"),
        ("in=8k,out=1k,turns=99999", "not a number of requests", "from 1 to 10,000"),
        ("in=8k,out=1k,turns=5,pause=30", "is not a time", "`pause=30s`"),
        ("in=8k,out=1k,pause=30s", "the time between turns, and there is one", "turns=5"),
        ("IN=8k,out=1k", "has no `IN`", "did you mean `in`"),
    ],
)
def test_what_is_wrong_is_said_with_the_fix(text, message, hint):
    with pytest.raises(InputError) as caught:
        parse_request(text)
    assert message in caught.value.message
    assert hint in caught.value.hint
