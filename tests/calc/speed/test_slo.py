"""`--slo` and `--measured` as typed, and what meets them."""

import pytest

from moecalc.calc.speed.measured import against, step_seconds
from moecalc.calc.speed.roofline import StepTime
from moecalc.calc.speed.slo import parse_slo
from moecalc.errors import InputError


def test_limits_in_any_order_and_spelling():
    slo = parse_slo(" TPOT <= 50ms , ttft<1.5s")
    assert (slo.ttft_seconds, slo.tpot_seconds) == (1.5, 0.05)
    assert parse_slo("itl<20ms").tpot_seconds == 0.02


def test_the_high_end_is_held_where_it_is_asked_for():
    slo = parse_slo("High: ttft<1s")
    assert (slo.high, slo.ttft_seconds, slo.tpot_seconds) == (True, 1.0, None)
    assert not parse_slo("ttft<1s").high


def test_misses_are_told_by_how_much():
    slo = parse_slo("ttft<1s,tpot<50ms")
    assert slo.misses(0.5, 0.05) == {}
    assert slo.misses(2.0, 0.075) == {"ttft": 2.0, "tpot": pytest.approx(1.5)}
    assert parse_slo("tpot<50ms").misses(None, 0.01) == {}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("fast", "is no limit"),
        ("high:", "is no limit"),
        ("p90:ttft<1s", "is no limit"),
        ("ttft<1", "is no limit"),
        ("ttft>1s", "is no limit"),
        ("", "is no limit"),
        ("ttft<1s,", "is no limit"),
        ("ttft<-1s", "is no limit"),
        ("tftt<1s", "unknown limit `tftt`"),
        ("ttft<1s,ttft<2s", "stands twice"),
        ("tpot<0ms", "takes no time"),
    ],
)
def test_other_limits_are_refused(text, word):
    with pytest.raises(InputError) as raised:
        parse_slo(text)
    assert word in raised.value.message
    assert "ttft<1s" in raised.value.hint


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("111tok/s", 16 / 111),
        ("27 tokens/s/user", 1 / 27),
        ("13t/s/GPU", 16 / (13 * 8)),
        ("9ms", 0.009),
        ("1,200tok/s", 16 / 1200),
        ("0.5s", 0.5),
    ],
)
def test_measured_figures(text, seconds):
    assert step_seconds(text, batch=16, devices=8) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize("text", ["111", "fast", "-3tok/s", "0tok/s", "9ms/user", "0ms", "nan tok/s"])
def test_other_figures_are_refused(text):
    with pytest.raises(InputError) as raised:
        step_seconds(text, batch=1, devices=1)
    assert raised.value.hint


def step(seconds):
    return StepTime(
        seconds=seconds,
        memory_seconds=seconds,
        compute_seconds=seconds / 4,
        weight_bytes=0,
        state_bytes=0,
        flops=0,
    )


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(0.009, "impossible"), (0.015, "above routing"), (0.04, "possible")]
)
def test_a_measured_step_against_both_ceilings(seconds, verdict):
    found = against("x", seconds, step(0.02), step(0.01), bounded=True)
    assert found.verdict == verdict
    assert found.mbu == pytest.approx(0.02 / seconds)
    assert found.mbu_same_experts == pytest.approx(0.01 / seconds)
    assert found.mfu == pytest.approx(0.005 / seconds)
    assert against("x", seconds, step(0.02), step(0.01), bounded=False).mfu is None
