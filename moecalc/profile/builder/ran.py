"""Which attention kernels a call ran, and the FLOPs of those that torch's counter does not see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Ran:
    """What was recorded."""

    kernels: dict[str, None] = field(default_factory=dict)
    """Names, each once, in the order of their first call."""
    flops: dict[str, int] = field(default_factory=dict)
    """By the name of the operation, 2 per multiply-accumulate."""


_OPEN: list[Ran] = []


@contextmanager
def recorded() -> Iterator[Ran]:
    """What runs inside the context. The innermost one records."""
    ran = Ran()
    _OPEN.append(ran)
    try:
        yield ran
    finally:
        _OPEN.pop()


def is_recorded() -> bool:
    """Whether anybody asks: some names cost a call to find out."""
    return bool(_OPEN)


def record_kernel(name: str) -> None:
    """Say that a kernel ran."""
    if _OPEN:
        _OPEN[-1].kernels[name] = None


def record_flops(operation: str, flops: int) -> None:
    """Say what an operation that no dispatch mode sees multiplied."""
    if _OPEN:
        _OPEN[-1].flops[operation] = _OPEN[-1].flops.get(operation, 0) + flops
