"""Designs that no other beats: as good in everything that counts, and better in something."""

from bisect import bisect_right
from collections.abc import Sequence
from functools import reduce
from operator import and_, le
from typing import Generic, TypeVar

Scores = tuple[float, ...]
"""What counts of one design, each the lower the better."""

Item = TypeVar("Item")


class Frontier(Generic[Item]):
    """The designs that none of those seen beats. Of several that are equal in everything, the first is kept."""

    def __init__(self) -> None:
        self._kept: list[tuple[Scores, Item]] = []
        self._cover = _Cover([])

    def add(self, entries: Sequence[tuple[Scores, Item]]) -> None:
        """Take in more designs, and let go what they beat."""
        fresh: list[tuple[Scores, Item]] = []
        window: list[Scores] = []
        # In the order of their scores none can be beaten by a later one.
        for entry in sorted(entries, key=lambda entry: entry[0]):
            if not self._cover.covers(entry[0]) and not _covered(entry[0], window):
                fresh.append(entry)
                window.append(entry[0])
        if not fresh:
            return
        beating = _Cover(window)
        older = [entry for entry in self._kept if not beating.covers(entry[0])]
        self._kept = sorted([*older, *fresh], key=lambda entry: entry[0])
        self._cover = _Cover([scores for scores, _ in self._kept])

    @property
    def entries(self) -> list[tuple[Scores, Item]]:
        """Those that none beats, in the order of their scores."""
        return list(self._kept)


class _Cover:
    """Answers whether any of many designs is as good as another in everything.

    For each objective the designs stand in order, and beside each the set of those up to it, as bits of an int: what
    is as good in everything is in the sets of all objectives. That is a look-up and an `&` for each of them, where
    going through the designs one by one would take as many comparisons as there are designs.
    """

    def __init__(self, designs: Sequence[Scores]) -> None:
        self._orders: list[tuple[list[float], list[int]]] = []
        for column in zip(*designs, strict=True):
            order = sorted(range(len(column)), key=column.__getitem__)
            sets = [0]
            for at in order:
                sets.append(sets[-1] | 1 << at)
            self._orders.append(([column[at] for at in order], sets))

    def covers(self, scores: Scores) -> bool:
        """Whether one of the designs is as good in everything."""
        if not self._orders:
            return False
        found = (
            sets[bisect_right(ordered, score)]
            for (ordered, sets), score in zip(self._orders, scores, strict=True)
        )
        return bool(reduce(and_, found))


def _covered(scores: Scores, window: list[Scores]) -> bool:
    """Whether one of a few is as good in everything; what was goes to the front: it often beats the next too."""
    for at, other in enumerate(window):
        if all(map(le, other, scores)):
            if at:
                window.insert(0, window.pop(at))
            return True
    return False
