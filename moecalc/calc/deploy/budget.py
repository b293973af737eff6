"""Whether a plan fits its devices: the fullest rank against its own memory, never VRAM pooled over cards.

A rank holds its share of the weights, the state of its sequences, the activation peak of one step, and what the
runtime itself takes (CUDA context, communication buffers, graphs). The rank with the least left decides.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import cached_property
from typing import Protocol

import msgspec

from moecalc.calc.deploy.activations import Activations
from moecalc.calc.deploy.ranks import Sharded
from moecalc.ir.numeric import Number
from moecalc.specs.formats import Precision
from moecalc.specs.plan import Plan
from moecalc.specs.workload import LONGEST

MOST_SEQUENCES = 2**20
"""Beyond this a count is no limit that anyone meets: models whose state takes next to nothing."""


class Rules(Protocol):
    """How a named engine reserves memory, where that is not what the architecture needs."""

    def state_bytes(
        self, sharded: Sharded, stage: int, context: int, kv_dtype: str, sequences: int
    ) -> Number:
        """What a stage's fullest rank sets aside for that many sequences of its copy of attention."""

    def activation_bytes(self, sharded: Sharded, stage: int) -> Number:
        """The activation peak of the fullest step that the engine's scheduler allows."""

    def padding_bytes(self, sharded: Sharded, stage: int, precision: Precision) -> int:
        """What the engine's kernels add to the weights of a stage's fullest rank."""


class Rank(msgspec.Struct, frozen=True, kw_only=True):
    """What the fullest rank of one stage holds, in bytes, and what its device can give."""

    stage: int
    weight_bytes: Number
    state_bytes: Number
    activation_bytes: Number
    overhead_bytes: Number
    capacity_bytes: Number
    by_group: tuple[tuple[str, Number], ...] = ()

    @property
    def total_bytes(self) -> Number:
        """All of it together."""
        return self.weight_bytes + self.state_bytes + self.activation_bytes + self.overhead_bytes

    @property
    def free_bytes(self) -> Number:
        """What is left; below 0 is what is missing."""
        return self.capacity_bytes - self.total_bytes


class Holding(msgspec.Struct, frozen=True, dict=True, kw_only=True):
    """A sharded model in one precision, before any device, context or batch is named."""

    sharded: Sharded
    precision: Precision
    kv_dtype: str
    prefill_chunk: int = 2048
    """Tokens that one step processes at most for a copy of attention; longer prompts come in chunks."""
    logits_of_chunk: bool = False
    """Memory is reserved for the logits of every position of a chunk (llama.cpp), not of each sequence's last."""
    lookups_in_ram: bool = False
    """Look-up tables stay in the host's memory (llama.cpp beside GPUs)."""
    rules: Rules | None = None
    """The engine's; None: state as the architecture needs it, and a step of what is asked for."""

    @property
    def plan(self) -> Plan:
        """How it is spread."""
        return self.sharded.plan

    @cached_property
    def weights(self) -> tuple[tuple[tuple[str, Number], ...], ...]:
        """Weight bytes of each stage's fullest rank by group of roles, largest first."""
        stages = range(len(self.sharded.stage_layers))
        return tuple(
            self.sharded.weight_groups(stage, self.precision, self.lookups_in_ram) for stage in stages
        )

    @cached_property
    def weight_bytes(self) -> tuple[Number, ...]:
        """Weight bytes of each stage's fullest rank."""
        return tuple(sum(size for _, size in groups) for groups in self.weights)

    @cached_property
    def padding_bytes(self) -> tuple[int, ...]:
        """What a named engine's kernels add to the weights of each stage's fullest rank."""
        rules, stages = self.rules, range(len(self.sharded.stage_layers))
        return tuple(rules.padding_bytes(self.sharded, s, self.precision) if rules else 0 for s in stages)

    def state_bytes(self, stage: int, context: int, sequences: int) -> Number:
        """State of a stage's fullest rank for that many sequences over all devices."""
        own = self.plan.sequences(sequences)
        if self.rules is not None:
            return self.rules.state_bytes(self.sharded, stage, context, self.kv_dtype, own)
        return self.sharded.peak_state_bytes(stage, context, self.kv_dtype, own)

    def activation_bytes(self, stage: int, context: int, sequences: int) -> Number:
        """The activation peak of a step that processes a prefill chunk and samples for every sequence."""
        if self.rules is not None:
            return self.rules.activation_bytes(self.sharded, stage)
        found = step_activations(
            self.sharded, stage, self.prefill_chunk, context, sequences, self.logits_of_chunk
        )
        return found.total_bytes

    def ranks(
        self, capacities: tuple[Number, ...], overhead_bytes: Number, context: int, sequences: int
    ) -> tuple[Rank, ...]:
        """Each stage's fullest rank on a device of that capacity (one per stage; a single one stands for all)."""
        each = capacities if len(capacities) == self.plan.pipeline else capacities[:1] * self.plan.pipeline
        return tuple(
            Rank(
                stage=stage,
                weight_bytes=self.weight_bytes[stage],
                state_bytes=self.state_bytes(stage, context, sequences),
                activation_bytes=self.activation_bytes(stage, context, sequences),
                overhead_bytes=overhead_bytes + self.padding_bytes[stage],
                capacity_bytes=capacity,
                by_group=self.weights[stage],
            )
            for stage, capacity in enumerate(each)
        )

    def fits(
        self, capacities: tuple[Number, ...], overhead_bytes: Number, context: int, sequences: int
    ) -> bool:
        """Whether every rank has what it needs."""
        ranks = self.ranks(capacities, overhead_bytes, context, sequences)
        return all(rank.free_bytes >= 0 for rank in ranks)

    def longest_context(
        self, capacities: tuple[Number, ...], overhead_bytes: Number, sequences: int
    ) -> int | None:
        """Most tokens that each of that many sequences can have.

        None where not even one fits; 2^32 where no number is too many.
        """
        return most(LONGEST, lambda context: self.fits(capacities, overhead_bytes, context, sequences))

    def most_sequences(
        self, capacities: tuple[Number, ...], overhead_bytes: Number, context: int
    ) -> int | None:
        """Most sequences of that context; None where not even one fits, 2^20 where the state hardly counts."""
        return most(MOST_SEQUENCES, lambda count: self.fits(capacities, overhead_bytes, context, count))


def step_activations(
    sharded: Sharded,
    stage: int,
    prefill_chunk: int,
    context: int,
    sequences: int,
    logits_of_chunk: bool = False,
) -> Activations:
    """The peak of a step no larger than what is asked for: a chunk of the prompts, logits for every sequence.

    `sequences` are those of all devices.
    """
    own = sharded.plan.sequences(sequences)
    chunk = max(min(prefill_chunk, own * context), own)
    return sharded.activations(stage, chunk, chunk if logits_of_chunk else own)


def fullest(ranks: tuple[Rank, ...]) -> Rank:
    """The rank with the least memory left."""
    return min(ranks, key=lambda rank: rank.free_bytes)


def usable(capacity_bytes: Number, utilization: Fraction) -> int:
    """The share of a device's memory that may be filled, whole bytes."""
    return int(capacity_bytes * utilization)


def most(limit: int, holds: Callable[[int], bool]) -> int | None:
    """The largest number up to the limit for which something that gets harder still holds; None if 1 fails."""
    if not holds(1):
        return None
    low = high = 1
    while high < limit:
        high = min(2 * low, limit)
        if not holds(high):
            break
        low = high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
