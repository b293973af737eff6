"""The plans that a number of equal devices allows, and a ledger's shards under each, made once."""

from collections.abc import Iterator
from functools import cached_property

import msgspec

from moecalc.calc.deploy.blocks import CutBlock, cut_blocks
from moecalc.calc.deploy.ranks import LOADED, Sharded, loaded_rows
from moecalc.calc.deploy.sharding import allowed_tensor_sizes, is_looped, layer_count
from moecalc.calc.deploy.shares import Formats, Shares, flat
from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger
from moecalc.specs.formats import Precision
from moecalc.specs.machines import MACHINE
from moecalc.specs.plan import Plan


class Shards:
    """The shards of one ledger by plan, made once however many precisions and devices are tried on them."""

    def __init__(
        self, ledger: Ledger, components: tuple[Component, ...] = LOADED, vocabulary_multiple: int = 1
    ) -> None:
        self.ledger = ledger
        self.vocabulary_multiple = vocabulary_multiple
        self.components = components
        self._loaded = loaded_rows(ledger, components)
        self._formats = Formats(self._loaded)
        self._shares: dict[Plan, Shares] = {}
        self._made: dict[Plan, Sharded] = {}
        self._plans: dict[tuple[int, bool], list[Plan]] = {}
        self._cuts: dict[tuple[Plan, int], tuple[Precision, list[CutBlock]]] = {}

    def sharded(self, plan: Plan) -> Sharded:
        """The ledger under a plan, its vocabulary padded as the engine pads it."""
        plan = msgspec.structs.replace(plan, vocabulary_multiple=self.vocabulary_multiple)
        if plan not in self._made:
            key = flat(plan)
            if key not in self._shares:
                self._shares[key] = Shares(self._loaded, key, self._formats)
            self._made[plan] = Sharded(
                ledger=self.ledger, plan=plan, components=self.components, split_before=self._shares[key]
            )
        return self._made[plan]

    def plans(self, devices: int, layers_only: bool = False) -> list[Plan]:
        """The plans that equal devices allow, most tensor parallelism first.

        Tensor parallelism stays inside a machine; pipeline stages and copies of attention reach beyond. Experts are
        split like all else, or dealt out whole over all ranks of a stage.
        """
        key = devices, layers_only
        if key not in self._plans:
            most = 1 if layers_only else min(devices, MACHINE)
            sizes = [size for size in reversed(self._tensor_sizes) if size <= most and devices % size == 0]
            split = [plan for size in sizes for plan in self._pipelines(size, devices // size)]
            dealt = [] if layers_only else [plan for size in sizes for plan in self._dealt(size, devices)]
            # Every expert cut into slices is what engines do unless told otherwise, so it goes first.
            one_stage = [plan for plan in split if plan.pipeline == 1]
            self._plans[key] = [*one_stage, *dealt, *(plan for plan in split if plan.pipeline > 1)]
        return self._plans[key]

    def cuts(self, plan: Plan, precision: Precision) -> list[CutBlock]:
        """Quantization blocks that the plan cuts: engines refuse to load such shards."""
        key = flat(plan), id(precision)
        if key not in self._cuts:
            self._cuts[key] = precision, cut_blocks(self.sharded(plan).shares, precision)
        return self._cuts[key][1]

    def loadable(self, devices: int, precision: Precision, layers_only: bool = False) -> list[Plan]:
        """The plans that cut no block; all of them where each cuts one."""
        plans = self.plans(devices, layers_only)
        if layers_only:
            return plans
        return [plan for plan in plans if not self.cuts(plan, precision)] or plans

    @cached_property
    def _tensor_sizes(self) -> list[int]:
        return allowed_tensor_sizes(self.ledger, MACHINE)

    @cached_property
    def _experts(self) -> int:
        return min((int(w.pool.experts) for w in self.ledger.weights if w.pool is not None), default=0)

    @cached_property
    def _most_stages(self) -> int:
        return 1 if is_looped(self.ledger) else layer_count(self.ledger)

    def _pipelines(self, tensor: int, stages: int) -> Iterator[Plan]:
        if stages <= self._most_stages:
            yield Plan(tensor=tensor, pipeline=stages)

    def _dealt(self, tensor: int, devices: int) -> Iterator[Plan]:
        if 1 < devices <= self._experts:
            yield Plan(tensor=tensor, data=devices // tensor, expert=devices)
