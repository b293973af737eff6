"""Placements of one recording side by side, and how the best of them holds under tokens it was not made for."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import msgspec

from moecalc.calc.routing.placement import Placement, floor, in_order, placed
from moecalc.calc.routing.reuse import counts_of
from moecalc.errors import InputError

if TYPE_CHECKING:
    from moecalc.specs.recordings import Recording


class Placements(msgspec.Struct, frozen=True, kw_only=True):
    """What was compared. `dealt` is None where the experts alone do not divide among the ranks."""

    ranks: int
    redundant: int
    groups: int
    nodes: int
    """Each group of experts, and the copies of its experts, stay on one node."""
    order: Placement | None
    dealt: Placement | None
    replicated: Placement
    floor: float
    """Of the fullest rank over the mean, under any placement with as many copies."""
    held_out: float | None
    """`replicated`, made from the first half of the tokens and met by the second; None where only counts are known."""
    held_out_order: float | None

    def to_dict(self) -> dict[str, Any]:
        """All figures for JSON, and the placement that is exported."""
        return {
            "ranks": self.ranks,
            "redundant_experts": self.redundant,
            "groups": self.groups,
            "nodes": self.nodes,
            "fullest_rank_over_mean": {
                "in_order": None if self.order is None else float(self.order.max_over_mean),
                "dealt": None if self.dealt is None else float(self.dealt.max_over_mean),
                "replicated": float(self.replicated.max_over_mean),
                "floor": self.floor,
                "in_order_held_out": self.held_out_order,
                "replicated_held_out": self.held_out,
            },
            **self.replicated.exported(),
        }


def placements_of(
    recording: Recording, ranks: int, redundant: int | None = None, groups: int = 1, nodes: int = 1
) -> Placements:
    """Placements of every layer of the recording over so many ranks.

    `redundant` copies in each layer; by default as few as give each rank one slot more than experts need, or the slots
    that make ranks even. Of `groups` of experts each stays on one of `nodes`. Raises InputError where slots do not
    divide among the ranks, or ranks, groups and copies among the nodes.
    """
    if ranks < 2:
        raise InputError(
            f"a placement over {ranks} ranks", hint="`--placement 8`: the ranks that share the experts"
        )
    if ranks > recording.experts:
        raise InputError(
            f"{recording.experts} experts over {ranks} ranks",
            hint=f"`--placement {recording.experts}` at most",
        )
    if redundant is None:
        redundant = ranks - recording.experts % ranks
    counts = recording.counts or counts_of(recording.array, recording.experts)
    even = recording.experts % ranks == 0
    order = in_order(counts, ranks) if even else None
    replicated = placed(counts, ranks, redundant, groups=groups, nodes=nodes)
    lowest = sum((floor(row, ranks, redundant) for row in counts if any(row)), start=Fraction(0))
    mean = sum(map(sum, counts)) / ranks
    held_out = held_out_order = None
    if recording.choices is not None and len(recording.array) > 1:
        half = len(recording.array) // 2
        first = counts_of(recording.array[:half], recording.experts)
        second = counts_of(recording.array[half:], recording.experts)
        if any(map(any, second)):
            held_out = float(
                placed(first, ranks, redundant, groups=groups, nodes=nodes).under(second).max_over_mean
            )
            held_out_order = float(in_order(second, ranks).max_over_mean) if even else None
    return Placements(
        ranks=ranks,
        redundant=redundant,
        groups=groups,
        nodes=nodes,
        order=order,
        dealt=placed(counts, ranks, groups=groups, nodes=nodes) if even else None,
        replicated=replicated,
        floor=float(lowest) / mean,
        held_out=held_out,
        held_out_order=held_out_order,
    )


def slots_per_rank(placement: Placement) -> int:
    """Experts and copies on each rank, of one layer."""
    return len(placement.layers[0].slots) // placement.ranks
