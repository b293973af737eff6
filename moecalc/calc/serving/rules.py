"""A serving engine's rules in the words of `budget.Holding`: the same figures by which `serve` decides.

A pool of blocks holds so many sequences exactly where each rank has the blocks of all of them; so bytes of whole
blocks are enough to say what fits, how long a context and how many sequences.
"""

from collections.abc import Callable
from functools import cache

from moecalc.calc.deploy.ranks import Sharded
from moecalc.calc.serving.padding import padding_bytes
from moecalc.calc.serving.reservation import cell_buffers
from moecalc.calc.serving.serving import Scheduler, full_step, peak_bytes
from moecalc.calc.serving.serving_state import cell_rule, in_flight, stage_pools
from moecalc.ir.numeric import Number
from moecalc.specs.engines import Engine
from moecalc.specs.formats import Precision

StateBytes = Callable[[int, int, int], Number]
"""Of (stage, context, sequences of a copy)."""


class EngineRules:
    """What an engine sets aside for state, and its fullest step; equal to itself alone, so that it can be a key."""

    def __init__(self, engine: Engine, scheduler: Scheduler) -> None:
        """Of the scheduler its steps count, not its context. The engine reserves by blocks or by cells."""
        self._engine, self._scheduler = engine, scheduler
        self._state_bytes = {"paged": self._paged, "cells": self._cells}[engine.reservation.rule]
        self._made: dict[tuple[int, str], tuple[Sharded, StateBytes]] = {}

    def state_bytes(
        self, sharded: Sharded, stage: int, context: int, kv_dtype: str, sequences: int
    ) -> Number:
        """What a stage's fullest rank sets aside for that many sequences of its copy of attention.

        Raises UndeterminedError where no log has shown how the engine lays out some state.
        """
        key = id(sharded), kv_dtype
        if key not in self._made:
            self._made[key] = sharded, self._state_bytes(sharded, kv_dtype)
        return self._made[key][1](stage, context, sequences)

    def activation_bytes(self, sharded: Sharded, stage: int) -> Number:
        """The activation peak of the fullest step that the scheduler allows."""
        return peak_bytes(full_step(sharded, self._engine, self._scheduler, stage), self._engine)

    def padding_bytes(self, sharded: Sharded, stage: int, precision: Precision) -> int:
        """What the engine's kernels add to the experts of a stage's fullest rank."""
        return padding_bytes(sharded, stage, precision, self._engine)

    def _paged(self, sharded: Sharded, kv_dtype: str) -> StateBytes:
        pools = stage_pools(
            sharded, self._engine.reservation, kv_dtype, full_windows=self._scheduler.full_windows
        )
        held = in_flight(self._engine, self._scheduler)

        def state_bytes(stage: int, context: int, sequences: int) -> Number:
            # All stages number the blocks alike, so each has those that the whole model's groups take.
            return sequences * pools[0].request_blocks(context, held) * pools[stage].block_bytes

        return cache(state_bytes)

    def _cells(self, sharded: Sharded, kv_dtype: str) -> StateBytes:
        told = self._scheduler
        rule = cell_rule(self._engine, told.batched_tokens, kv_dtype, full_windows=told.full_windows)

        def state_bytes(stage: int, context: int, sequences: int) -> Number:
            buffers = cell_buffers(
                sharded.stages[stage], context, sequences, rule=rule, components=sharded.components
            )
            return sum(buffer.bytes for buffer in buffers)

        return cache(state_bytes)
