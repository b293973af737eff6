"""Which plan holds a model on given devices, and which devices hold it: searches over `budget.Holding`."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import msgspec

from moecalc.calc.deploy.blocks import CutBlock, cut_blocks
from moecalc.calc.deploy.budget import Holding, Rank, Rules, fullest
from moecalc.calc.deploy.ranks import LOADED, Sharded, loaded_rows
from moecalc.calc.deploy.sharding import allowed_tensor_sizes, is_looped, layer_count
from moecalc.calc.deploy.shares import Formats, Shares, flat
from moecalc.errors import InputError
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger
from moecalc.specs.formats import Precision
from moecalc.specs.plan import Plan

COUNTS = (1, 2, 4, 8, 16, 32, 64, 128)
"""Numbers of equal devices that people rent: parts of a machine of eight, then whole machines."""

MACHINE = 8
"""Devices of one machine: tensor parallelism beyond it is not tried, nor are more devices that no link joins."""


class Room(msgspec.Struct, frozen=True):
    """What devices can give: bytes for each, and what a runtime takes from each before weights and state."""

    capacities: tuple[Number, ...]
    """One per device, in the order of the ranks."""
    overhead_bytes: Number

    @property
    def devices(self) -> int:
        """How many there are."""
        return len(self.capacities)

    @property
    def is_uniform(self) -> bool:
        """Whether all give the same."""
        return len(set(self.capacities)) == 1

    def of_stages(self, plan: Plan) -> tuple[Number, ...]:
        """The least that a device of each pipeline stage gives."""
        size = plan.stage_devices
        return tuple(min(self.capacities[i : i + size]) for i in range(0, len(self.capacities), size))


class Shards:
    """The shards of one ledger by plan, made once however many precisions and devices are tried on them."""

    def __init__(
        self, ledger: Ledger, components: tuple[Component, ...] = LOADED, vocabulary_multiple: int = 1
    ) -> None:
        self.ledger = ledger
        self.vocabulary_multiple = vocabulary_multiple
        self.components = components
        self._loaded = loaded_rows(ledger, components)
        self._formats = Formats(self._loaded)
        self._shares: dict[Plan, Shares] = {}
        self._made: dict[Plan, Sharded] = {}
        self._plans: dict[tuple[int, bool], list[Plan]] = {}
        self._cuts: dict[tuple[Plan, int], tuple[Precision, list[CutBlock]]] = {}

    def sharded(self, plan: Plan) -> Sharded:
        """The ledger under a plan, its vocabulary padded as the engine pads it."""
        plan = msgspec.structs.replace(plan, vocabulary_multiple=self.vocabulary_multiple)
        if plan not in self._made:
            key = flat(plan)
            if key not in self._shares:
                self._shares[key] = Shares(self._loaded, key, self._formats)
            self._made[plan] = Sharded(
                ledger=self.ledger, plan=plan, components=self.components, split_before=self._shares[key]
            )
        return self._made[plan]

    def plans(self, devices: int, layers_only: bool = False) -> list[Plan]:
        """The plans that equal devices allow, most tensor parallelism first.

        Tensor parallelism stays inside a machine; pipeline stages and copies of attention reach beyond. Experts are
        split like all else, or dealt out whole over all ranks of a stage.
        """
        key = devices, layers_only
        if key not in self._plans:
            most = 1 if layers_only else min(devices, MACHINE)
            sizes = [size for size in reversed(self._tensor_sizes) if size <= most and devices % size == 0]
            split = [plan for size in sizes for plan in self._pipelines(size, devices // size)]
            dealt = [] if layers_only else [plan for size in sizes for plan in self._dealt(size, devices)]
            # Every expert cut into slices is what engines do unless told otherwise, so it goes first.
            one_stage = [plan for plan in split if plan.pipeline == 1]
            self._plans[key] = [*one_stage, *dealt, *(plan for plan in split if plan.pipeline > 1)]
        return self._plans[key]

    def cuts(self, plan: Plan, precision: Precision) -> list[CutBlock]:
        """Quantization blocks that the plan cuts: engines refuse to load such shards."""
        key = flat(plan), id(precision)
        if key not in self._cuts:
            self._cuts[key] = precision, cut_blocks(self.sharded(plan).shares, precision)
        return self._cuts[key][1]

    def loadable(self, devices: int, precision: Precision, layers_only: bool = False) -> list[Plan]:
        """The plans that cut no block; all of them where each cuts one."""
        plans = self.plans(devices, layers_only)
        if layers_only:
            return plans
        return [plan for plan in plans if not self.cuts(plan, precision)] or plans

    @cached_property
    def _tensor_sizes(self) -> list[int]:
        return allowed_tensor_sizes(self.ledger, MACHINE)

    @cached_property
    def _experts(self) -> int:
        return min((int(w.pool.experts) for w in self.ledger.weights if w.pool is not None), default=0)

    @cached_property
    def _most_stages(self) -> int:
        return 1 if is_looped(self.ledger) else layer_count(self.ledger)

    def _pipelines(self, tensor: int, stages: int) -> Iterator[Plan]:
        if stages <= self._most_stages:
            yield Plan(tensor=tensor, pipeline=stages)

    def _dealt(self, tensor: int, devices: int) -> Iterator[Plan]:
        if 1 < devices <= self._experts:
            yield Plan(tensor=tensor, data=devices // tensor, expert=devices)


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of whatever devices: how much state, in which format, and how a runtime steps."""

    kv_dtype: str
    context: int
    sequences: int
    prefill_chunk: int
    logits_of_chunk: bool = False
    layers_only: bool = False
    """Whether several devices can only be given whole layers each (llama.cpp's layer split)."""
    lookups_in_ram: bool = False
    """Whether look-up tables stay in the host's memory (llama.cpp beside GPUs)."""
    rules: Rules | None = None
    """How the engine reserves memory; None: what the architecture needs."""

    def holding(self, sharded: Sharded, precision: Precision) -> Holding:
        """The sharded model in one precision."""
        return Holding(
            sharded=sharded,
            precision=precision,
            kv_dtype=self.kv_dtype,
            prefill_chunk=self.prefill_chunk,
            logits_of_chunk=self.logits_of_chunk,
            lookups_in_ram=self.lookups_in_ram,
            rules=self.rules,
        )

    def ranks(self, holding: Holding, room: Room) -> tuple[Rank, ...]:
        """What the fullest rank of each stage holds in that room."""
        stages = room.of_stages(holding.plan)
        return holding.ranks(stages, room.overhead_bytes, self.context, self.sequences)


def best_holding(shards: Shards, precision: Precision, room: Room, case: Case) -> Holding:
    """The plan to use: of those that fit, the one with most tensor parallelism, for that adds bandwidth too.

    Plans that cut no quantization block go before all others. Where none fits, pipelines get other numbers of layers
    for each stage; where none fits then, the one that lacks least. Raises InputError where no plan uses exactly these
    devices.
    """
    plans = (
        shards.loadable(room.devices, precision, case.layers_only)
        if room.is_uniform
        else [deal_layers(shards, precision, room, case)]
    )
    if not plans:
        raise InputError(
            f"this model cannot be spread over {room.devices} devices",
            hint="its heads allow `--tp "
            + " | ".join(map(str, allowed_tensor_sizes(shards.ledger, 64)))
            + "`",
        )
    tried = [case.holding(shards.sharded(plan), precision) for plan in plans]
    free = [fullest(case.ranks(holding, room)).free_bytes for holding in tried]
    fitting = [holding for holding, left in zip(tried, free, strict=True) if left >= 0]
    if fitting:
        return fitting[0]
    dealt = (balanced(shards, precision, room, case, holding) for holding in tried)
    return next((holding for holding in dealt if holding is not None), tried[free.index(max(free))])


def balanced(
    shards: Shards, precision: Precision, room: Room, case: Case, holding: Holding
) -> Holding | None:
    """The same pipeline with other numbers of layers for each stage, where one of those fits.

    Layers differ (dense ones before those with experts), and the first and the last stage have the embedding and the
    head beside them: equally many layers each are not equally many bytes.
    """
    if holding.plan.pipeline == 1 or holding.plan.stages:
        return None
    if sum(rank.free_bytes for rank in case.ranks(holding, room)) < 0:
        return None  # what all stages together lack, no dealing gives
    found = case.holding(shards.sharded(_uneven(shards, precision, room, case, holding.sharded)), precision)
    return found if fullest(case.ranks(found, room)).free_bytes >= 0 else None


def _uneven(shards: Shards, precision: Precision, room: Room, case: Case, sharded: Sharded) -> Plan:
    """The pipeline with layers moved to where most is left."""
    sizes = tuple(len(layers) for layers in sharded.stage_layers)
    return _evened(shards, precision, room, case, msgspec.structs.replace(sharded.plan, stages=sizes))


def roomiest(shards: Shards, precision: Precision, room: Room, case: Case) -> tuple[Holding, int] | None:
    """The plan under which most sequences fit, and how many; None where none fits or the devices are not equal."""
    if not room.is_uniform:
        return None
    best: tuple[Holding, int] | None = None
    for plan in shards.loadable(room.devices, precision, case.layers_only):
        holding = case.holding(shards.sharded(plan), precision)
        stages = room.of_stages(holding.plan)
        count = holding.most_sequences(stages, room.overhead_bytes, case.context)
        if count is not None and (best is None or count > best[1]):
            best = holding, count
    return best


def deal_layers(shards: Shards, precision: Precision, room: Room, case: Case) -> Plan:
    """Whole layers dealt to unequal devices: by their memory, then one by one from the fullest to the emptiest."""
    layers = layer_count(shards.ledger)
    if layers < room.devices or is_looped(shards.ledger):
        raise InputError(
            f"unequal devices get whole layers each, and this model has {layers} for {room.devices} devices"
            if layers < room.devices
            else "unequal devices get whole layers each, and this model runs its layers several times over",
            hint="name devices of one kind: `--gpu 2xh100`",
        )
    total = sum(room.capacities)
    sizes = [max(1, int(layers * capacity // total)) for capacity in room.capacities]
    sizes[max(range(len(sizes)), key=lambda i: sizes[i])] += layers - sum(sizes)
    return _evened(shards, precision, room, case, Plan(pipeline=len(sizes), stages=tuple(sizes)))


def _evened(shards: Shards, precision: Precision, room: Room, case: Case, plan: Plan) -> Plan:
    """The plan with layers moved one by one from the fullest stage to the emptiest, while that helps the fullest.

    Of several that are equally full one after the other gives: that helps as soon as none of them is left as full.
    """

    def free(plan: Plan) -> list[Number]:
        ranks = case.ranks(case.holding(shards.sharded(plan), precision), room)
        return [rank.free_bytes for rank in ranks]

    left = free(plan)
    while True:
        giver, taker = left.index(min(left)), left.index(max(left))
        moved = list(plan.stages)
        moved[giver] -= 1
        moved[taker] += 1
        if giver == taker or moved[giver] < 1:
            return plan
        tried = msgspec.structs.replace(plan, stages=tuple(moved))
        after = free(tried)
        if sorted(after) <= sorted(left):
            return plan
        plan, left = tried, after


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
                    plan = _uneven(self._shards, self._precision, room, self._case, sharded)
                    self._dealt[key] = plan, fullest(self._ranks(self._shards.sharded(plan), count))
                if self._dealt[key][1].total_bytes <= capacity_bytes:
                    return self._dealt[key]
        return None

    def _room(self, count: int) -> Room:
        """So many devices that give nothing: what each lacks is what its rank holds."""
        return Room((0,) * count, self._overhead(count))

    def _ranks(self, sharded: Sharded, count: int) -> tuple[Rank, ...]:
        return self._case.ranks(self._case.holding(sharded, self._precision), self._room(count))
