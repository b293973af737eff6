"""Batches of a comparison in words: which of them, and where a figure is reached."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from moecalc.calc.comparing.curve import Ratio

SAME = 1.05
"""Costs within 5% are called the same: datasheet figures are no better than that."""

Run: TypeAlias = tuple[int, int]
"""The first and the last of batches that lie side by side on a curve."""


def runs_of(points: Iterable[Ratio], curve: Sequence[Ratio]) -> tuple[Run, ...]:
    """Chosen points of a curve as runs: (1, 1), (40, 112)."""
    chosen = {point.batch for point in points}
    runs: list[list[int]] = []
    previous_in = False
    for point in curve:
        if point.batch in chosen:
            if previous_in:
                runs[-1][1] = point.batch
            else:
                runs.append([point.batch, point.batch])
        previous_in = point.batch in chosen
    return tuple((a, b) for a, b in runs)


def run_words(runs: Iterable[Run]) -> str:
    """`1`, `2-17`, `1-2 and 40-112`."""
    return " and ".join(f"{a:,}" if a == b else f"{a:,}-{b:,}" for a, b in runs)


def at_batch(batch: int, runs: Sequence[Run]) -> str:
    """`, at 16` where there are several that it could be."""
    return "" if runs == ((batch, batch),) else f", at {batch:,}"
