"""What each GPU of a serving engine holds beside state, and so what is left for state.

vLLM's equation, as its logs print the terms (gpu_worker.py, determine_available_memory): the share of the device's
memory that was asked for, less weights, the activation peak of one step, what collectives and kernels allocate
beside the framework, and an estimate of the captured graphs. The CUDA context stands outside that share.
"""

from decimal import Decimal
from fractions import Fraction

import msgspec

from moecalc.calc.deploy.activations import Activations
from moecalc.calc.deploy.budget import step_activations, usable
from moecalc.calc.deploy.ranks import Sharded
from moecalc.calc.serving.padding import padding_bytes
from moecalc.ir.numeric import Number
from moecalc.specs.engines import Engine
from moecalc.specs.formats import Precision
from moecalc.specs.hardware import Capacity


class Scheduler(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine is told about its steps and its memory."""

    context: int
    """The longest request, in tokens."""
    sequences: int
    """Sequences that one copy of the engine runs at once, at most."""
    batched_tokens: int
    """Tokens that one step processes, at most: longer prompts come in chunks."""
    utilization: Fraction
    """The share of device memory that may be filled; 1 where the engine has no such option."""
    full_windows: bool = False
    """Windowed layers keep every token, as the engine was told or because something else needs them."""


class RankBudget(msgspec.Struct, frozen=True, kw_only=True):
    """The fullest rank of one pipeline stage, in bytes, before state."""

    stage: int
    capacity_bytes: Number
    granted_bytes: Number
    """The share of the capacity that the engine may fill."""
    by_group: tuple[tuple[str, Number], ...]
    """Weights by group of roles, largest first."""
    activations: Activations
    activation_bytes: Number
    communication_bytes: int
    graphs_bytes: int
    context_bytes: int
    context_outside: bool
    padding_bytes: int = 0
    """What the engine's kernels add to the experts."""

    @property
    def weight_bytes(self) -> Number:
        """All weights."""
        return sum(size for _, size in self.by_group)

    @property
    def overhead_bytes(self) -> int:
        """What the runtime takes: context, communication and workspaces, graphs, padding of the experts."""
        return self.context_bytes + self.communication_bytes + self.graphs_bytes + self.padding_bytes

    @property
    def loaded_bytes(self) -> Number:
        """Weights as the engine's log counts them, padded."""
        return self.weight_bytes + self.padding_bytes

    @property
    def available_bytes(self) -> Number:
        """What is left for state; below 0 is what is missing."""
        taken = self.loaded_bytes + self.activation_bytes + self.communication_bytes + self.graphs_bytes
        return self.granted_bytes - taken - (0 if self.context_outside else self.context_bytes)


def rank_budgets(
    sharded: Sharded,
    precision: Precision,
    engine: Engine,
    scheduler: Scheduler,
    capacities: tuple[Number, ...],
    *,
    graphs: bool = True,
    lookups_in_ram: bool = False,
) -> tuple[RankBudget, ...]:
    """The budget of every stage's fullest rank; `capacities` has one entry per stage, or one for all.

    With `lookups_in_ram` look-up tables stay in the host's memory (llama.cpp beside GPUs).
    """
    plan, taken = sharded.plan, engine.overheads
    each = capacities if len(capacities) == plan.pipeline else capacities[:1] * plan.pipeline
    budgets = []
    for stage, capacity in enumerate(each):
        activations = full_step(sharded, engine, scheduler, stage)
        budgets.append(
            RankBudget(
                stage=stage,
                capacity_bytes=capacity,
                granted_bytes=usable(capacity, scheduler.utilization),
                by_group=sharded.weight_groups(stage, precision, lookups_in_ram),
                activations=activations,
                activation_bytes=peak_bytes(activations, engine),
                communication_bytes=_bytes(taken.communication_on(plan.devices)),
                graphs_bytes=_bytes(taken.graphs) if graphs else 0,
                context_bytes=_bytes(taken.context),
                context_outside=taken.context_outside,
                padding_bytes=padding_bytes(sharded, stage, precision, engine),
            )
        )
    return tuple(budgets)


def full_step(sharded: Sharded, engine: Engine, scheduler: Scheduler, stage: int) -> Activations:
    """A step that is as full as the scheduler lets it be. llama.cpp has logits of every position of its buffer.

    Of no engine it is as full as what is asked for.
    """
    tokens, running = scheduler.batched_tokens, scheduler.sequences
    if engine.reservation.rule == "logical":
        over_all = running * sharded.plan.data
        return step_activations(sharded, stage, tokens, scheduler.context, over_all)
    sampled = tokens if engine.reservation.rule == "cells" else min(running, tokens)
    return sharded.activations(stage, tokens, sampled)


def peak_bytes(activations: Activations, engine: Engine, copies: Decimal | None = None) -> Number:
    """The peak, with as many copies of the logits as the engine's sampler holds (None: as assumed)."""
    assumed = engine.overheads.sampler_copies
    held = copies if copies is not None else assumed.value if assumed is not None else 1
    logits = activations.logits_bytes * Fraction(held)
    peak: Number = activations.stream_bytes + max(activations.widest_bytes, logits)
    return int(-(-peak // 1))


def _bytes(capacity: Capacity | None) -> int:
    return capacity.bytes if capacity is not None else 0
