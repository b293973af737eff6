"""Every combination held against the budgets, and of those within them the ones that no other beats.

A family is lowered once for each structure with formulas for its sizes; the formulas are then evaluated over columns
of candidates, a few thousand at a time: first what the budgets are about, then the rest for those within them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import compress
from typing import Any

import msgspec

from moecalc.calc.design.figures import Figures, evaluated, figures_of, pooled
from moecalc.calc.design.objectives import Objective
from moecalc.calc.design.pareto import Frontier
from moecalc.calc.speed.machine import Machine
from moecalc.errors import UndeterminedError
from moecalc.ir.numeric import Number
from moecalc.ir.symbolic import Table
from moecalc.specs.design_budget import Budget
from moecalc.specs.design_space import Space, Structure
from moecalc.specs.formats import Precision

CHUNK = 4_096
"""Candidates evaluated together: enough that columns pay, few enough that they stay in the processor's cache."""

SECONDS_PER_HOUR = 3600


class Hardware(msgspec.Struct, frozen=True, kw_only=True):
    """Devices of one kind, pooled without loss."""

    machine: Machine
    usable_bytes: int
    """Of one device."""
    count: int | None
    """As many as were named; None for the fewest that hold a design."""
    usd_per_hour: Decimal | None
    """Of one device."""

    def devices(self, need_bytes: Number) -> int:
        """The devices a design of that need runs on."""
        return self.count or max(1, int(-(-need_bytes // self.usable_bytes)))


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What designs are asked to do, and how they are stored."""

    precision: Precision
    kv_dtype: str
    context: int
    batch: int
    hardware: Hardware | None = None


class Design(msgspec.Struct, frozen=True, kw_only=True):
    """One architecture and its figures."""

    values: tuple[int, ...]
    """Of the axes, in their order."""
    total: int
    active: Number
    weight_bytes: Number
    state_bytes: Number
    """Of one sequence at the context."""
    need_bytes: Number
    """Weights and the state of the batch."""
    devices: int | None = None
    step_seconds: float | None = None
    """Of a decode step of the batch, at the ceiling."""
    tokens_per_second: float | None = None
    """Of the whole batch."""
    usd_per_million: float | None = None
    """Of a million output tokens, at the ceiling."""


class Miss(msgspec.Struct, frozen=True, kw_only=True):
    """The combination that comes nearest to the budgets where none keeps them."""

    values: tuple[int, ...]
    figures: dict[str, Number]
    """What each budget is about."""
    missed: tuple[tuple[Budget, float], ...]
    """The budgets it misses, by what share of their end."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a search came to."""

    tried: int
    broken: dict[str, int]
    """Rules, and the combinations that broke them; a combination is counted once."""
    outside: dict[str, int]
    """Budgets in words, and the designs outside of them, likewise."""
    within: int
    frontier: tuple[Design, ...]
    nearest: Miss | None = None


def search(
    space: Space,
    case: Case,
    budgets: Sequence[Budget],
    objectives: Sequence[Objective],
    progress: Callable[[int], None] = lambda _: None,
) -> Found:
    """All designs of a space within the budgets that no other beats; `progress` hears how many were looked at."""
    broken: Counter[str] = Counter()
    outside: Counter[str] = Counter()
    frontier: Frontier[Design] = Frontier()
    within = 0
    for formulas, looked_at, candidates in _chunks(space, case, broken):
        kept = candidates
        for budget in budgets:
            if kept:
                values = Table(space.columns(kept), len(kept)).values(_about(formulas, budget, case))
                held = [budget.holds(value) for value in values]
                outside[_words(budget)] += held.count(False)
                kept = list(compress(kept, held))
        if kept:
            within += len(kept)
            rows = evaluated(formulas, Table(space.columns(kept), len(kept)))
            designs = [_design(values, figures, case) for values, figures in zip(kept, rows, strict=True)]
            frontier.add(
                [(tuple(objective.score(design) for objective in objectives), design) for design in designs]
            )
        progress(looked_at)
    return Found(
        tried=space.count,
        broken={words: count for words, count in broken.items() if count},
        outside={words: count for words, count in outside.items() if count},
        within=within,
        frontier=tuple(design for _, design in frontier.entries),
        nearest=None if within else _nearest(space, case, budgets),
    )


def _chunks(
    space: Space, case: Case, broken: Counter[str]
) -> Iterator[tuple[Figures, int, list[tuple[int, ...]]]]:
    for structure in space.structures:
        formulas = formulas_of(structure, case)
        for looked_at, candidates in space.chunks(structure, CHUNK, broken):
            yield formulas, looked_at, candidates


def formulas_of(structure: Structure, case: Case) -> Figures:
    """The figures of all designs of a structure. Raises UndeterminedError where one is no formula of its sizes."""
    try:
        return figures_of(structure.ledger, case.precision, case.kv_dtype, case.context)
    except TypeError as error:
        options = ", ".join(f"`{axis.kind.option}`" for axis in structure.axes)
        raise UndeterminedError(
            f"a figure of this family follows from the numbers themselves: {error}",
            hint=f"vary fewer sizes than {options}",
        ) from error


def _about(formulas: Figures, budget: Budget, case: Case) -> Number:
    if budget.figure == "vram":
        return formulas.need_bytes(case.batch)
    value: Any = getattr(formulas, budget.figure)
    return value


def _words(budget: Budget) -> str:
    return f"{budget.figure} {budget.text}"


def _design(values: tuple[int, ...], figures: Figures, case: Case) -> Design:
    need = figures.need_bytes(case.batch)
    hardware = case.hardware
    plain = Design(
        values=values,
        total=figures.total,
        active=figures.active,
        weight_bytes=figures.weight_bytes,
        state_bytes=figures.state_bytes,
        need_bytes=need,
    )
    if hardware is None:
        return plain
    devices = hardware.devices(need)
    seconds = figures.step_seconds(pooled(hardware.machine, devices), case.batch)
    usd = hardware.usd_per_hour
    return msgspec.structs.replace(
        plain,
        devices=devices,
        step_seconds=seconds,
        tokens_per_second=case.batch / seconds,
        usd_per_million=None
        if usd is None
        else devices * float(usd) / SECONDS_PER_HOUR * seconds / case.batch * 1e6,
    )


def _nearest(space: Space, case: Case, budgets: Sequence[Budget]) -> Miss | None:
    """The combination whose worst miss is the smallest; of equals the one that misses least in all."""
    best: tuple[float, float] | None = None
    found = None
    for formulas, _, candidates in _chunks(space, case, Counter()):
        if not candidates:
            continue
        table = Table(space.columns(candidates), len(candidates))
        columns = [table.values(_about(formulas, budget, case)) for budget in budgets]
        for values, *figures in zip(candidates, *columns, strict=True):
            misses = [budget.miss(value) for budget, value in zip(budgets, figures, strict=True)]
            rank = max(misses), sum(misses)
            if best is None or rank < best:
                best = rank
                found = Miss(
                    values=values,
                    figures={b.figure: value for b, value in zip(budgets, figures, strict=True)},
                    missed=tuple((b, miss) for b, miss in zip(budgets, misses, strict=True) if miss),
                )
    return found
