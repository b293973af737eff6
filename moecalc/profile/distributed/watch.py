"""How long the exchanges of a step take, each by itself, and how long they took at least at this run's links.

A rank that arrives first waits for the others, and that is in its time: of each exchange the rank counts that took
least. Steps are watched in passes of their own, behind those that are timed.
"""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, NamedTuple


class Took(NamedTuple):
    """One exchange of a step, as one rank saw it."""

    name: str
    seconds: float


class Watch:
    """Times exchanges in the order of their calls."""

    def __init__(self, device: Any) -> None:
        self._device = device
        self._seen: list[tuple[str, Callable[[], float]]] = []

    def around(self, name: str, call: Callable[[], object]) -> None:
        """Make the call: on CUDA between events on the current stream, which waits for NCCL's, else by the clock."""
        if self._device.type != "cuda":
            from time import perf_counter

            started = perf_counter()
            call()
            seconds = perf_counter() - started
            self._seen.append((name, lambda: seconds))
            return
        import torch

        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record(torch.cuda.current_stream(self._device))
        call()
        end.record(torch.cuda.current_stream(self._device))
        self._seen.append((name, lambda: float(start.elapsed_time(end)) / 1000))

    def finished(self) -> list[Took]:
        """What was seen, once the device has ended it."""
        if self._device.type == "cuda":
            import torch

            torch.cuda.synchronize(self._device)
        return [Took(name, seconds()) for name, seconds in self._seen]


def least_seconds(passes: Sequence[Sequence[Sequence[Took]]]) -> dict[str, float]:
    """Seconds of each kind of exchange in a step: passes [rank][pass][call] of ranks that make the same calls.

    Of each call those of the rank that took least, of a pass their sum by name, of the passes the median.
    """
    by_name: dict[str, list[float]] = {}
    for of_pass in zip(*passes, strict=True):
        sums: dict[str, float] = {}
        for calls in zip(*of_pass, strict=True):
            (name,) = {call.name for call in calls}
            sums[name] = sums.get(name, 0.0) + min(call.seconds for call in calls)
        for name, seconds in sums.items():
            by_name.setdefault(name, []).append(seconds)
    return {name: median(seconds) for name, seconds in by_name.items()}
