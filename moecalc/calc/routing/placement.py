"""Which experts stand on which expert-parallel rank, and how even the ranks' loads are then.

Three placements: as engines start (experts in order), the same experts dealt better, and with copies of hot experts.
Copying and packing follow DeepSeek's EPLB (github.com/deepseek-ai/EPLB, the README's two policies): a copy goes where
the load per copy is highest, then copies are packed from the heaviest on to the lightest rank that has a slot left;
the hierarchical policy first packs whole expert groups on to nodes and copies within them. The load of an expert is
taken to be shared evenly by its copies.

Beyond EPLB, pairs of slots are exchanged between the fullest rank and others as long as that lowers its load; where it
stays above what is possible, a copy of one expert is given to another, and all is packed anew.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

import msgspec

from moecalc.errors import InputError

MAX_EXCHANGES = 512
"""Of slots in one layer; each lowers the fullest rank's load, and most layers need fewer than one per rank."""

HOTTEST, MAX_REPACKED, REPACKING_WORK = 16, 64, 100_000
"""Experts that may be given another's copy; times that a layer is packed anew to see whether that helps, at most, and
fewer where slots x ranks are many."""

NEAR = Fraction(101, 100)
"""Times what is possible: from there on copies stay where they are."""


class LayerPlacement(msgspec.Struct, frozen=True):
    """One layer: the expert in each slot, rank after rank, and the ranks' loads."""

    slots: tuple[int, ...]
    loads: tuple[Fraction, ...]

    @property
    def max_over_mean(self) -> Fraction:
        """The fullest rank's load over the mean: a step takes that much longer than on even ranks."""
        return max(self.loads) * len(self.loads) / sum(self.loads, Fraction(0))


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """All layers on so many ranks, with so many copies beyond one of each expert."""

    ranks: int
    redundant: int
    layers: tuple[LayerPlacement, ...]

    @property
    def max_over_mean(self) -> Fraction:
        """The sum over layers of the fullest rank's load over the sum of the means: layers run one after the other."""
        fullest = sum((max(layer.loads) for layer in self.layers), Fraction(0))
        means = sum((sum(layer.loads, Fraction(0)) for layer in self.layers), Fraction(0)) / self.ranks
        return fullest / means

    def under(self, counts: Sequence[Sequence[int]]) -> Placement:
        """The same slots under other loads."""
        return _placement(counts, self.ranks, [layer.slots for layer in self.layers])

    def exported(self) -> dict[str, list[list[int]]]:
        """`physical_to_logical_map` [layers][slots] alone: what SGLang's `--init-expert-location` reads."""
        return {"physical_to_logical_map": [list(layer.slots) for layer in self.layers]}


def in_order(counts: Sequence[Sequence[int]], ranks: int) -> Placement:
    """Experts dealt to ranks in their order, as engines do without a placement. Raises InputError where uneven."""
    _check(counts, ranks, 0)
    return _placement(counts, ranks, [list(range(len(counts[0]))) for _ in counts])


def placed(
    counts: Sequence[Sequence[int]],
    ranks: int,
    redundant: int = 0,
    *,
    groups: int = 1,
    nodes: int = 1,
    exchange: bool = True,
) -> Placement:
    """A placement for these loads [layers][experts], with `redundant` copies, as many slots on each rank.

    With `groups` of experts that divide evenly among `nodes`, each group and its copies stay on one node
    (group-limited routing). `exchange` off gives EPLB's placement as it is. Raises InputError where slots do not
    divide evenly among ranks, or ranks, groups and experts among nodes.
    """
    _check(counts, ranks, redundant, groups, nodes)
    slots = []
    for row in counts:
        if not any(row):
            slots.append([*range(len(row)), *(at % len(row) for at in range(redundant))])
            continue
        layer = _layer(row, ranks, redundant, groups, nodes)
        if exchange:
            layer = _exchanged(row, layer, ranks, nodes)
            if redundant and nodes == 1:
                layer = _recopied(row, layer, ranks)
            if not redundant and nodes == 1:
                # Packing is greedy: the order as it is may be the better start.
                layer = min(
                    layer,
                    _exchanged(row, range(len(row)), ranks, nodes),
                    key=lambda slots: _fullest(row, slots, ranks),
                )
        slots.append(layer)
    return _placement(counts, ranks, slots)


def floor(counts: Sequence[int], ranks: int, redundant: int = 0) -> Fraction:
    """The load that some rank has under any placement: the mean of the ranks, or that of one copy of the hottest."""
    copies = _copies(counts, redundant)
    one_copy = max(Fraction(count, copy) for count, copy in zip(counts, copies, strict=True))
    return max(Fraction(sum(counts), ranks), one_copy)


def _layer(row: Sequence[int], ranks: int, redundant: int, groups: int, nodes: int) -> list[int]:
    """EPLB: groups to nodes, copies within each node, copies to its ranks."""
    per_group = len(row) // groups
    loads = [sum(row[group * per_group : (group + 1) * per_group]) for group in range(groups)]
    made = []
    for of_node in _packed(loads, nodes):
        experts = [group * per_group + place for group in of_node for place in range(per_group)]
        weights = [row[expert] for expert in experts]
        # First one of each, then the copies in the order in which they were made.
        listed = [*range(len(experts)), *_copied(weights, redundant // nodes)]
        shares = _shares(weights, listed)
        packs = _packed([shares[at] for at in listed], ranks // nodes)
        made += [experts[listed[at]] for pack in packs for at in pack]
    return made


def _copied(weights: Sequence[int], redundant: int) -> list[int]:
    """Which expert each further copy is of: always the one with the highest load per copy."""
    copies = [1] * len(weights)
    heap = [(-Fraction(weight), at) for at, weight in enumerate(weights)]
    heapq.heapify(heap)
    made = []
    for _ in range(redundant):
        _, at = heap[0]
        copies[at] += 1
        heapq.heapreplace(heap, (-Fraction(weights[at], copies[at]), at))
        made.append(at)
    return made


def _copies(weights: Sequence[int], redundant: int) -> list[int]:
    """Copies of each expert."""
    copies = [1] * len(weights)
    for at in _copied(weights, redundant):
        copies[at] += 1
    return copies


def _shares(weights: Sequence[int], slots: Sequence[int]) -> list[int]:
    """The load of one copy of each expert, all in one unit in which they are whole."""
    copies = [0] * len(weights)
    for expert in slots:
        copies[expert] += 1
    unit = math.lcm(*(copy for copy in copies if copy))
    return [weight * unit // copy if copy else 0 for weight, copy in zip(weights, copies, strict=True)]


def _packed(weights: Sequence[int], packs: int) -> list[list[int]]:
    """As many items in each pack, from the heaviest on, each to the lightest pack that is not full."""
    size = len(weights) // packs
    if size == 1:
        return [[at] for at in range(packs)]
    made: list[list[int]] = [[] for _ in range(packs)]
    loads = [0] * packs
    for at in sorted(range(len(weights)), key=lambda index: -weights[index]):
        pack = min((index for index in range(packs) if len(made[index]) < size), key=loads.__getitem__)
        made[pack].append(at)
        loads[pack] += weights[at]
    return made


def _exchanged(row: Sequence[int], slots: Sequence[int], ranks: int, nodes: int) -> list[int]:
    """The slots after exchanges with the fullest rank, each of which lowers the higher of the two loads the most."""
    size, per_node = len(slots) // ranks, ranks // nodes
    share = _shares(row, slots)
    held = [list(slots[at * size : (at + 1) * size]) for at in range(ranks)]
    loads = [sum(share[expert] for expert in of_rank) for of_rank in held]
    for _ in range(MAX_EXCHANGES):
        full = max(range(ranks), key=loads.__getitem__)
        best = (loads[full], full, 0, 0)
        for other in range(full // per_node * per_node, (full // per_node + 1) * per_node):
            most = loads[full] - loads[other]
            for mine, expert in enumerate(held[full]):
                for theirs, partner in enumerate(held[other]):
                    moved = share[expert] - share[partner]
                    if 0 < moved < most:
                        best = min(best, (loads[full] - min(moved, most - moved), other, mine, theirs))
        higher, other, mine, theirs = best
        if higher == loads[full]:
            break
        moved = share[held[full][mine]] - share[held[other][theirs]]
        loads[full] -= moved
        loads[other] += moved
        held[full][mine], held[other][theirs] = held[other][theirs], held[full][mine]
    return [expert for of_rank in held for expert in of_rank]


def _recopied(row: Sequence[int], slots: list[int], ranks: int) -> list[int]:
    """The slots after copies changed hands, each time that lowers the fullest rank's load; of one node."""
    redundant = len(slots) - len(row)
    least = floor(row, ranks, redundant)
    extras, best, lowest = _copied(row, redundant), slots, _fullest(row, slots, ranks)
    hottest = sorted(range(len(row)), key=lambda expert: -row[expert])[:HOTTEST]
    tries = min(MAX_REPACKED, REPACKING_WORK // (len(slots) * ranks))
    found = True
    while found and lowest > least * NEAR:
        found = False
        for taken, given in itertools.product(sorted(set(extras)), hottest):
            if not tries:
                return best
            if taken == given:
                continue
            tries -= 1
            changed = list(extras)
            changed[changed.index(taken)] = given
            listed = [*range(len(row)), *changed]
            shares = _shares(row, listed)
            packs = _packed([shares[expert] for expert in listed], ranks)
            packed = _exchanged(row, [listed[at] for pack in packs for at in pack], ranks, 1)
            fullest = _fullest(row, packed, ranks)
            if fullest < lowest:
                extras, best, lowest, found = changed, packed, fullest, True
                break
    return best


def _fullest(row: Sequence[int], slots: Sequence[int], ranks: int) -> Fraction:
    return max(_placement([row], ranks, [slots]).layers[0].loads)


def _placement(counts: Sequence[Sequence[int]], ranks: int, slots: Sequence[Sequence[int]]) -> Placement:
    layers = []
    for row, of_layer in zip(counts, slots, strict=True):
        size = len(of_layer) // ranks
        copies = [0] * len(row)
        for expert in of_layer:
            copies[expert] += 1
        loads = [
            sum(
                (Fraction(row[expert], copies[expert]) for expert in of_layer[at * size : (at + 1) * size]),
                Fraction(0),
            )
            for at in range(ranks)
        ]
        layers.append(LayerPlacement(tuple(of_layer), tuple(loads)))
    return Placement(ranks=ranks, redundant=len(slots[0]) - len(counts[0]), layers=tuple(layers))


def _check(
    counts: Sequence[Sequence[int]], ranks: int, redundant: int, groups: int = 1, nodes: int = 1
) -> None:
    experts = len(counts[0])
    slots = experts + redundant
    if ranks < 1 or groups < 1 or nodes < 1:
        raise InputError(
            "a placement on fewer than one rank, group or node", hint="`--placement 8 --groups 8 --nodes 2`"
        )
    most = experts * (ranks - 1)
    if not 0 <= redundant <= most:
        raise InputError(
            f"{redundant:,} copies of {experts:,} experts over {ranks:,} ranks",
            hint=f"from 0 to {most:,}, which puts each expert on every rank",
        )
    if slots % ranks:
        lower, upper = slots // ranks * ranks - experts, (slots // ranks + 1) * ranks - experts
        fitting = f"{lower} or {upper}" if lower >= 0 else f"{upper}"
        raise InputError(
            f"{experts} experts and {redundant} copies do not divide among {ranks} ranks",
            hint=f"`--redundant {fitting}`: every rank has as many slots",
        )
    if ranks % nodes or groups % nodes or experts % groups or redundant % nodes:
        raise InputError(
            f"{ranks} ranks, {groups} groups of {experts} experts and {redundant} copies do not divide among "
            f"{nodes} nodes",
            hint="each node takes as many groups, ranks and copies as the others",
        )
