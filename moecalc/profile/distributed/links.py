"""What the links between ranks reach in this run: bytes per second of large exchanges, seconds of a tiny one.

Bytes are those that a rank sends, which makes the rate NCCL-tests' bus bandwidth (doc/PERFORMANCE.md): the bytes of an
all-reduce times 2 (n - 1) / n, of all parts of an all-gather and of an all-to-all times (n - 1) / n, over the time.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from moecalc.profile.distributed.group import Group
from moecalc.profile.measure.timing import clock_for, timed

BYTES = {"cpu": 2**24, "cuda": 2**28}
"""Of what is exchanged: large enough that its start does not count."""

TINY = 4
"""Bytes for each rank: what is left is the start."""

REPEATS = 7


class Reached(NamedTuple):
    """By one kind of exchange, as one rank saw it."""

    kind: str
    sent_bytes: float
    seconds: float
    """Of a large one, the fastest."""
    start_seconds: float
    """Of a tiny one, the fastest."""


def links(group: Group, device: Any, kinds: Iterable[str]) -> list[Reached]:
    """Every rank measures the same kinds in the same order."""
    return [_reached(group, device, kind) for kind in kinds]


def _reached(group: Group, device: Any, kind: str) -> Reached:
    large, tiny = (_exchange(group, device, kind, size) for size in (BYTES[device.type], TINY * group.size))
    group.counts = {}
    large()
    (sent,) = (float(entry.sent_bytes) for entry in group.counts.values())
    group.counts = None
    clock = clock_for(device)
    return Reached(
        kind=kind,
        sent_bytes=sent,
        seconds=timed(large, clock, REPEATS, before=group.barrier).low_seconds,
        start_seconds=timed(tiny, clock, REPEATS, before=group.barrier).low_seconds,
    )


def _exchange(group: Group, device: Any, kind: str, size: int) -> Callable[[], object]:
    """An exchange of so many bytes: the vector that is summed, all parts that are gathered, or all that a rank has."""
    import torch

    share = size // 4 // group.size
    whole = torch.zeros(share * group.size, dtype=torch.float32, device=device)
    each = [share] * group.size
    ways: dict[str, Callable[[], object]] = {
        "all-reduce": partial(group.all_reduce, whole),
        "all-gather": partial(group.all_gather, whole[:share]),
        "all-to-all": partial(group.all_to_all, whole, each, each),
    }
    return ways[kind]
