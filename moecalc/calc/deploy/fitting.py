"""Which plan holds a model on given devices."""

import msgspec

from moecalc.calc.deploy.budget import Holding, fullest
from moecalc.calc.deploy.case import Case, Room
from moecalc.calc.deploy.ranks import Sharded
from moecalc.calc.deploy.sharding import allowed_tensor_sizes, is_looped, layer_count
from moecalc.calc.deploy.shards import Shards
from moecalc.errors import InputError
from moecalc.ir.numeric import Number
from moecalc.specs.formats import Precision
from moecalc.specs.plan import Plan


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
    found = case.holding(shards.sharded(uneven(shards, precision, room, case, holding.sharded)), precision)
    return found if fullest(case.ranks(found, room)).free_bytes >= 0 else None


def uneven(shards: Shards, precision: Precision, room: Room, case: Case, sharded: Sharded) -> Plan:
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
