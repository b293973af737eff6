"""What each rank of a plan holds, and what the plan stores more than once."""

from collections import defaultdict
from fractions import Fraction
from functools import cached_property
from typing import Literal

import msgspec

from moecalc.calc import memory
from moecalc.calc.deploy.activations import Activations, activation_peak
from moecalc.calc.deploy.sharding import check_plan, stage_ledger, stage_weights
from moecalc.calc.deploy.shares import Shares, share_bytes
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger, SlotsKind, Weight
from moecalc.specs.formats import Precision
from moecalc.specs.plan import Plan

Why = Literal["copied", "padded"]

LOADED = (Component.LANGUAGE, Component.VISION, Component.AUDIO)
"""What an engine loads unless told otherwise; multi-token-prediction modules only where it speculates with them."""


class Sharded(msgspec.Struct, frozen=True, dict=True, kw_only=True):
    """A model under a plan, before any precision: shared by all the precisions that are tried on it."""

    ledger: Ledger
    plan: Plan
    components: tuple[Component, ...] = LOADED
    expert_load: float = 1.0
    """Choices that fall on the fullest expert-parallel rank over those of the mean: 1 where the router is balanced."""
    split_before: Shares | None = None
    """The same ledger, components and sizes within a stage, where another pipeline has split them already."""

    @cached_property
    def shares(self) -> Shares:
        """What a rank holds of every row, whatever the stage."""
        return self.split_before or Shares(loaded_rows(self.ledger, self.components), self.plan)

    @cached_property
    def stage_layers(self) -> tuple[range, ...]:
        """The layers of each pipeline stage. Raises InputError where the plan cannot be laid out."""
        check_plan(self.shares.ledger, self.plan)
        return self.plan.layers_of_stages(self.shares.layers)

    @cached_property
    def stages(self) -> tuple[Ledger, ...]:
        """The rows of the fullest rank of each pipeline stage. Raises InputError where the plan cannot be laid out."""
        stages = range(len(self.stage_layers))
        return tuple(stage_ledger(self.shares.split, self.plan, stage) for stage in stages)

    def weight_groups(
        self, stage: int, precision: Precision, lookups_in_ram: bool = False
    ) -> tuple[tuple[str, Number], ...]:
        """Weight bytes of a stage's fullest rank by group of roles (`routed`, `attention`, ...), largest first.

        With `lookups_in_ram` without the tables that llama.cpp keeps in the host's memory.
        """
        groups = self.shares.bytes(precision).of(self.stage_layers[stage], lookups_in_ram)
        return tuple(sorted(groups.items(), key=lambda entry: -entry[1]))

    def repeated_groups(self, stage: int, precision: Precision) -> tuple[tuple[str, Number], ...]:
        """Bytes that every rank of a stage holds whole, by group of roles, largest first; empty on a single rank."""
        groups: dict[str, Number] = defaultdict(int)
        if self.plan.stage_devices > 1:
            for whole, share in self.rank_weights(stage):
                if share is whole:
                    groups[whole.role.group] += precision.bytes_of(whole)
        held = ((group, size) for group, size in groups.items() if size)
        return tuple(sorted(held, key=lambda entry: -entry[1]))

    def rank_weights(self, stage: int) -> tuple[tuple[Weight, Weight], ...]:
        """Each row that a stage stores, whole, beside the share of its fullest rank."""
        return self._weights[stage]

    @cached_property
    def _weights(self) -> tuple[tuple[tuple[Weight, Weight], ...], ...]:
        shares = self.shares
        stages = range(len(self.stage_layers))
        return tuple(tuple(stage_weights(shares.ledger, shares.split, self.plan, stage)) for stage in stages)

    def state_bytes(self, stage: int, context: int, kv_dtype: str, sequences: int = 1) -> Number:
        """Logical bytes of state on a rank, for that many sequences of its copy of attention."""
        key = stage, context, kv_dtype, sequences
        if key not in self._states:
            self._states[key] = memory.state_bytes(self.stages[stage], context, kv_dtype, sequences)
        return self._states[key]

    def peak_state_bytes(self, stage: int, context: int, kv_dtype: str, sequences: int = 1) -> Number:
        """The most state that sequences hold on their way to that context.

        Where tokens wait uncompressed for their block to close, that is more just before than just after.
        """
        before = (context // size * size - 1 for size in self._open_blocks)
        contexts = {context, *(earlier for earlier in before if earlier > 0)}
        return max(self.state_bytes(stage, at, kv_dtype, sequences) for at in contexts)

    @cached_property
    def _open_blocks(self) -> frozenset[int]:
        states = self.shares.ledger.states
        return frozenset(int(s.slots.size) for s in states if s.slots.kind is SlotsKind.REMAINDER)

    @cached_property
    def _states(self) -> dict[tuple[int, int, str, int], Number]:
        return {}

    def activations(self, stage: int, tokens: int, sampled: int) -> Activations:
        """The activation peak of a stage's rank for a chunk of that many tokens of a copy of attention."""
        key = stage, tokens, sampled
        if key not in self._peaks:
            self._peaks[key] = activation_peak(
                self.stages[stage], self.plan, tokens, sampled, expert_load=self.expert_load
            )
        return self._peaks[key]

    @cached_property
    def _peaks(self) -> dict[tuple[int, int, int], Activations]:
        return {}


class Surplus(msgspec.Struct, frozen=True):
    """Bytes of weights that all ranks together hold beyond one copy of the model, and why."""

    what: str
    bytes: Number
    why: Why


def surplus(
    ledger: Ledger, precision: Precision, plan: Plan, components: tuple[Component, ...] = LOADED
) -> tuple[Surplus, ...]:
    """What the ranks hold more than once, and what rounding up adds, by group of roles; largest first.

    All ranks together hold the stored model and this, each rank taken to be as full as the fullest of its stage.
    """
    sharded = Sharded(ledger=ledger, plan=plan, components=components)
    stored: dict[str, Number] = defaultdict(int)
    for weight in sharded.shares.ledger.weights:
        stored[weight.role.group] += precision.bytes_of(weight)
    extra: dict[tuple[str, Why], Number] = defaultdict(int)
    for stage in range(plan.pipeline):
        for whole, share in sharded.rank_weights(stage):
            once = precision.bytes_of(whole)
            held = share_bytes(precision, whole, share) * plan.stage_devices
            stored[whole.role.group] -= once
            if whole.pool is not None and plan.redundant_experts:
                copies = once * Fraction(plan.redundant_experts, int(whole.pool.experts))
                extra[whole.role.group, "copied"] += copies
                held -= copies
            if held != once:
                # Rounded up, a row grows by less than one more copy of itself.
                padded = share.elements < whole.elements and held < 2 * once
                extra[whole.role.group, "padded" if padded else "copied"] += held - once
    for group, missing in stored.items():
        if missing:  # a tensor that several stages need: a tied head's own copy, blocks that layers share
            extra[group, "copied"] -= missing
    parts = [Surplus(group, size, why) for (group, why), size in extra.items() if size]
    return tuple(sorted(parts, key=lambda part: -part.bytes))


def kv_copies(ledger: Ledger, plan: Plan) -> int:
    """How often each key-value head's state is stored within one copy of attention; 1 where nothing is repeated.

    Latents and indexer keys have no heads: every rank has them, unless decode-context ranks deal out the tokens.
    """
    ranks = plan.attention_ranks // plan.decode_context
    copies = [1]
    for state in ledger.states:
        if state.component is not Component.LANGUAGE or state.role.group != "attention":
            continue
        heads = next((dim.size for dim in state.dims if dim.name == "kv_heads"), None)
        copies.append(ranks if heads is None else max(1, ranks // heads))
    return int(max(copies))


def loaded_rows(ledger: Ledger, components: tuple[Component, ...]) -> Ledger:
    """The rows of what is loaded."""
    kept = frozenset(components)
    return Ledger(
        tuple(weight for weight in ledger.weights if weight.component in kept),
        ledger.ops,
        tuple(state for state in ledger.states if state.component in kept),
    )
