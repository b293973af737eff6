"""`fit` with devices: does the model fit, by how much, what else would, and what goes into RAM."""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from functools import cached_property
from typing import Any

from moecalc.api.engine_rules import (
    check_formats,
    check_plan,
    context_warnings,
    cut_warnings,
    format_warnings,
    is_mixture,
    is_paged,
)
from moecalc.api.fit_setting import LLAMA_CPP, TRIED, Asked
from moecalc.api.fleets import fleet_from
from moecalc.api.offloading import Host, ktransformers
from moecalc.api.plans import plan_from
from moecalc.api.precision import RELEASED
from moecalc.calc.deploy.budget import fullest, usable
from moecalc.calc.deploy.case import Room
from moecalc.calc.deploy.fitted import (
    Fit,
    OffloadCeiling,
    Option,
    Roomier,
    Setting,
    capacity_of,
    device_words,
)
from moecalc.calc.deploy.fitting import balanced, roomiest
from moecalc.calc.deploy.offload import Offload
from moecalc.calc.deploy.ranks import surplus
from moecalc.calc.deploy.shares import loaded_bytes
from moecalc.errors import InputError, UndeterminedError
from moecalc.ir.roles import Component
from moecalc.specs.engines import find_engine
from moecalc.specs.fleet import Fleet
from moecalc.specs.plan import Plan

ROOMIER = Fraction(5, 4)
"""A plan that holds this many times the sequences is worth a remark."""


def fit(
    model: Any,
    gpu: Fleet | str,
    *,
    quant: str | Iterable[str] | None = None,
    context: int | None = None,
    sequences: int = 1,
    kv_dtype: str | None = None,
    plan: Plan | Mapping[str, Any] | None = None,
    gpu_memory_utilization: Fraction | float | None = None,
    engine: str | None = None,
) -> Fit:
    """Hold a model against devices.

    Of several quantizations the one with most bits that fits is answered for, and all are compared. `plan` None
    tries the plans that the devices allow and takes the one whose fullest rank has most left; unequal devices get
    whole layers each. `gpu_memory_utilization` is the share of allocatable memory that may be filled (None: the
    engine's own default). `engine` None is llama.cpp for its mixtures, else `generic`. Raises InputError for a plan
    that does not match model or devices, UndeterminedError where a device's memory or the model's architecture is not
    known.
    """
    fleet, plan = fleet_from(gpu), plan_from(plan)
    asked = Asked(
        model,
        context=context,
        sequences=sequences,
        kv_dtype=kv_dtype,
        utilization=gpu_memory_utilization,
        engine=engine,
        layout_required=True,
    )
    named = _named(quant)
    tried = {name: _Try(asked, fleet, name, plan) for name in named}
    chosen = _chosen(tried)
    rows = tried if len(tried) > 1 else {chosen.quant: chosen, **_others(asked, fleet, plan, chosen.quant)}
    return _answer(asked, fleet, chosen, plan, tuple(_options(rows)), several=len(tried) > 1)


class _Try:
    """One quantization on the devices."""

    def __init__(self, asked: Asked, fleet: Fleet, quant: str, plan: Plan | None) -> None:
        self.asked, self.fleet, self.quant = asked, fleet, quant
        if plan is not None:
            check_plan(asked.model, asked.engine(quant), plan, fleet)
        self.precision = asked.precision(quant)
        check_formats(asked.model, asked.engine(quant), self.precision, quant)
        self.setting: Setting = asked.setting(quant, fleet.devices)
        self.room: Room = self.setting.room(fleet)
        self.shards = asked.shards(self.setting)
        self.holding = asked.holding(self.setting, fleet, quant, plan)
        self.ranks = self.setting.case.ranks(self.holding, self.room)
        self.weight_bytes = loaded_bytes(self.shards.ledger, self.precision, self.shards.components)

    @cached_property
    def fits(self) -> bool:
        """Whether every rank has what it needs."""
        return bool(fullest(self.ranks).free_bytes >= 0)

    @property
    def holds(self) -> bool:
        """Whether it fits, be it with what goes into the RAM that was named."""
        return self.fits or (self.fleet.host.ram is not None and self.offload is not None)

    @cached_property
    def offload(self) -> Offload | None:
        """The placement beside the host's RAM; into as much of it as needed where none was named."""
        return None if self.fits or not self.host.is_read else self.host.place()

    @cached_property
    def host(self) -> Host:
        """The same beside the host's RAM, under llama.cpp's own rules."""
        hosted = self.asked.setting(self.quant, self.fleet.devices, find_engine(LLAMA_CPP))
        return Host(self.asked.model, self.fleet, hosted, self.precision)

    def longest_context(self) -> int | None:
        """Most tokens of each sequence."""
        case = self.setting.case
        if not self.fits and self.holds:
            return self.host.longest_context()
        return self.holding.longest_context(self._stages, self.room.overhead_bytes, case.sequences)

    def most_sequences(self) -> int | None:
        """Most sequences of the context asked about."""
        case = self.setting.case
        if not self.fits and self.holds:
            return self.host.most_sequences()
        return self.holding.most_sequences(self._stages, self.room.overhead_bytes, case.context)

    @property
    def _stages(self) -> tuple[Any, ...]:
        return self.room.of_stages(self.holding.plan)


def _answer(
    asked: Asked, fleet: Fleet, chosen: _Try, plan: Plan | None, options: tuple[Option, ...], *, several: bool
) -> Fit:
    found = asked.model
    loaded = chosen.shards
    offload = chosen.offload
    instead = None
    if not chosen.holds and offload is None and len(options) > 1:
        instead = _readable(asked, fleet)
    return Fit(
        model=found.name,
        source=found.source,
        fleet=fleet,
        quant=chosen.quant,
        precision=chosen.precision.label,
        setting=chosen.setting,
        holding=chosen.holding,
        ranks=chosen.ranks,
        surplus=surplus(found.ledger, chosen.precision, chosen.holding.plan, loaded.components),
        max_context=chosen.longest_context(),
        max_sequences=chosen.most_sequences(),
        trained_length=found.context_length,
        options=options,
        roomier=_roomier(chosen) if plan is None and chosen.fits else None,
        evener=_evener(chosen) if plan is not None and not chosen.fits else None,
        offload=offload,
        offload_instead=instead,
        unlimited=_unlimited(chosen),
        ktransformers=None if chosen.fits else ktransformers(asked, fleet, chosen.quant),
        left_out=tuple(_left_out(asked, chosen)),
        capacity_notes=tuple(_capacity_notes(fleet)),
        offload_ceiling=_ceiling(chosen) if not chosen.fits and chosen.holds else None,
        offload_setting=chosen.host.setting if offload else None,
        offload_capacities=chosen.host.capacities if offload else (),
        warnings=(
            *found.warnings,
            *asked.workload.warnings,
            *_warnings(chosen),
            *(() if several else asked.left_out_words),
        ),
    )


def _ceiling(chosen: _Try) -> OffloadCeiling | None:
    """How fast the placement decodes at most; None where a bandwidth is not known."""
    from moecalc.api.rooflines import roofline  # only where part of the model lies in RAM
    from moecalc.api.speed import offload_ceiling

    host, fleet, placed = chosen.host, chosen.fleet, chosen.offload
    if placed is None:
        return None
    demand = host.demand()
    try:
        bound = roofline(chosen.asked.model, fleet, Plan(pipeline=fleet.count), chosen.quant, demand.kv_dtype)
        found = offload_ceiling(bound, host.layers, demand, placed, fleet)
    except UndeterminedError:
        return None
    return OffloadCeiling(
        tokens_per_second=demand.sequences / found.decode.seconds,
        parts=found.parts,
    )


def _named(quant: Any) -> list[str]:
    if quant is None:
        return [RELEASED]
    names = list(quant) if isinstance(quant, Iterable) and not isinstance(quant, str) else [quant]
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"{name!r} is no name of a recipe", hint="`moecalc formats` lists them")
    return list(dict.fromkeys(name.strip().lower() for name in names)) or [RELEASED]


def _chosen(tried: dict[str, _Try]) -> _Try:
    """Most bits that fit; what comes nearest where none does."""
    by_size = sorted(tried.values(), key=lambda one: -one.weight_bytes)
    return next((one for one in by_size if one.holds), by_size[-1])


def _others(asked: Asked, fleet: Fleet, plan: Plan | None, quant: str) -> dict[str, _Try]:
    made = {}
    for name in TRIED:
        if name == quant or (is_mixture(name) and is_paged(asked.engine(name))):
            continue  # an experiment of vLLM's, which nobody asked about
        try:
            made[name] = _Try(asked, fleet, name, plan)
        except InputError:
            continue  # not these matrices, or the engine has not the format, the cache, the plan or a share
    return made


def _options(rows: dict[str, _Try]) -> Iterator[Option]:
    for one in sorted(rows.values(), key=lambda one: -one.weight_bytes):
        offload = one.offload if one.holds and not one.fits else None
        yield Option(
            quant=one.quant,
            engine=one.setting.engine.name,
            weight_bytes=one.weight_bytes,
            plan=one.holding.plan.words,
            fits=one.fits,
            free_bytes=fullest(one.ranks).free_bytes,
            max_context=one.longest_context(),
            max_sequences=one.most_sequences(),
            offload=offload,
            stages=one.holding.plan.stages if one.room.is_uniform else (),
        )


def _roomier(chosen: _Try) -> Roomier | None:
    """Another plan that holds many more sequences, where there is one."""
    case = chosen.setting.case
    best = roomiest(chosen.shards, chosen.precision, chosen.room, case)
    own = chosen.most_sequences()
    if best is None or own is None or best[1] < ROOMIER * own:
        return None
    return Roomier(plan=best[0].plan.words, max_sequences=best[1])


def _evener(chosen: _Try) -> Plan | None:
    """The plan that was asked for with stages under which it fits, where there are any."""
    found = balanced(chosen.shards, chosen.precision, chosen.room, chosen.setting.case, chosen.holding)
    return None if found is None else found.plan


def _unlimited(chosen: _Try) -> Offload | None:
    """What RAM the offload would need, where the RAM that was named is too small."""
    if chosen.holds or chosen.fleet.host.ram is None or not chosen.host.is_read:
        return None
    return chosen.host.place(unlimited=True)


def _readable(asked: Asked, fleet: Fleet) -> tuple[str, Offload] | None:
    """A mixture that llama.cpp would place where it cannot read what was asked about."""
    one = _Try(asked, fleet, "q4_k_m", None)
    return None if one.offload is None else (one.quant, one.offload)


def _left_out(asked: Asked, chosen: _Try) -> Iterator[tuple[str, Any]]:
    """What the model has and is not counted: (what, bytes as released)."""
    ledger, loaded = asked.model.ledger, chosen.shards.components
    for component in Component:
        if component not in loaded:
            size = loaded_bytes(ledger, asked.model.precision, (component,))
            if size:
                yield component.value, size


def _warnings(chosen: _Try) -> Iterator[str]:
    setting, plan = chosen.setting, chosen.holding.plan
    if not setting.case.layers_only:
        yield from cut_warnings(chosen.shards.sharded(plan).shares, chosen.precision, plan)
    yield from format_warnings(setting.engine, chosen.quant)
    least = min(map(capacity_of, chosen.fleet.devices))
    yield from context_warnings(setting.engine, least, usable(least, setting.utilization))


def _capacity_notes(fleet: Fleet) -> Iterator[str]:
    for group in fleet.groups:
        memory = group.device.usable_bytes()
        if memory is not None:
            yield f"{device_words(group.device)}: {memory.note}"
