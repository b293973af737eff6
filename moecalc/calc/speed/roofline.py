"""The ceiling: no engine on this hardware can be faster. Bytes over bandwidth, FLOPs over the dense peak.

Memory and arithmetic are taken to overlap perfectly, so a step takes at least the longer of the two; each matrix is
multiplied at the peak of the format it is stored in, attention at that of its cache, an indexer's scores at that of
its keys (Williams, Waterman and Patterson 2009, doi 10.1145/1498765.1498785). Communication and every latency are left
out, and so is what state a step writes: each of them only adds. Ranks of a tensor-parallel group work side by side;
pipeline stages one after another on the same sequences, and at once on different ones. Over ints and arrays alike.
"""

from collections import defaultdict
from functools import cached_property, reduce

import msgspec

from moecalc.calc.deploy.ranks import Sharded
from moecalc.calc.deploy.sharding import layer_count
from moecalc.calc.speed.machine import Machine
from moecalc.calc.speed.traffic import UNIFORM, Routing, Traffic, traffic
from moecalc.ir.numeric import Number, maximum, minimum
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Ledger, Op
from moecalc.ir.step import Choices, Form, Logits, Pairs, Step
from moecalc.specs.formats import Precision, find_format
from moecalc.specs.plan import Plan


def operand_formats(ledger: Ledger, precision: Precision, kv_dtype: str) -> tuple[str, ...]:
    """Every format that some operation of the model may multiply in: what a machine needs the peaks of."""
    own = (op.operands for op in ledger.ops if op.operands is not None)
    return tuple(dict.fromkeys((*precision.formats, "bf16", kv_dtype, *own)))


def ops_by_format(ledger: Ledger, precision: Precision, kv_dtype: str) -> dict[str, list[Op]]:
    """The operations of the language model, by the format whose peak bounds them."""
    formats: dict[Role, str] = {}
    for weight in ledger.weights:
        if weight.component is Component.LANGUAGE:
            formats.setdefault(weight.role, precision.format_of(weight).name)
    attention = find_format(kv_dtype).name
    ops: dict[str, list[Op]] = defaultdict(list)
    for op in ledger.ops:
        if op.component is Component.LANGUAGE:
            ops[op.operands or formats.get(op.role, attention)].append(op)
    return dict(ops)


class StepTime(msgspec.Struct, frozen=True, kw_only=True):
    """The least that a step takes, and what it takes for."""

    seconds: Number
    memory_seconds: Number
    compute_seconds: Number
    weight_bytes: Number
    """Read by the fullest rank, over all pipeline stages."""
    state_bytes: Number
    flops: Number
    """Of the whole batch."""

    @property
    def bound(self) -> str:
        """What binds: memory or compute. Of a single point only."""
        return "compute" if self.compute_seconds > self.memory_seconds else "memory"


class Work(msgspec.Struct, frozen=True):
    """One sequence's part of a step, and the positions whose logits are computed."""

    step: Step
    logits: Logits = Logits.LAST

    @property
    def is_decode(self) -> bool:
        """Whether it is a single token behind its state."""
        return isinstance(self.step.new, int) and self.step.new == 1

    def choices(self, latent: Form) -> Choices:
        """How its FLOPs are counted where latent attention runs in that form."""
        recurrence = Form.STEP if self.is_decode else Form.CHUNK
        return Choices(Pairs.CAUSAL, self.logits, frozenset({latent, recurrence}))


class _Cost(msgspec.Struct, frozen=True):
    """Seconds of one sequence's FLOPs on one device: of what every token passes, and of the routed experts."""

    always: Number
    routed: Number


class Roofline(msgspec.Struct, frozen=True, dict=True, kw_only=True):
    """A sharded model in one precision on its devices."""

    sharded: Sharded
    precision: Precision
    kv_dtype: str
    machines: tuple[Machine, ...]
    """The devices of each pipeline stage; a single one stands for all."""

    @property
    def plan(self) -> Plan:
        """How it is spread."""
        return self.sharded.plan

    @cached_property
    def is_bounded(self) -> bool:
        """Whether arithmetic bounds it: on every stage's device the peak behind most of its FLOPs is published."""
        work = Work(Step.decode(1))
        by_format = {
            format_: sum(op.flops(work.step, work.choices(Form.ABSORBED)) for op in ops)
            for format_, ops in self.ops.items()
        }
        return all(
            2 * sum(flops for format_, flops in by_format.items() if machine.peaks.get(format_))
            > sum(by_format.values())
            for machine in self.machines
        )

    def machine(self, stage: int) -> Machine:
        """The devices of a stage."""
        return self.machines[stage] if len(self.machines) > 1 else self.machines[0]

    def decode(self, batch: Number, context: Number, routing: Routing = UNIFORM) -> StepTime:
        """One token for each of `batch` sequences with `context` keys each, over all copies of attention."""
        return self._step(Work(Step.decode(context)), batch, routing)

    def prefill(
        self, prompt: Number, batch: Number = 1, past: Number = 0, routing: Routing = UNIFORM
    ) -> StepTime:
        """`batch` prompts behind `past` cached tokens each, in one step."""
        return self._step(Work(Step(prompt, past)), batch, routing)

    def verify(self, batch: Number, context: Number, positions: int, routing: Routing = UNIFORM) -> StepTime:
        """`positions` tokens at once for each of `batch` sequences, the first with `context` keys; logits for all.

        What speculative decoding checks in one step. A single position is `decode`.
        """
        if positions == 1:
            return self.decode(batch, context, routing)
        return self._step(Work(Step(positions, context - 1), Logits.ALL), batch, routing)

    def touched_share(self, batch: Number, routing: Routing = UNIFORM) -> Number | None:
        """Expected share of the routed weights that a decode step reads; None for a dense model."""
        tokens = self.expert_tokens(batch)
        parts = [part for reads in self.traffics for part in reads.routed]
        whole = sum(part.stored for part in parts)
        if not whole:
            return None
        return sum(routing.touched(part.pool, tokens) * part.stored for part in parts) / whole

    def expert_tokens(self, batch: Number) -> Number:
        """Of one token for each of `batch` sequences, those that choose among the experts of one rank."""
        return batch if self.plan.expert > 1 else -(-batch // self.plan.data)

    @cached_property
    def traffics(self) -> tuple[Traffic, ...]:
        """What the fullest rank of each pipeline stage reads."""
        return tuple(
            traffic(stage, self.sharded.rank_weights(index), self.precision, self.kv_dtype)
            for index, stage in enumerate(self.sharded.stages)
        )

    def stages(self, batch: Number, context: Number, routing: Routing = UNIFORM) -> tuple[StepTime, ...]:
        """What each pipeline stage does of a decode step of `batch` sequences, all at once."""
        work = Work(Step.decode(context))
        costs = tuple(self._cost(work, machine) for machine in self.machines)
        found = [self._stage(index, work, costs, batch, routing) for index in range(self.plan.pipeline)]
        return tuple(
            StepTime(
                seconds=maximum(memory, compute),
                memory_seconds=memory,
                compute_seconds=compute,
                weight_bytes=weights,
                state_bytes=state,
                flops=self.layer_share(index) * batch * self._flops(work),
            )
            for index, (memory, compute, weights, state) in enumerate(found)
        )

    def _step(self, work: Work, batch: Number, routing: Routing) -> StepTime:
        plan = self.plan
        costs = tuple(self._cost(work, machine) for machine in self.machines)
        whole = self._once(work, costs, batch, routing)
        if plan.pipeline == 1:
            return whole
        # More micro-batches than stages only make every stage read its weights more often.
        fastest, own = whole.seconds, -(-batch // plan.replicas)
        for parts in range(2, plan.pipeline + 1):
            in_turn = self._in_turn(work, costs, batch, minimum(own, parts), routing)
            fastest = minimum(fastest, in_turn)
        if not work.is_decode:  # chunks of a prompt follow each other through the stages
            stages = range(plan.pipeline)
            each = (self._stage_seconds(index, work, costs, batch, routing) for index in stages)
            fastest = minimum(fastest, reduce(maximum, each))
        return msgspec.structs.replace(whole, seconds=fastest)

    def _in_turn(
        self, work: Work, costs: tuple[_Cost, ...], batch: Number, parts: Number, routing: Routing
    ) -> Number:
        """Sequences dealt out evenly to `parts` micro-batches: each passes all stages, every stage does them all."""
        small, large = batch // parts, -(-batch // parts)
        larger = batch - small * parts
        passing: Number = 0
        waiting: Number = 0
        for index in range(self.plan.pipeline):
            of_large, of_small = (
                self._stage_seconds(index, work, costs, size, routing) for size in (large, small)
            )
            passing = passing + of_large
            waiting = maximum(waiting, larger * of_large + (parts - larger) * of_small)
        return maximum(passing, waiting)

    def _stage_seconds(
        self, index: int, work: Work, costs: tuple[_Cost, ...], batch: Number, routing: Routing
    ) -> Number:
        memory, compute, _, _ = self._stage(index, work, costs, batch, routing)
        return maximum(memory, compute)

    def _once(self, work: Work, costs: tuple[_Cost, ...], batch: Number, routing: Routing) -> StepTime:
        """All stages one after another."""
        stages = [self._stage(index, work, costs, batch, routing) for index in range(self.plan.pipeline)]
        return StepTime(
            seconds=sum(maximum(memory, compute) for memory, compute, _, _ in stages),
            memory_seconds=sum(memory for memory, _, _, _ in stages),
            compute_seconds=sum(compute for _, compute, _, _ in stages),
            weight_bytes=sum(weights for _, _, weights, _ in stages),
            state_bytes=sum(state for _, _, _, state in stages),
            flops=batch * self._flops(work),
        )

    def _stage(
        self, index: int, work: Work, costs: tuple[_Cost, ...], batch: Number, routing: Routing
    ) -> tuple[Number, Number, Number, Number]:
        """Seconds of memory and compute on one stage, and the weights and state its fullest rank reads."""
        reads, own = self.traffics[index], -(-batch // self.plan.replicas)
        chosen_by = self.expert_tokens(batch) * work.step.new
        weights = reads.weight_bytes(own * work.step.new, chosen_by, routing)
        # A prompt makes its own state: only what is behind it must be read.
        behind = work.step.total if work.is_decode else work.step.past
        state = own * reads.state_bytes(behind) if _any(behind) else 0
        cost = costs[index] if len(costs) > 1 else costs[0]
        always, routed = self.shares(batch)
        compute = self.layer_share(index) * (always * cost.always + routed * cost.routed)
        return (weights + state) / self.machine(index).bandwidth, compute, weights, state

    def shares(self, batch: Number) -> tuple[Number, Number]:
        """Sequences' worth of work on one device of a stage: of what every token passes, and of routed experts.

        A copy of attention works on its own sequences alone; experts dealt out over all ranks on everybody's.
        """
        always = -(-batch // self.plan.data) / self.plan.tensor
        return always, batch / self.plan.stage_devices if self.plan.expert > 1 else always

    def _cost(self, work: Work, machine: Machine) -> _Cost:
        """Seconds of one sequence's FLOPs on one device, in whichever form of latent attention takes less."""
        always = [self._under(work, form, machine) for form in self._forms]
        return _Cost(
            always=always[0] if len(always) == 1 else minimum(*always),
            routed=self._seconds(work, Form.NAIVE, machine, routed=True),
        )

    def form(self, work: Work, stage: int) -> Form:
        """The form of latent attention that takes less on the devices of a stage; of a single point only."""
        machine = self.machine(stage)
        return min(self._forms, key=lambda form: self._under(work, form, machine))

    def _under(self, work: Work, latent: Form, machine: Machine) -> Number:
        return self._seconds(work, latent, machine, routed=False)

    def _seconds(self, work: Work, latent: Form, machine: Machine, *, routed: bool) -> Number:
        choices = work.choices(latent)
        return sum(
            machine.seconds(
                sum(op.flops(work.step, choices) for op in ops if (op.pool is not None) is routed), format_
            )
            for format_, ops in self.ops.items()
        )

    def layer_share(self, stage: int) -> float:
        """The part of all layers that a pipeline stage runs."""
        return len(self._layers[stage]) / sum(map(len, self._layers))

    @cached_property
    def _layers(self) -> tuple[range, ...]:
        return self.plan.layers_of_stages(layer_count(self.sharded.ledger))

    def _flops(self, work: Work) -> Number:
        counted = [
            sum(op.flops(work.step, work.choices(form)) for ops in self.ops.values() for op in ops)
            for form in self._forms
        ]
        return counted[0] if len(counted) == 1 else minimum(*counted)

    @cached_property
    def ops(self) -> dict[str, list[Op]]:
        """The operations of the language model, by the format whose peak bounds them."""
        return ops_by_format(self.sharded.ledger, self.precision, self.kv_dtype)

    @cached_property
    def _forms(self) -> tuple[Form, ...]:
        latent = any(op.forms & {Form.NAIVE, Form.ABSORBED} for op in self.sharded.ledger.ops)
        return (Form.ABSORBED, Form.NAIVE) if latent else (Form.NAIVE,)


def _any(value: Number) -> bool:
    return not (isinstance(value, int) and value == 0)
