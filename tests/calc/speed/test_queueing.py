"""Mean value analysis of the closed queue, against what it must be at its ends and against a simulation."""

import heapq
import random
from statistics import fmean

import pytest

from moecalc.calc.speed.queueing import closed_queue


def test_one_request_waits_for_nobody():
    found = closed_queue(0.5, 9.5, 1)
    assert found.wait_seconds == 0
    assert found.per_second == pytest.approx(1 / 10)


def test_without_time_away_all_others_are_ahead():
    found = closed_queue(0.25, 0.0, 8)
    assert found.wait_seconds == pytest.approx(7 * 0.25)
    assert found.per_second == pytest.approx(4)


def test_far_beyond_saturation_every_prompt_is_read_at_full_rate():
    # Asymptotic bound of a closed network (Denning and Buzen 1978): N service - (service + away).
    found = closed_queue(1.0, 10.0, 200)
    assert found.per_second == pytest.approx(1, rel=1e-6)
    assert found.wait_seconds == pytest.approx(200 - 11, rel=1e-3)


@pytest.mark.parametrize(("service", "away", "requests"), [(1.0, 10.0, 8), (1.0, 4.0, 6), (0.2, 0.3, 3)])
def test_equals_a_simulation_of_exponential_times(service, away, requests):
    # The product form is exact for exponential service; 200,000 readings, seed 7.
    draw = random.Random(7)
    arrivals = [draw.expovariate(1 / away) for _ in range(requests)]
    heapq.heapify(arrivals)
    free, waits = 0.0, []
    for _ in range(200_000):
        arrival = heapq.heappop(arrivals)
        start = max(arrival, free)
        free = start + draw.expovariate(1 / service)
        waits.append(start - arrival)
        heapq.heappush(arrivals, free + draw.expovariate(1 / away))
    assert closed_queue(service, away, requests).wait_seconds == pytest.approx(fmean(waits), rel=0.02)


@pytest.mark.parametrize("bad", [(1.0, 1.0, 0), (0.0, 1.0, 2), (1.0, -1.0, 2)])
def test_refuses_what_cannot_be(bad):
    with pytest.raises(ValueError, match="a queue needs"):
        closed_queue(*bad)
