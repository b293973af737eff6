"""Where the bytes and FLOPs of a decode step are, by component: the same sums as the roofline's, cut by role."""

from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec

from moecalc.calc.flop_shares import component_of
from moecalc.calc.speed.roofline import Roofline, Work
from moecalc.calc.speed.traffic import UNIFORM, Routing, traffic
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Ledger
from moecalc.ir.step import Step

READ_BY = {
    Role.ATTENTION_KEY_STATE: Role.ATTENTION_SCORES,
    Role.ATTENTION_LATENT_STATE: Role.ATTENTION_SCORES,
    Role.ATTENTION_ROPE_KEY_STATE: Role.ATTENTION_SCORES,
    Role.ATTENTION_VALUE_STATE: Role.ATTENTION_MIX,
    Role.INDEXER_KEY_STATE: Role.INDEXER_SCORES,
    Role.COMPRESSOR_STATE: Role.ATTENTION_SCORES,
    Role.RECURRENT_STATE: Role.RECURRENT_SCAN,
    Role.RECURRENT_CONV_STATE: Role.RECURRENT_CONV,
}
"""The operation that reads a state, where one of its own does; a latent is read by scores and mix together."""


class GroupTime(msgspec.Struct, frozen=True, kw_only=True):
    """One component's part of a decode step, on the fullest rank, over the pipeline stages that were asked about."""

    name: str
    weight_bytes: float
    state_bytes: float
    flops: float
    """Of one device's share."""
    memory_seconds: float
    compute_seconds: float
    formats: tuple[str, ...]
    """The storage formats whose peaks bound its FLOPs, the one with most first."""

    @property
    def bytes(self) -> float:
        """All that is read."""
        return self.weight_bytes + self.state_bytes


class _Sums:
    def __init__(self) -> None:
        self.weight_bytes = self.state_bytes = self.flops = 0.0
        self.memory_seconds = self.compute_seconds = 0.0
        self.formats: dict[str, float] = defaultdict(float)


def decode_groups(
    roofline: Roofline,
    batches: Iterable[int],
    context: int,
    routing: Routing = UNIFORM,
    stages: tuple[int, ...] | None = None,
) -> tuple[GroupTime, ...]:
    """The components of a decode step, the slowest first; memory and compute each sum to the step's.

    Of the pipeline stages named, or of all one after another; of several batches one behind the other.
    """
    sums: dict[str, _Sums] = defaultdict(_Sums)
    for batch, times in Counter(batches).items():
        _add(sums, roofline, batch, times, context, routing, stages)
    made = [
        GroupTime(
            name=name,
            weight_bytes=part.weight_bytes,
            state_bytes=part.state_bytes,
            flops=part.flops,
            memory_seconds=part.memory_seconds,
            compute_seconds=part.compute_seconds,
            formats=tuple(sorted(part.formats, key=lambda format_: -part.formats[format_])),
        )
        for name, part in sums.items()
        if part.flops or part.weight_bytes or part.state_bytes
    ]
    return tuple(sorted(made, key=lambda group: -max(group.memory_seconds, group.compute_seconds)))


def _add(
    sums: dict[str, _Sums],
    roofline: Roofline,
    batch: int,
    times: int,
    context: int,
    routing: Routing,
    stages: tuple[int, ...] | None,
) -> None:
    """`times` steps of a batch, added to the sums by component."""
    plan, work = roofline.plan, Work(Step.decode(context))
    own = -(-batch // plan.replicas)
    for index, stage in enumerate(roofline.sharded.stages):
        if stages is not None and index not in stages:
            continue
        machine = roofline.machine(index)
        pairs: dict[str, list[int]] = defaultdict(list)
        weights = roofline.sharded.rank_weights(index)
        for place, (whole, _) in enumerate(weights):
            pairs[component_of(whole.role)].append(place)
        for state in stage.states:
            pairs[component_of(READ_BY.get(state.role, state.role))] += []
        for name, places in pairs.items():
            states = tuple(s for s in stage.states if component_of(READ_BY.get(s.role, s.role)) == name)
            reads = traffic(
                Ledger((), (), states),
                [weights[place] for place in places],
                roofline.precision,
                roofline.kv_dtype,
            )
            read = float(reads.weight_bytes(own, roofline.expert_tokens(batch), routing))
            state_read = float(own * reads.state_bytes(context)) if states else 0.0
            sums[name].weight_bytes += times * read
            sums[name].state_bytes += times * state_read
            sums[name].memory_seconds += times * (read + state_read) / machine.bandwidth
        choices = work.choices(roofline.form(work, index))
        always, routed = (roofline.layer_share(index) * share for share in roofline.shares(batch))
        for format_, ops in roofline.ops.items():
            for op in ops:
                if op.component is not Component.LANGUAGE or not op.counts_under(choices):
                    continue
                flops = times * float((routed if op.pool else always) * op.flops(work.step, choices))
                part = sums[component_of(op.role)]
                part.flops += flops
                part.compute_seconds += machine.seconds(flops, format_)
                part.formats[format_] += flops
