"""How much state fits beside everything else, by the engine's own rule: tokens of cache, requests, limits."""

from bisect import bisect_left
from collections.abc import Callable
from fractions import Fraction

import msgspec

from moecalc.calc.deploy.budget import MOST_SEQUENCES
from moecalc.calc.deploy.ranks import Sharded
from moecalc.calc.deploy.sharding import rank_ledger
from moecalc.calc.serving.reservation import (
    Buffer,
    LayerCache,
    Pool,
    cell_buffers,
    layer_caches,
    logical_bytes,
    pool,
)
from moecalc.calc.serving.serving import RankBudget, Scheduler
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Role
from moecalc.ir.rows import Ledger
from moecalc.specs.engines import Engine, Reservation
from moecalc.specs.workload import LONGEST


class ReservedState(msgspec.Struct, frozen=True, kw_only=True):
    """What one copy of the engine (a data-parallel rank of it) makes of the memory left for state."""

    rank_bytes: tuple[Number, ...]
    """What the fullest rank of each stage sets aside for state, whether it has it or not."""
    request_bytes: Number
    """One request of the whole context, over all ranks of the copy."""
    request_rank_bytes: Number
    """The same on the rank where it takes most."""
    tokens: int
    """Tokens of cache as the engine counts them; 2^32 where state hardly counts."""
    concurrency: Fraction
    """Requests of the whole context that fit at once; 2^20 where state hardly counts."""
    max_context: int
    """The longest context that fits; 0 where none does, 2^32 where there is no limit."""
    max_sequences: int
    """The most sequences of the whole context; likewise, 2^20."""
    fits: bool
    """Whether the engine starts."""
    pool: Pool | None = None
    blocks: int | None = None
    buffers: tuple[tuple[Buffer, ...], ...] = ()
    """llama.cpp's, for each stage."""


def reserved_state(
    sharded: Sharded, engine: Engine, scheduler: Scheduler, kv_dtype: str, budgets: tuple[RankBudget, ...]
) -> ReservedState:
    """State by the engine's rule. Raises UndeterminedError where the engine's layout of some state is not known."""
    rules = {"paged": _paged, "cells": _cells, "logical": _logical}
    return rules[engine.reservation.rule](sharded, engine, scheduler, kv_dtype, budgets)


def in_flight(engine: Engine, scheduler: Scheduler) -> int:
    """Tokens whose blocks are held while they are computed, beside what a window keeps."""
    steps = engine.reservation.steps_in_flight
    return scheduler.batched_tokens * (steps.value if steps else 1)


def stage_pools(
    sharded: Sharded, rule: Reservation, kv_dtype: str, *, full_windows: bool = False
) -> tuple[Pool, ...]:
    """The pool of every stage's ranks: groups are made of the whole model's layers, pages of the stage's own."""
    whole = msgspec.structs.replace(sharded.plan, pipeline=1, stages=())
    caches = _caches(rank_ledger(sharded.ledger, whole), sharded, kv_dtype)
    latent = any(state.role is Role.ATTENTION_LATENT_STATE for state in sharded.ledger.states)
    block = rule.latent_block_tokens if latent else rule.block_tokens
    alignment, recurrent = rule.recurrent_alignment, rule.recurrent_blocks
    return tuple(
        pool(
            caches,
            block.value if block else 1,
            alignment=alignment.value if alignment else 1,
            recurrent_blocks=recurrent.value if recurrent else 1,
            hybrid=not full_windows,
            here=frozenset(index for index, _ in _caches(stage, sharded, kv_dtype)),
        )
        for stage in sharded.stages
    )


def _caches(rank: Ledger, sharded: Sharded, kv_dtype: str) -> tuple[tuple[int, LayerCache], ...]:
    return layer_caches(rank, kv_dtype, sharded.components)


def _paged(
    sharded: Sharded, engine: Engine, scheduler: Scheduler, kv_dtype: str, budgets: tuple[RankBudget, ...]
) -> ReservedState:
    """vLLM: the stage with the fewest blocks decides; all of what is left is the pool."""
    pools = stage_pools(sharded, engine.reservation, kv_dtype, full_windows=scheduler.full_windows)
    first, held = pools[0], in_flight(engine, scheduler)
    blocks = min(
        own.blocks(budget.available_bytes)
        for own, budget in zip(pools, budgets, strict=True)
        if own.block_bytes
    )
    concurrency = first.concurrency(blocks, scheduler.context, held)
    ranks = sharded.plan.tensor
    each = [own.reserved_bytes(scheduler.context, held) for own in pools]
    return ReservedState(
        rank_bytes=tuple(blocks * own.block_bytes for own in pools),
        request_bytes=sum(each) * ranks,
        request_rank_bytes=max(each),
        tokens=first.tokens(blocks, scheduler.context, held),
        concurrency=concurrency,
        max_context=first.longest_context(blocks, held, LONGEST),
        max_sequences=int(concurrency),
        fits=concurrency >= 1,
        pool=first,
        blocks=blocks,
    )


def _cells(
    sharded: Sharded, engine: Engine, scheduler: Scheduler, kv_dtype: str, budgets: tuple[RankBudget, ...]
) -> ReservedState:
    """llama.cpp: every sequence's whole context is allocated at the start."""

    def stages(context: int, sequences: int) -> tuple[tuple[Buffer, ...], ...]:
        padding = engine.reservation.cell_padding
        return tuple(
            cell_buffers(
                stage,
                context,
                sequences,
                key_dtype=kv_dtype,
                ubatch=scheduler.batched_tokens,
                padding=padding.value if padding else 1,
                swa_full=scheduler.full_windows,
                components=sharded.components,
            )
            for stage in sharded.stages
        )

    def sizes(context: int, sequences: int) -> tuple[Number, ...]:
        return tuple(sum(buffer.bytes for buffer in buffers) for buffers in stages(context, sequences))

    return _allocated(sizes, scheduler, budgets, 1, buffers=stages(scheduler.context, scheduler.sequences))


def _logical(
    sharded: Sharded, engine: Engine, scheduler: Scheduler, kv_dtype: str, budgets: tuple[RankBudget, ...]
) -> ReservedState:
    """No engine's rule: what the architecture needs, for one request to start with and as many more as fit."""
    del engine
    copies = sharded.plan.attention_data

    def sizes(context: int, sequences: int) -> tuple[Number, ...]:
        each = -(-sequences // copies)
        return tuple(
            each * logical_bytes(stage, context, kv_dtype, sharded.components) for stage in sharded.stages
        )

    one = msgspec.structs.replace(scheduler, sequences=1)
    alone = _allocated(sizes, one, budgets, sharded.plan.attention_ranks)
    shares = [
        Fraction(budget.available_bytes) / size
        for budget, size in zip(budgets, sizes(scheduler.context, 1), strict=True)
        if size
    ]
    concurrency = max(Fraction(0), min(shares, default=Fraction(MOST_SEQUENCES)) * copies)
    held = max(1, min(alone.max_sequences, scheduler.sequences))
    return msgspec.structs.replace(
        alone,
        rank_bytes=sizes(scheduler.context, held),
        tokens=min(LONGEST, int(concurrency * scheduler.context)),
        concurrency=concurrency if alone.max_sequences < MOST_SEQUENCES else Fraction(MOST_SEQUENCES),
    )


def _allocated(
    sizes: Callable[[int, int], tuple[Number, ...]],
    scheduler: Scheduler,
    budgets: tuple[RankBudget, ...],
    ranks: int,
    buffers: tuple[tuple[Buffer, ...], ...] = (),
) -> ReservedState:
    """State that is set aside for so many sequences of so many tokens each, on each stage."""

    def holds(context: int, sequences: int) -> bool:
        needed = zip(sizes(context, sequences), budgets, strict=True)
        return all(size <= budget.available_bytes for size, budget in needed)

    context, sequences = scheduler.context, scheduler.sequences
    most = _most(MOST_SEQUENCES, lambda count: holds(context, count))
    fits = holds(context, sequences)
    return ReservedState(
        rank_bytes=sizes(context, sequences),
        request_bytes=sum(sizes(context, 1)) * ranks,
        request_rank_bytes=max(sizes(context, 1)),
        tokens=min(LONGEST, context * (sequences if fits else most)),
        concurrency=Fraction(sequences if fits else most),
        max_context=_most(LONGEST, lambda length: holds(length, sequences)),
        max_sequences=most,
        fits=fits,
        buffers=buffers,
    )


def _most(limit: int, holds: Callable[[int], bool]) -> int:
    """The largest number up to the limit for which something that gets harder still holds; 0 if 1 fails."""
    return bisect_left(range(1, limit + 1), True, key=lambda count: not holds(count))
