"""Medians and spread by a clock that is told what to say."""

import pytest

from moecalc.profile.measure.memory import peak_of
from moecalc.profile.measure.timing import LEAST_REPEATS, WARM_UP, Timed, timed, timed_in_turn


class FakeClock:
    name = "told"

    def __init__(self, *seconds: float) -> None:
        self._seconds = list(seconds)

    def seconds(self, call) -> float:
        call()
        return self._seconds.pop(0)


def test_the_median_of_the_repeats_without_the_warm_up():
    clock = FakeClock(9, 9, 9, 1, 5, 2, 4, 3)
    found = timed(lambda: None, clock, 5)
    assert (found.seconds, found.low_seconds, found.high_seconds) == (3, 1, 5)
    assert (found.repeats, found.clock) == (5, "told")


def test_what_prepares_a_call_runs_before_every_one_of_them():
    order: list[str] = []
    timed(lambda: order.append("call"), FakeClock(*[1] * 9), 4, before=lambda: order.append("ready"))
    assert order == ["ready", "call"] * (WARM_UP + 4)


def test_long_calls_stop_at_the_limit_but_not_before_a_median():
    assert timed(lambda: None, FakeClock(*[2] * 20), 10, limit_seconds=7).repeats == 4
    assert timed(lambda: None, FakeClock(*[50] * 20), 10, limit_seconds=7).repeats == LEAST_REPEATS


def test_calls_in_turn_share_what_disturbs_them():
    order: list[str] = []
    calls = [
        Timed(lambda: order.append("a"), lambda: order.append("ready")),
        Timed(lambda: order.append("b")),
    ]
    clock = FakeClock(*[0] * 2 * WARM_UP, 1, 2, 10, 20, 3, 4)
    one, other = timed_in_turn(calls, clock, 3)
    assert order == ["ready", "a", "b"] * (WARM_UP + 3)
    assert (one.low_seconds, one.seconds, one.high_seconds) == (1, 3, 10)
    assert (other.low_seconds, other.seconds, other.high_seconds) == (2, 4, 20)


def test_in_turn_each_call_has_the_limit_of_one_alone():
    calls = [Timed(lambda: None), Timed(lambda: None)]
    assert {t.repeats for t in timed_in_turn(calls, FakeClock(*[2] * 40), 10, limit_seconds=7)} == {4}


def test_one_repeat_is_what_was_asked_for():
    assert timed(lambda: None, FakeClock(1, 1, 1, 8), 1).seconds == 8


@pytest.mark.parametrize(
    ("changes", "peak"),
    [
        ([], 0),
        ([(1, 10), (2, -10), (3, 7)], 10),
        ([(3, -10), (1, 10), (2, 7)], 17),  # in the order of time, not of the list
    ],
)
def test_the_peak_of_allocations_and_releases(changes, peak):
    assert peak_of(changes) == peak
