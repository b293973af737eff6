"""The fewest equal devices that hold a model."""

from collections.abc import Callable, Sequence

import msgspec

from moecalc.calc.deploy.budget import Rank, fullest
from moecalc.calc.deploy.case import Case, Room
from moecalc.calc.deploy.fitting import uneven
from moecalc.calc.deploy.ranks import Sharded
from moecalc.calc.deploy.shards import Shards
from moecalc.ir.numeric import Number
from moecalc.specs.formats import Precision
from moecalc.specs.plan import Plan

COUNTS = (1, 2, 4, 8, 16, 32, 64, 128)
"""Numbers of equal devices that people rent: parts of a machine of eight, then whole machines."""


class Need(msgspec.Struct, frozen=True):
    """The fewest equal devices of one kind that hold a model, and how."""

    count: int
    plan: Plan
    rank: Rank


class Search:
    """The fewest equal devices for one precision; what a rank holds is computed once, whatever the device."""

    def __init__(
        self, shards: Shards, precision: Precision, overhead: Callable[[int], Number], case: Case
    ) -> None:
        """`overhead` says what a runtime takes from each of so many devices."""
        self._shards = shards
        self._precision = precision
        self._overhead = overhead
        self._case = case
        self._fullest: dict[int, tuple[Plan, Rank] | None] = {}
        self._sums: dict[int, list[tuple[Number, Sharded]]] = {}
        self._dealt: dict[tuple[int, Plan], tuple[Plan, Rank]] = {}

    def fewest(self, capacity_bytes: Number, counts: Sequence[int] = COUNTS) -> Need | None:
        """The smallest of `counts` that holds it under some plan; None where none does."""
        for count in counts:
            best = self._best(count)
            if best is not None and best[1].total_bytes > capacity_bytes:
                best = self._unevenly(count, capacity_bytes)
            if best is not None:
                rank = msgspec.structs.replace(best[1], capacity_bytes=capacity_bytes)
                return Need(count, best[0], rank)
        return None

    def _best(self, count: int) -> tuple[Plan, Rank] | None:
        """The plan for that many devices whose fullest rank holds least, and that rank."""
        if count not in self._fullest:
            tried, sums = [], []
            for plan in self._shards.loadable(count, self._precision, self._case.layers_only):
                sharded = self._shards.sharded(plan)
                ranks = self._ranks(sharded, count)
                tried.append((plan, fullest(ranks)))
                if plan.pipeline > 1:
                    sums.append((sum(rank.total_bytes for rank in ranks), sharded))
            self._sums[count] = sums
            self._fullest[count] = min(tried, key=lambda pair: pair[1].total_bytes, default=None)
        return self._fullest[count]

    def _unevenly(self, count: int, capacity_bytes: Number) -> tuple[Plan, Rank] | None:
        """A pipeline that fits with other numbers of layers for each stage; tried where all stages together do."""
        for total, sharded in self._sums[count]:
            if total <= capacity_bytes * sharded.plan.pipeline:
                key = count, sharded.plan
                if key not in self._dealt:
                    room = self._room(count)
                    plan = uneven(self._shards, self._precision, room, self._case, sharded)
                    self._dealt[key] = plan, fullest(self._ranks(self._shards.sharded(plan), count))
                if self._dealt[key][1].total_bytes <= capacity_bytes:
                    return self._dealt[key]
        return None

    def _room(self, count: int) -> Room:
        """So many devices that give nothing: what each lacks is what its rank holds."""
        return Room((0,) * count, self._overhead(count))

    def _ranks(self, sharded: Sharded, count: int) -> tuple[Rank, ...]:
        return self._case.ranks(self._case.holding(sharded, self._precision), self._room(count))
