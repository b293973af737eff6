"""Seconds of a call: warm-up, repeats, median and spread, by device events where there is a device."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, NamedTuple, Protocol

from moecalc.specs.runs import Timing

WARM_UP = 3
"""Calls whose time is thrown away: kernels are compiled, workspaces allocated, clocks raised."""

LEAST_REPEATS = 3
"""Below this a median says nothing."""

Call = Callable[[], object]


class Clock(Protocol):
    """Something that tells how long a call takes."""

    @property
    def name(self) -> str:
        """What a run file says of it."""
        ...

    def seconds(self, call: Call) -> float:
        """Seconds of one call, until all that it started has ended."""
        ...


class CpuClock:
    """The wall clock: a call on a CPU has ended when it returns."""

    name = "perf_counter"

    def seconds(self, call: Call) -> float:
        """Seconds of one call."""
        from time import perf_counter

        started = perf_counter()
        call()
        return perf_counter() - started


class CudaClock:
    """Events on the device's stream: what the host does meanwhile does not count, unless the device waits for it."""

    name = "device events"

    def __init__(self, torch: Any, device: Any) -> None:
        self._torch = torch
        self._device = device

    def seconds(self, call: Call) -> float:
        """Seconds between two events around the call."""
        cuda = self._torch.cuda
        start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
        cuda.synchronize(self._device)
        start.record(cuda.current_stream(self._device))
        call()
        end.record(cuda.current_stream(self._device))
        cuda.synchronize(self._device)
        return float(start.elapsed_time(end)) / 1000


def clock_for(device: Any) -> Clock:
    """The clock of a torch device."""
    if device.type != "cuda":
        return CpuClock()
    import torch

    return CudaClock(torch, device)


class Timed(NamedTuple):
    """A call to be timed."""

    call: Call
    before: Call | None = None
    """Runs before every call, outside its time."""
    name: str = ""
    """What its clock is said to be, where that is more than the clock's own name."""


def timed(
    call: Call,
    clock: Clock,
    repeats: int,
    *,
    warm_up: int = WARM_UP,
    limit_seconds: float | None = None,
    before: Call | None = None,
) -> Timing:
    """The time of a call: `warm_up` calls thrown away, then `repeats` measured ones.

    After `LEAST_REPEATS` no more are made once they have taken `limit_seconds` together. `before` runs before every
    call, outside its time.
    """
    (found,) = timed_in_turn(
        [Timed(call, before)], clock, repeats, warm_up=warm_up, limit_seconds=limit_seconds
    )
    return found


def timed_in_turn(
    calls: Sequence[Timed],
    clock: Clock,
    repeats: int,
    *,
    warm_up: int = WARM_UP,
    limit_seconds: float | None = None,
) -> list[Timing]:
    """As `timed`, of several calls in rounds of one each: what disturbs the machine disturbs all of them.

    The limit is of each call: of all together it is as many times as long.
    """
    limit = float("inf") if limit_seconds is None else limit_seconds * len(calls)
    for _ in range(warm_up):
        if sum(_round(calls, clock)) > limit:
            break  # one round of such a length has warmed up all there is
    taken: list[list[float]] = []
    while len(taken) < repeats:
        taken.append(_round(calls, clock))
        if len(taken) >= LEAST_REPEATS and sum(map(sum, taken)) > limit:
            break
    return [
        Timing(
            seconds=median(seconds),
            low_seconds=min(seconds),
            high_seconds=max(seconds),
            repeats=len(seconds),
            clock=call.name or clock.name,
        )
        for call, seconds in zip(calls, zip(*taken, strict=True), strict=True)
    ]


def _round(calls: Sequence[Timed], clock: Clock) -> list[float]:
    seconds = []
    for timing in calls:
        if timing.before is not None:
            timing.before()
        seconds.append(clock.seconds(timing.call))
    return seconds
