"""Seconds of a call: warm-up, repeats, median and spread, by device events where there is a device."""

from collections.abc import Callable
from statistics import median
from typing import Any, Protocol

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


def timed(
    call: Call,
    clock: Clock,
    repeats: int,
    *,
    warm_up: int = WARM_UP,
    limit_seconds: float | None = None,
    before: Call | None = None,
    name: str | None = None,
) -> Timing:
    """The time of a call: `warm_up` calls thrown away, then `repeats` measured ones.

    After `LEAST_REPEATS` no more are made once they have taken `limit_seconds` together. `before` runs before every
    call, outside its time.
    """
    for _ in range(warm_up):
        if before is not None:
            before()
        if clock.seconds(call) > (limit_seconds or float("inf")):
            break  # one call of such a length has warmed up all there is
    taken: list[float] = []
    while len(taken) < repeats:
        if before is not None:
            before()
        taken.append(clock.seconds(call))
        if limit_seconds is not None and len(taken) >= LEAST_REPEATS and sum(taken) > limit_seconds:
            break
    return Timing(
        seconds=median(taken),
        low_seconds=min(taken),
        high_seconds=max(taken),
        repeats=len(taken),
        clock=name or clock.name,
    )
