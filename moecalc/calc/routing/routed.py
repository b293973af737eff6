"""What a router's choices mean for a batch: experts touched, weights read, the fullest expert and rank, drops."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import msgspec

from moecalc.calc.routing.capacity import capacity, dropped_share
from moecalc.calc.routing.experts import Experts
from moecalc.calc.routing.inclusion import Probabilities, hottest_rank, layers_of
from moecalc.calc.routing.peaks import Pace, Peak, Peaks, peaks
from moecalc.calc.routing.touched import groups_reached, tokens_that_touch
from moecalc.calc.speed.reads import Reads, Routing
from moecalc.errors import InputError
from moecalc.ir.numeric import Number
from moecalc.report import Answer
from moecalc.specs.routing import Skew

MARKS = (0.5, 0.9, 0.99)
"""Shares of the experts for which the batch that touches them is given."""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """One batch size. Peaks are None where they were not asked for."""

    tokens: int
    experts_touched: float
    """Of one layer, in expectation; the mean over layers."""
    touched_share: float
    weight_bytes_read: float
    """By one step, of the whole language model."""
    tokens_per_expert: float
    """Choices on each expert that is touched: their mean number over the mean number of experts."""
    flops_per_byte: float
    """Of a touched expert, its weights being read once: its arithmetic intensity."""
    peaks: Peaks | None
    dropped_share: float | None
    fullest_buffer_bytes: float | None
    """Of one layer, for the choices that the fullest rank is expected to get: inputs, and outputs of each matrix."""


class PoolRouted(msgspec.Struct, frozen=True, kw_only=True):
    """The experts that one router chooses among."""

    experts: Experts
    batches: tuple[Batch, ...]
    batch_for: dict[float, int | None]
    """Share of the experts -> the smallest batch that is expected to touch it; None where none does."""
    hottest_over_mean: float
    """The most loaded expert's load over the mean of an endless stream; of unlike layers the mean."""
    hottest_rank_over_mean: float | None
    live_share: float
    """Share of the experts that get any load."""
    groups_reached: Fraction | None
    """Expected groups that a token's experts lie in, under uniform choice; None without groups."""
    groups_without_limit: Fraction | None


class Routed(Answer, msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `routing`."""

    model: str
    source: str
    skew: Skew
    precision: str
    quant: str
    stored_bytes: Number
    """Of the whole language model's weights."""
    pools: tuple[PoolRouted, ...]
    ranks: int
    capacity_factor: float | None
    device: str | None
    simulated: bool
    """False where numpy is missing and peaks had to be left out."""
    warnings: tuple[str, ...] = ()

    def columns(self, pool: int = 0) -> dict[str, list[Any]]:
        """The batches of one pool as lists by name, as long as there are batches; None where a figure was not asked."""
        rows = self.pools[pool].batches
        return {name: [row[name] for row in map(batch_dict, rows)] for name in batch_dict(rows[0])}

    def arrays(self, pool: int = 0) -> dict[str, Any]:
        """`columns` as numpy arrays of float64 (batch: int64), nan for what was not asked.

        Raises InputError where numpy is not installed: `columns` needs nothing.
        """
        try:
            import numpy as np
        except ImportError:
            raise InputError(
                "arrays need numpy, which is not installed",
                hint="pip install 'moecalc[arrays]', or use `columns()`",
            ) from None
        return {
            name: np.array(values, dtype=np.int64 if name == "batch" else np.float64)
            for name, values in self.columns(pool).items()
        }


def batch_dict(row: Batch) -> dict[str, Any]:
    """A batch as JSON has it, with every name always there."""
    found = row.peaks

    def peak(name: str, value: Peak | None) -> dict[str, float | None]:
        return {
            f"{name}_over_mean": None if value is None else value.over_mean,
            f"{name}_standard_error": None if value is None else value.error,
        }

    return {
        "batch": row.tokens,
        "experts_touched": row.experts_touched,
        "touched_share": row.touched_share,
        "weight_bytes_read": row.weight_bytes_read,
        "tokens_per_touched_expert": row.tokens_per_expert,
        "expert_flops_per_byte": row.flops_per_byte,
        **peak("fullest_expert", found.expert if found else None),
        **peak("fullest_rank_choices", found.rank_choices if found else None),
        **peak("fullest_rank_experts_read", found.rank_experts if found else None),
        **peak("rank_step_seconds", found.rank_seconds if found else None),
        "dropped_share": row.dropped_share,
        "fullest_rank_buffer_bytes": row.fullest_buffer_bytes,
    }


def routed_pool(
    experts: Experts,
    reads: Reads,
    skew: Skew,
    routing: Routing,
    batches: Sequence[int],
    *,
    ranks: int,
    capacity_factor: float | None,
    pace: Pace | None,
    simulate: bool,
) -> PoolRouted:
    """All figures of one pool. Raises InputError where ranks do not divide the experts, or loads do not fit."""
    pool = experts.pool
    if pool.experts % ranks:
        fitting = [size for size in range(2, pool.experts + 1) if pool.experts % size == 0]
        raise InputError(
            f"{pool.experts:,} experts do not divide among {ranks:,} ranks",
            hint=f"`--ep` {', '.join(map(str, fitting[:12]))}",
        )
    layers = layers_of(skew, pool, experts.layers)
    found = peaks(pool, layers, batches, ranks, pace) if simulate else {}
    grouped = pool.groups > 1
    calls = float(pool.calls)
    return PoolRouted(
        experts=experts,
        batches=tuple(
            _batch(experts, reads, routing, layers, tokens, found.get(tokens), ranks, capacity_factor)
            for tokens in batches
        ),
        batch_for={share: tokens_that_touch(routing, pool, share) for share in MARKS},
        hottest_over_mean=_mean([max(layer) for layer in layers]) * pool.experts / calls,
        hottest_rank_over_mean=hottest_rank(layers, ranks) if ranks > 1 else None,
        live_share=_mean([sum(p > 0 for p in layer) / len(layer) for layer in layers]),
        groups_reached=groups_reached(pool) if grouped else None,
        groups_without_limit=(
            groups_reached(msgspec.structs.replace(pool, group_limit=None))
            if grouped and pool.group_limit
            else None
        ),
    )


def _batch(
    experts: Experts,
    reads: Reads,
    routing: Routing,
    layers: Sequence[Probabilities],
    tokens: int,
    found: Peaks | None,
    ranks: int,
    factor: float | None,
) -> Batch:
    pool = experts.pool
    share = float(routing.touched(pool, tokens))
    touched = share * pool.experts
    each = tokens * float(pool.calls) / touched
    fullest = None
    if ranks > 1 and found is not None and found.rank_choices is not None:
        most = found.rank_choices.over_mean * tokens * float(pool.calls) / ranks
        fullest = most * float(experts.buffer_bytes_per_choice)
    return Batch(
        tokens=tokens,
        experts_touched=touched,
        touched_share=share,
        weight_bytes_read=float(reads.weight_bytes(tokens, tokens, routing)),
        tokens_per_expert=each,
        flops_per_byte=each * float(experts.flops_per_token) / float(experts.expert_bytes),
        peaks=found,
        dropped_share=None
        if factor is None
        else dropped_share(layers, tokens, capacity(pool, tokens, factor)),
        fullest_buffer_bytes=fullest,
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
