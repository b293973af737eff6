"""The figures that budgets limit: of a loaded model, under a budget's settings, with what was counted in words."""

import math
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec

from moecalc.api.model import AnyModel, Model
from moecalc.calc import lines as public_lines
from moecalc.checks.budgets.measure import Kind, Settings
from moecalc.checks.budgets.outcome import Figure
from moecalc.checks.budgets.parsed import Budget
from moecalc.errors import InputError, UndeterminedError, suggestion
from moecalc.report import Line, ModelReport
from moecalc.specs import fleet
from moecalc.specs.fleet import Fleet
from moecalc.specs.formats import Precision
from moecalc.units import format_bytes_binary

UNDISCLOSED = "undisclosed"

VRAM = "budget.vram_bytes"
FITS = "fit.fits"


class Measuring:
    """A model, and what was computed of it already."""

    def __init__(self, model: AnyModel, runtime_bytes: int | None = None) -> None:
        self.model = model
        self._runtime_bytes = runtime_bytes
        self._lines: dict[tuple[str, Settings], ModelReport] = {}
        self._precisions: dict[str | None, Precision] = {}
        self._on_devices: dict[tuple[str, Settings], ModelReport] = {}
        self.warnings: dict[str, None] = dict.fromkeys(model.warnings)

    def figures(self, budget: Budget) -> tuple[Figure, ...]:
        """One figure for each tier of the budget that is set, the failing one first."""
        kind, settings = budget.measure.kind, budget.settings
        tiers = [tier for tier in (budget.fail, budget.warn) if tier is not None]
        if kind.line == FITS:
            return tuple(self._fits(kind, settings, fleet.parse(str(tier))) for tier in tiers)
        return (self.figure(kind, settings),) * len(tiers)

    def figure(self, kind: Kind, settings: Settings) -> Figure:
        """A figure that is no question about devices' memory.

        Raises InputError for a line that the model has not, and for settings that it cannot have.
        """
        if kind.line == VRAM:
            return self._vram(kind, settings)
        if kind.needs_devices:
            return self._estimated(kind, settings)
        return self._of_line(kind, self._line(kind, settings))

    def _report(self, settings: Settings, group: str = "") -> ModelReport:
        """The public lines, or only those whose id begins so: a sweep over many models needs no more."""
        if type(self.model).report is not Model.report or group not in {
            "params",
            "weights",
            "state",
            "flops",
        }:
            group = ""  # its header has a say in them
        key = group, Settings() if group == "params" else settings
        if key not in self._lines:
            self._lines[key] = self._made(key[1], group)
        return self._lines[key]

    def _made(self, settings: Settings, group: str) -> ModelReport:
        model = self.model
        workload = model.workload(context=settings.context, prompt=settings.prompt, batch=settings.batch or 1)
        self.warnings |= dict.fromkeys(workload.warnings)
        if not group or not isinstance(model, Model):
            return model.report(workload, None, kv_dtype=settings.kv_dtype, quant=settings.quant_name)
        if group == "params":
            made = public_lines.parameter_lines(model.ledger)
        elif group == "flops":
            made = public_lines.flops_lines(model.ledger, workload)
        else:
            kv_dtype = model.kv_name(settings.kv_dtype)
            made = public_lines.memory_lines(
                model.ledger, self._precision(model, settings.quant_name), kv_dtype, workload
            )
        return ModelReport(name=model.name, source=model.source, lines=tuple(made))

    def _precision(self, model: Model, quant: str | None) -> Precision:
        if quant not in self._precisions:
            self._precisions[quant] = model.stored_in(None, quant)
        return self._precisions[quant]

    def _line(self, kind: Kind, settings: Settings) -> Line:
        report = self._report(settings, kind.line.partition(".")[0])
        try:
            return report[kind.line]
        except KeyError:
            raise _no_line(kind.line, self.model.name, report.lines) from None

    def _of_line(self, kind: Kind, line: Line) -> Figure:
        value = _exact(line.value)
        unknown = value is line.low is line.high is None  # what the note says of that is the reason
        return Figure(
            line=kind.line,
            unit=kind.unit,
            value=value,
            counted=_counted(msgspec.structs.replace(line, note="") if unknown else line),
            basis=line.basis,
            why="" if value is not None else line.note or line.provenance or UNDISCLOSED,
            low=_exact(line.low),
            high=_exact(line.high),
        )

    def _vram(self, kind: Kind, settings: Settings) -> Figure:
        report = self._report(settings, "weights")
        weights, state = report["weights.bytes"], report["state.bytes"]
        parts = [("weights", _exact(weights.value)), ("state", _exact(state.value))]
        runtime = self._runtime_bytes
        counted = f"weights ({weights.label.removeprefix('weights, ')}) + state ({_counted(state)})"
        if runtime is None:
            counted += ", nothing allowed for a runtime"
        else:
            parts.append(("runtime", Fraction(runtime)))
            counted += f" + {format_bytes_binary(runtime)} allowed for a runtime"
        known = [(name, value) for name, value in parts if value is not None]
        return Figure(
            line=kind.line,
            unit=kind.unit,
            value=sum((value for _, value in known), Fraction()) if len(known) == len(parts) else None,
            counted=counted,
            basis="convention",
            why="" if len(known) == len(parts) else f"weights or state {UNDISCLOSED}",
            parts=tuple(known),
        )

    def _fits(self, kind: Kind, settings: Settings, devices: Fleet) -> Figure:
        from moecalc.api.fit_setting import Asked  # only where devices are asked about
        from moecalc.api.precision import RELEASED
        from moecalc.calc.deploy.budget import fullest
        from moecalc.calc.deploy.fitting import best_holding

        quant = settings.quant_name or RELEASED
        try:
            asked = Asked(
                self.model,
                context=settings.context,
                sequences=settings.batch or 1,
                kv_dtype=settings.kv_dtype,
                utilization=None,
                engine=None,
            )
            setting = asked.setting(quant, devices.devices)
            room = setting.room(devices)
        except UndeterminedError as error:
            return _unknown(kind, f"on {devices.describe()}", error)
        holding = best_holding(asked.shards(setting), asked.precision(quant), room, setting.case)
        rank = fullest(setting.case.ranks(holding, room))
        counted = (
            f"{devices.describe()}, {holding.plan.words}: weights {asked.precision(quant).label}, "
            f"{asked.workload.batch:,} x {asked.workload.context:,} tokens, {setting.case.kv_dtype}, "
            f"engine {setting.engine.name}"
        )
        parts = (
            ("weights", rank.weight_bytes),
            ("state", rank.state_bytes),
            ("activation peak", rank.activation_bytes),
            ("runtime", rank.overhead_bytes),
            ("of the device", -rank.capacity_bytes),
        )
        return Figure(
            line=kind.line,
            unit=kind.unit,
            value=Fraction(rank.free_bytes),
            counted=counted,
            basis="estimate",
            parts=tuple((name, Fraction(size)) for name, size in parts),
        )

    def _estimated(self, kind: Kind, settings: Settings) -> Figure:
        try:
            report = self._report_on_devices(
                "cost" if kind.line.startswith(("cost", "energy")) else "speed", settings
            )
        except UndeterminedError as error:
            return _unknown(kind, f"on {settings.gpu}", error)
        try:
            line = report[kind.line]
        except KeyError:
            raise _no_line(kind.line, self.model.name, report.lines) from None
        return self._of_line(kind, line)

    def _report_on_devices(self, command: str, settings: Settings) -> ModelReport:
        key = command, settings
        if key in self._on_devices:
            return self._on_devices[key]
        devices = fleet.parse(settings.gpu or "")
        if isinstance(
            self.model, Model
        ):  # what is wrong with these is bad input, not a figure that is not known
            self.model.kv_name(settings.kv_dtype)
            self.model.stored_in(None, settings.quant_name)
        asked: dict[str, Any] = {
            "context": settings.context,
            "prompt": settings.prompt,
            "quant": settings.quant_name,
            "kv_dtype": settings.kv_dtype,
        }
        if command == "cost":
            self._on_devices[key] = _cost(self.model, devices, settings.batch, asked)
        else:
            self._on_devices[key] = _speed(self.model, devices, settings.batch or 1, asked)
        return self._on_devices[key]


def _speed(model: AnyModel, devices: Fleet, batch: int, asked: dict[str, Any]) -> ModelReport:
    from moecalc.api.speed import speed
    from moecalc.calc.speed.speed_lines import speed_report

    found = speed(model, devices, batch=batch, **asked)
    if not found.is_held:
        # The ceiling would be that of devices with more memory: no speed that these can have.
        missing = format_bytes_binary(-found.held.free_bytes)
        raise UndeterminedError(f"{devices.describe()} does not hold it: the fullest device lacks {missing}")
    return speed_report(found).models[0]


def _cost(model: AnyModel, devices: Fleet, batch: int | None, asked: dict[str, Any]) -> ModelReport:
    from moecalc.api.cost import cost
    from moecalc.calc.cost.cost_lines import cost_report

    try:
        return cost_report(cost(model, devices, batch=batch, **asked)).models[0]
    except InputError as error:  # it does not fit: a fact about the model, not about the file
        raise UndeterminedError(error.message, hint=error.hint) from None


def _unknown(kind: Kind, counted: str, error: UndeterminedError) -> Figure:
    return Figure(
        line=kind.line, unit=kind.unit, value=None, counted=counted, basis="estimate", why=error.message
    )


def _no_line(line: str, model: str, lines: Iterable[Line]) -> InputError:
    ids = [known.id for known in lines]
    near = suggestion(line, ids, n=2)
    return InputError(f"`{line}` is no line of `{model}`", hint=near or f"its lines: {', '.join(ids)}")


def _counted(line: Line) -> str:
    """What the number counts: conventions, formats, lengths."""
    if line.id.startswith("params."):
        convention = line.id.removeprefix("params.active.")
        if convention != line.id:
            return _joined(f"convention: {convention.replace('_', ' ')}", line.note)
        return _joined("tied tensors once" if line.id == "params.total" else line.label, line.note)
    if line.id.startswith("weights."):
        return _joined(line.label.removeprefix("weights, "), line.note)
    if line.id.startswith("flops."):
        return _joined(line.label.partition(", ")[2], line.note)
    if line.id.startswith("state."):
        where = line.label.removeprefix("state ").removeprefix("elements ").removeprefix("per token, ")
        return _joined(where, "" if "tokens" in where and line.note == "logical" else line.note)
    return _joined(line.label, line.note)


def _exact(value: Any) -> Fraction | None:
    if value is None or isinstance(value, bool | str):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return Fraction(value) if isinstance(value, int | float | Decimal | Fraction) else None


def _joined(words: str, note: str) -> str:
    return f"{words}; {note}" if note else words
