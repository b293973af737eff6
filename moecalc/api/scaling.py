"""`scaling`: published scaling laws at a budget, and designs that share it."""

from collections.abc import Iterable
from typing import Any

from moecalc.api.fleets import fleet_from
from moecalc.api.loading import load
from moecalc.api.model import Model, StatedModel
from moecalc.api.training_input import check_positions, sixteen_bit_peak
from moecalc.calc.cost.outlay import SECONDS_PER_HOUR
from moecalc.calc.scaling.axes import AXES, axis_table, over_trained
from moecalc.calc.scaling.design import Design, design_of, trained_on, trained_with
from moecalc.calc.scaling.optimum import Optimum, Shape, allocates, optimum, optimum_for_tokens
from moecalc.calc.scaling.scaling import Budget, Scaling
from moecalc.errors import InputError, UndeterminedError, suggestion
from moecalc.specs import money
from moecalc.specs.fleet import Fleet
from moecalc.specs.money import Amount
from moecalc.specs.scaling import AnyLaw, JointLaw, SparseLaw, find_law, law_names
from moecalc.specs.workload import check_length
from moecalc.units import format_parameters

LEAST, MOST = 10**12, 10**32
"""Training FLOPs that make sense: a second of a laptop, and far more than all accelerators do in a century."""

MFU = "0.4"
"""Assumed where GPU-hours are given: Llama 3.1 405B reached 0.38 to 0.43 (arXiv 2407.21783, table 4)."""

SHAPES = {
    JointLaw: (Shape(experts=1), Shape(experts=8), Shape(experts=32)),
    SparseLaw: (Shape(sparsity=0), Shape(sparsity=0.9)),
}
"""The shapes that the table of laws shows of those that leave one open."""


def scaling(
    models: Iterable[Any] = (),
    *,
    compute: int | None = None,
    tokens: int | None = None,
    gpu_hours: Amount | None = None,
    gpu: Fleet | str | None = None,
    mfu: Amount | None = None,
    sequence: int = 4096,
    laws: Iterable[str] = (),
    axis: str | None = None,
    extrapolate: bool = False,
) -> Scaling:
    """What a budget buys: by each law alone, or for each of the models, whose FLOPs are counted from their rows.

    The budget is training FLOPs, tokens, or GPU-hours on the devices of a fleet at an MFU; without one the laws are
    listed. `axis` is granularity, sparsity or experts. Losses and ratios outside the range that a law was fitted over
    are withheld unless `extrapolate`.

    Raises InputError for two budgets, one that makes no sense, and unknown laws or axes; UndeterminedError where a
    model's architecture, or a device's peak, is not known.
    """
    fleet = None if gpu is None else fleet_from(gpu)
    chosen = {name.strip().lower(): find_law(name) for name in laws} or {n: find_law(n) for n in law_names()}
    defaults: dict[str, str | int] = {}
    budget = _budget(compute, tokens, gpu_hours, fleet, mfu, defaults)
    check_length("--sequence", sequence)
    named = list(models)
    if budget is None:
        if named or axis is not None:
            raise InputError(
                "no budget",
                hint="add `--compute 1e24` (training FLOPs), `--gpu-hours 2.8M --gpu h100`, or `--tokens 15T`",
            )
        return Scaling(laws=chosen)
    if axis is not None:
        return _along(axis, named, budget, chosen, extrapolate, defaults)
    if named:
        designs = [_design(model, sequence) for model in named]
        trained = tuple(
            trained_with(design, budget.compute, chosen)
            if budget.compute is not None
            else trained_on(design, budget.tokens or 0, chosen)
            for design in designs
        )
        for each in trained:
            if not each.tokens:
                raise InputError(
                    f"{budget.words} do not train `{each.design.name}` on a single token",
                    hint="a larger budget: `--compute 1e21`",
                )
        warnings = tuple(f"{d.name}: {warning}" for d in designs for warning in d.warnings)
        return Scaling(
            laws=chosen,
            budget=budget,
            sequence=sequence,
            trained=trained,
            extrapolate=extrapolate,
            defaults=defaults,
            warnings=warnings,
        )
    return Scaling(
        laws=chosen,
        budget=budget,
        optima=tuple(_optima(chosen, budget)),
        allocations=over_trained(budget.compute, budget.tokens),
        extrapolate=extrapolate,
        defaults=defaults,
    )


def _optima(laws: dict[str, AnyLaw], budget: Budget) -> Iterable[Optimum]:
    for name, law in laws.items():
        if not allocates(law):
            continue
        for shape in SHAPES.get(type(law), (Shape(),)):
            if budget.compute is not None:
                yield optimum(name, law, budget.compute, shape)
            else:
                yield optimum_for_tokens(name, law, float(budget.tokens or 0), shape)


def _along(
    axis: str,
    models: list[Any],
    budget: Budget,
    laws: dict[str, AnyLaw],
    extrapolate: bool,
    defaults: dict[str, str | int],
) -> Scaling:
    if axis not in AXES:
        near = suggestion(axis, AXES, n=1)
        raise InputError(
            f"unknown axis `{axis}`", hint=f"{near + ' ' if near else ''}axes: {', '.join(AXES)}"
        )
    if models:
        raise InputError(
            "`--axis` is of the laws alone, and models were named", hint="leave out either of the two"
        )
    if budget.compute is None:
        raise InputError("`--axis` needs training FLOPs", hint="add `--compute 1e21`, not `--tokens`")
    tables = [axis_table(axis, name, law, budget.compute) for name, law in laws.items()]
    found = tuple(table for table in tables if table is not None)
    if not found:
        raise InputError(
            f"none of these laws speaks of {axis}", hint="leave out `--law`: `moecalc scaling` lists them"
        )
    return Scaling(laws=laws, budget=budget, axes=found, extrapolate=extrapolate, defaults=defaults)


def _design(model: Any, sequence: int) -> Design:
    found = model if isinstance(model, Model | StatedModel) else load(model)
    if not isinstance(found, Model):
        raise UndeterminedError(
            f"`{found.name}` has no known architecture to count",
            hint=f"`moecalc show {found.name}` prints what follows from its figures",
        )
    positions = check_positions(found, sequence)
    warnings = (*found.warnings, *([] if positions is None else [positions]))
    return design_of(found.name, found.title, found.source, found.ledger, sequence, warnings)


def _budget(
    compute: int | None,
    tokens: int | None,
    gpu_hours: Amount | None,
    fleet: Fleet | None,
    mfu: Amount | None,
    defaults: dict[str, str | int],
) -> Budget | None:
    given = {"--compute": compute, "--tokens": tokens, "--gpu-hours": gpu_hours}
    named = [f"`{option}`" for option, value in given.items() if value is not None]
    if len(named) > 1:
        raise InputError(f"{' and '.join(named)} are budgets, and there is one", hint="keep one of them")
    if gpu_hours is None and (fleet is not None or mfu is not None):
        raise InputError(
            "`--gpu` and `--mfu` turn GPU-hours into FLOPs", hint="add `--gpu-hours 2.8M`, or leave them out"
        )
    if gpu_hours is not None:
        return _rented(gpu_hours, fleet, mfu, defaults)
    if compute is not None:
        return Budget(compute=_sensible("--compute", compute), words=f"{compute:.3g} training FLOPs")
    if tokens is None:
        return None
    if not 1 <= tokens <= 10**18:
        raise InputError(f"`--tokens` is {tokens}", hint="tokens to train on: `--tokens 15T`")
    return Budget(tokens=tokens, words=f"{format_parameters(tokens)} tokens")


def _rented(
    gpu_hours: Amount, fleet: Fleet | None, mfu: Amount | None, defaults: dict[str, str | int]
) -> Budget:
    if fleet is None:
        raise InputError("`--gpu-hours` of which device?", hint="add `--gpu h100`")
    if fleet.count != 1:
        raise InputError(
            f"`--gpu {fleet.describe()}` beside GPU-hours",
            hint="hours of all devices together are given; name one device: `--gpu h100`",
        )
    hours = money.number("--gpu-hours", gpu_hours, "--gpu-hours 2788000")
    if mfu is None:
        defaults["MFU"] = "40%"
    share = money.share("--mfu", MFU if mfu is None else mfu)
    device = fleet.groups[0].device
    peak_format, peak = sixteen_bit_peak(device)
    compute = int(hours * SECONDS_PER_HOUR * peak * share)
    used = f"{share:.1%} of the dense {peak_format} peak"
    words = f"{compute:.3g} training FLOPs: {hours:,f} {device.name}-hours at {used}"
    return Budget(compute=_sensible("--gpu-hours", compute), words=words.replace(".0% ", "% "))


def _sensible(option: str, compute: int) -> int:
    if not LEAST <= compute <= MOST:
        raise InputError(
            f"`{option}` makes {compute:.3g} training FLOPs",
            hint="from 1e12 to 1e32: `--compute 1e24` (Llama 3.1 405B took 3.8e25)",
        )
    return compute
