"""The time of a training step, item by item: an estimate from measured matmuls, published links and the schedule.

Every item is seconds of one optimizer step; their sum is the step, and the first over the sum is the MFU. Matmuls run
at the fastest that was measured on the device. FlashAttention's backward computes the scores again (half a forward of
scores and mix, arXiv 2307.08691, section 3.1). Every kept activation is written and read once, and so is its
gradient. Tensor parallelism needs two all-reduces (or as many bytes of reduce-scatter and all-gather) for each
sublayer (arXiv 1909.08053, section 3); experts four all-to-alls for each layer, in which a token goes once to each rank
that has one of its experts; a ring of context ranks sends keys and values on, twice more on the way back. The pipeline
idles (p - 1) / (v m) of its time (arXiv 2104.04473, section 2.2). A part of communication may hide behind arithmetic:
the answer is a range from none of it hidden to all of it, and the figure between hides that of the data ranks alone
(Megatron-LM `--overlap-grad-reduce --overlap-param-gather`). Latencies, stragglers, restarts and input are left out,
and so are matmuls that are smaller than the fastest and the sorting of tokens by expert: runs of few
active parameters reach far less (tests/api/test_training_published.py).
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property

import msgspec

from moecalc.calc.deploy.sharding import split_ledger
from moecalc.calc.speed.communication import all_reduce_bytes, hidden_size, other_ranks, widest_pool
from moecalc.calc.training.training_flops import LayerFlops, TrainingFlops
from moecalc.calc.training.training_memory import TrainingMemory
from moecalc.ir.rows import SlotsKind
from moecalc.specs.machines import MACHINE

ACTIVATION_PASSES = 4
"""Written and read, and its gradient written and read."""

FLASH_BACKWARD = Fraction(1, 2)

DATA = "data"


class TimeItem(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a step."""

    id: str
    label: str
    seconds: float
    words: str = ""
    sends: bool = False
    """Whether it is communication, which may hide."""


class StepPrediction(msgspec.Struct, frozen=True, kw_only=True):
    """A step, itemised."""

    items: tuple[TimeItem, ...]

    @property
    def ideal_seconds(self) -> float:
        """Useful FLOPs at the dense peak."""
        return self.items[0].seconds

    @property
    def seconds(self) -> float:
        """The figure: the data ranks' exchange hidden as far as there is work to hide it, all else in the open."""
        rest = sum(item.seconds for item in self.items if item.id != DATA)
        return max(rest, sum(item.seconds for item in self.items if item.id == DATA))

    @property
    def is_bound_by_data(self) -> bool:
        """Whether the data ranks' exchange takes longer than all that it could hide behind."""
        return self.seconds == sum(item.seconds for item in self.items if item.id == DATA)

    @property
    def mfu(self) -> float:
        """Model FLOPs utilization of the figure."""
        return self.ideal_seconds / self.seconds

    @property
    def mfu_low(self) -> float:
        """Where nothing hides."""
        return self.ideal_seconds / sum(item.seconds for item in self.items)

    @property
    def mfu_high(self) -> float:
        """Where all communication hides that there is work to hide."""
        sent = sum(item.seconds for item in self.items if item.sends)
        worked = sum(item.seconds for item in self.items if not item.sends)
        return self.ideal_seconds / max(sent, worked)


class StepModel(msgspec.Struct, frozen=True, dict=True, kw_only=True):
    """What a step's time follows from."""

    memory: TrainingMemory
    flops: TrainingFlops
    peak: int
    """Dense FLOP/s of a device in `peak_format`: what MFU is a share of, whatever the precision."""
    peak_format: str
    """bf16, or fp16."""
    achieved: int
    """FLOP/s of the fastest bf16 matmul."""
    achieved_low: int
    """The same in the precision that the layers' matrices run in."""
    bandwidth: int
    link: int | None
    network: int

    def predict(self) -> StepPrediction:
        """All items of a step."""
        return StepPrediction(items=tuple(self._items()))

    @cached_property
    def _stages(self) -> tuple[LayerFlops, ...]:
        """FLOPs of one sequence on each stage, the head on the last."""
        found = []
        for stage in range(self.memory.plan.pipeline):
            parts = [self.flops.layers[index] for index in self.memory.stage_layers(stage)]
            if stage == self.memory.plan.pipeline - 1:
                parts.append(self.flops.outside)
            found.append(sum(parts, LayerFlops()))
        return tuple(found)

    def stage_seconds(self, stage: LayerFlops) -> float:
        """Of one microbatch's useful FLOPs on a rank of a stage."""
        sixteen = float(stage.useful - stage.low) / self.achieved
        return self._share * (sixteen + float(stage.low) / self.achieved_low)

    @property
    def _share(self) -> float:
        plan = self.memory.plan
        return self.memory.micro_batch / (plan.tensor * plan.context)

    def _again(self, number: int) -> float:
        """FLOPs of a stage that are computed twice; the head's are not."""
        saving, stage = self.memory.saving, self._stages[number]
        flash = saving.attention == "flash"
        extra = FLASH_BACKWARD * stage.core if flash else Fraction(0)
        if saving.recompute.full:
            layers = (self.flops.layers[index].forward for index in self.memory.stage_layers(number))
            return float(extra + sum(layers))
        if "core_attn" in saving.recompute.modules and not flash:
            extra += stage.core
        if "mla_up_proj" in saving.recompute.modules:
            extra += stage.latent
        return float(extra)

    def _items(self) -> Iterator[TimeItem]:
        memory, plan = self.memory, self.memory.plan
        m = memory.microbatches
        seconds = [self.stage_seconds(stage) for stage in self._stages]
        slowest = max(range(len(seconds)), key=seconds.__getitem__)
        mean = sum(seconds) / len(seconds)
        useful = float(self.flops.useful) * memory.micro_batch * m * plan.copies
        ideal = useful / (plan.devices * self.peak)
        yield TimeItem(id="ideal", label=f"useful FLOPs at the dense {self.peak_format} peak", seconds=ideal)
        yield TimeItem(
            id="matmul",
            label="matmuls beside that peak",
            seconds=m * mean - ideal,
            words=f"the fastest is {self.achieved_low / self.peak:.0%} of it",
        )
        work: list[TimeItem] = []
        again = self._again(slowest) * self._share / self.achieved
        work.append(TimeItem(id="recompute", label="computed again", seconds=m * again))
        work.append(
            TimeItem(
                id="stages",
                label="unequal stages",
                seconds=m * (seconds[slowest] - mean),
                words=f"stage {slowest + 1} of {len(seconds)} has the most",
            )
        )
        routed = float(self._stages[slowest].routed) * self._share / self.achieved_low
        excess = float(memory.saving.imbalance - 1)
        work.append(TimeItem(id="experts", label="unequal experts", seconds=m * excess * routed))
        work.append(self._elementwise(slowest))
        work += self._sends(slowest)
        yield from (item for item in work if item.seconds)
        if plan.pipeline > 1:
            busy = m * mean + sum(item.seconds for item in work)
            idle = (plan.pipeline - 1) / (plan.virtual * m)
            yield TimeItem(
                id="bubble",
                label="pipeline bubble",
                seconds=idle * busy,
                words=f"{idle:.1%} of the work above",
            )
        yield from (item for item in self._update() if item.seconds)

    def _elementwise(self, stage: int) -> TimeItem:
        memory = self.memory
        kept = sum(memory.layer_activations[index].all_bytes for index in memory.stage_layers(stage))
        traffic = ACTIVATION_PASSES * float(kept * memory.tokens)
        return TimeItem(
            id="elementwise",
            label="activations through memory",
            seconds=memory.microbatches * traffic / self.bandwidth,
        )

    # -------------------------------------------------------------------------------------------- communication

    def _speed(self, ranks: int) -> int:
        """Bytes per second of a group that spans so many neighbouring devices."""
        inside = ranks <= MACHINE and self.link is not None
        return self.link if inside and self.link is not None else self.network

    def _sends(self, stage: int) -> list[TimeItem]:
        memory, plan = self.memory, self.memory.plan
        m = memory.microbatches
        vector = hidden_size(memory.rows) * 2
        tokens = float(memory.tokens)
        mixers = reduced = routed = 0
        for index in memory.stage_layers(stage):
            groups = self._groups[index]
            mixes = bool(groups & {"attention", "recurrent"})
            mixers += mixes
            experts = "routed" in groups
            routed += experts
            splits = plan.expert_tensor > 1 if experts else "ffn" in groups
            reduced += mixes + splits
        items = []
        passes = 3 if memory.saving.recompute.full else 2
        tensor = passes * reduced * float(all_reduce_bytes(plan.tensor, tokens * vector))
        items.append(
            TimeItem(
                id="tensor",
                label="tensor parallel",
                seconds=m * tensor / self._speed(plan.tensor),
                sends=True,
            )
        )
        own = tokens / plan.tensor
        reached = other_ranks(plan.expert, widest_pool(memory.rows)) if plan.expert > 1 else 0.0
        sent = 2 * passes * routed * own * reached * vector * float(memory.saving.imbalance)
        spans = plan.expert * plan.expert_tensor
        items.append(
            TimeItem(id="all_to_all", label="all-to-all", seconds=m * sent / self._speed(spans), sends=True)
        )
        ring = (plan.context - 1) * (passes + 1) * mixers * tokens * self._cached_bytes
        items.append(
            TimeItem(
                id="context",
                label="context parallel",
                seconds=m * ring / self._speed(plan.tensor * plan.context),
                sends=True,
            )
        )
        boundaries = 2 * plan.virtual if plan.pipeline > 1 else 0
        hops = boundaries * own * vector
        items.append(
            TimeItem(
                id="pipeline",
                label="pipeline sends",
                seconds=m * hops / self._speed(plan.devices),
                sends=True,
            )
        )
        return items

    @cached_property
    def _groups(self) -> tuple[frozenset[str], ...]:
        groups: list[set[str]] = [set() for _ in range(self.memory.layers)]
        for weight in self.memory.rows.weights:
            for index in weight.indices:
                groups[index].add(weight.role.group)
        return tuple(map(frozenset, groups))

    @cached_property
    def _cached_bytes(self) -> float:
        """Keys and values of one token in one layer of a rank, on average over the layers that have any."""
        states = split_ledger(self.memory.rows, self.memory.plan).states
        growing = [state for state in states if state.slots.kind is SlotsKind.FULL]
        layers = {index for state in growing for index in state.indices}
        elements = sum(float(state.elements_per_slot) * len(state.indices) for state in growing)
        return 2 * elements / len(layers) if layers else 0.0

    def _update(self) -> Iterator[TimeItem]:
        """The data ranks' exchange of gradients and weights, and the optimizer."""
        memory, plan = self.memory, self.memory.plan
        stage = memory.fullest.stage
        rows = memory.stage_rows(stage)
        gathers = 2 * memory.microbatches if plan.zero == 3 else 1
        reduces = memory.microbatches if plan.zero >= 2 else 1
        sent = 0.0
        for ranks, routed in ((plan.data, False), (plan.expert_data, True)):
            part = [pair for pair in rows if (pair[0].pool is not None) is routed]
            whole = msgspec.structs.replace(plan, zero=0)
            states = msgspec.structs.replace(memory, plan=whole).states_of(part)
            trained = memory.saving.lora is None
            weights = states.weights if trained or plan.zero == 3 else 0
            sent += (ranks - 1) / ranks * (reduces * states.gradients + gathers * weights)
        yield TimeItem(
            id=DATA,
            label="exchange of the data ranks",
            seconds=sent / self._speed(plan.devices),
            words="gradients and weights; hidden behind the passes as far as they last",
            sends=True,
        )
        states = memory.states_of(rows)
        moved = states.gradients + 2 * (states.master + states.moments) + states.weights
        yield TimeItem(id="optimizer", label="optimizer", seconds=moved / self.bandwidth)
