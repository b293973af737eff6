"""How much state fits beside everything else, by the engine's own rule: tokens of cache, requests, limits."""

from collections.abc import Callable
from fractions import Fraction

import msgspec

from moecalc.calc.deploy.budget import MOST_SEQUENCES, most, step_activations
from moecalc.calc.deploy.ranks import Sharded
from moecalc.calc.deploy.sharding import rank_ledger
from moecalc.calc.serving.reservation import (
    Buffer,
    Cells,
    LayerCache,
    Pool,
    cell_buffers,
    layer_caches,
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


def cell_rule(engine: Engine, batched_tokens: int, kv_dtype: str, *, full_windows: bool = False) -> Cells:
    """How llama.cpp sizes its buffers under these settings."""
    padding = engine.reservation.cell_padding
    return Cells(
        key_dtype=kv_dtype,
        ubatch=batched_tokens,
        padding=padding.value if padding else 1,
        swa_full=full_windows,
    )


def _cells(
    sharded: Sharded, engine: Engine, scheduler: Scheduler, kv_dtype: str, budgets: tuple[RankBudget, ...]
) -> ReservedState:
    """llama.cpp: every sequence's whole context is allocated at the start."""
    rule = cell_rule(engine, scheduler.batched_tokens, kv_dtype, full_windows=scheduler.full_windows)

    def stages(context: int, sequences: int) -> tuple[tuple[Buffer, ...], ...]:
        return tuple(
            cell_buffers(stage, context, sequences, rule=rule, components=sharded.components)
            for stage in sharded.stages
        )

    def sizes(context: int, sequences: int) -> tuple[Number, ...]:
        return tuple(sum(buffer.bytes for buffer in buffers) for buffers in stages(context, sequences))

    def holds(context: int, sequences: int) -> bool:
        needed = zip(sizes(context, sequences), budgets, strict=True)
        return all(size <= budget.available_bytes for size, budget in needed)

    return _allocated(sizes, holds, scheduler, 1, buffers=stages(scheduler.context, scheduler.sequences))


def _logical(
    sharded: Sharded, engine: Engine, scheduler: Scheduler, kv_dtype: str, budgets: tuple[RankBudget, ...]
) -> ReservedState:
    """No engine's rule: what the architecture needs, and a step of no more than what is asked for."""
    del engine
    plan, chunk = sharded.plan, scheduler.batched_tokens

    def sizes(context: int, sequences: int) -> tuple[Number, ...]:
        own = plan.sequences(sequences * plan.data)
        stages = range(plan.pipeline)
        return tuple(sharded.peak_state_bytes(stage, context, kv_dtype, own) for stage in stages)

    def holds(context: int, sequences: int) -> bool:
        for budget, size in zip(budgets, sizes(context, sequences), strict=True):
            peak = step_activations(sharded, budget.stage, chunk, context, sequences * plan.data)
            if size + peak.total_bytes > budget.available_bytes + budget.activation_bytes:
                return False
        return True

    return _allocated(sizes, holds, scheduler, plan.attention_ranks)


def _allocated(
    sizes: Callable[[int, int], tuple[Number, ...]],
    holds: Callable[[int, int], bool],
    scheduler: Scheduler,
    ranks: int,
    buffers: tuple[tuple[Buffer, ...], ...] = (),
) -> ReservedState:
    """State that is set aside for so many sequences of so many tokens each, on each stage."""
    context, sequences = scheduler.context, scheduler.sequences
    count = most(MOST_SEQUENCES, lambda count: holds(context, count)) or 0
    fits = holds(context, sequences)
    at_once = sequences if fits and buffers else count
    return ReservedState(
        rank_bytes=sizes(context, sequences),
        request_bytes=sum(sizes(context, 1)) * ranks,
        request_rank_bytes=max(sizes(context, 1)),
        tokens=min(LONGEST, context * at_once),
        concurrency=Fraction(at_once),
        max_context=most(LONGEST, lambda length: holds(length, sequences)) or 0,
        max_sequences=count,
        fits=fits,
        buffers=buffers,
    )
