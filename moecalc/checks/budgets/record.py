"""The versioned JSON of a check, which a later check takes as its base."""

from fractions import Fraction
from typing import Any, Literal

import msgspec

from moecalc.checks.budgets.measure import Settings
from moecalc.checks.budgets.outcome import Checked, Outcome, Status
from moecalc.errors import InputError
from moecalc.report import plain

Plain = int | float | None


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """From what a model can be built again: its config, or its architecture as a spec."""

    kind: Literal["config", "spec"]
    data: dict[str, Any]


class PlaceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Where the limit stands."""

    file: str
    line: int


class PartRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A summand of the value."""

    name: str
    value: Plain


class EffectRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A change since the base; null where it cannot be made alone."""

    change: str
    amount: Plain


class BudgetRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One limit, judged. Values are in the base of `unit`; `exact` is a value that no JSON number is."""

    name: str
    line: str
    status: Status
    unit: str
    value: Plain
    exact: str | None
    low: Plain
    high: Plain
    basis: str
    counted: str
    settings: Settings
    limit: str
    bound: Plain
    base: Plain
    change: Plain
    remark: str
    place: PlaceRecord
    parts: list[PartRecord]
    effects: list[EffectRecord]
    together: Plain
    neutral: int


class ModelRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A model, what it can be built from again, and its limits."""

    name: str
    source: Source | None
    budgets: list[BudgetRecord]


class CheckRecord(msgspec.Struct, frozen=True, kw_only=True):
    """All of a check."""

    schema: Literal["moecalc/check/1"]
    file: str
    base: str | None
    data_version: str
    exit_code: int
    summary: str
    models: list[ModelRecord]
    warnings: list[str]


def record(checked: Checked, sources: dict[str, Source | None]) -> CheckRecord:
    """The check as JSON has it; `sources` are those of the models, by name."""
    return CheckRecord(
        schema="moecalc/check/1",
        file=checked.path,
        base=checked.base,
        data_version=checked.data_version,
        exit_code=checked.exit_code,
        summary=checked.summary,
        models=[
            ModelRecord(
                name=name,
                source=source,
                budgets=[
                    _budget(outcome, checked.path) for outcome in checked.outcomes if outcome.model == name
                ],
            )
            for name, source in sources.items()
        ],
        warnings=list(checked.warnings),
    )


def read_record(text: bytes, path: str) -> CheckRecord:
    """A file that `check --format json` wrote. Raises InputError where it is something else."""
    try:
        read = msgspec.json.decode(text, type=CheckRecord)
    except msgspec.DecodeError as error:
        said = str(error)
        raise InputError(
            f"no answer of a check: {said[:1].lower()}{said[1:]}",
            file=path,
            hint=_AGAIN,
        ) from None
    _check_is_consistent(read, path)
    return read


_AGAIN = "write one with `moecalc check --format json > base.json`"


def _check_is_consistent(read: CheckRecord, path: str) -> None:
    """Each model once, and one value of a line under the same settings."""
    names: set[str] = set()
    for model in read.models:
        if model.name in names:
            raise InputError(f"records `{model.name}` twice", file=path, hint=_AGAIN)
        names.add(model.name)
        values: dict[tuple[str, Settings], tuple[Plain, str | None]] = {}
        for budget in model.budgets:
            value = budget.value, budget.exact
            # What devices have left depends on the devices, which the limit names.
            if budget.unit != "fleet" and values.setdefault((budget.line, budget.settings), value) != value:
                raise InputError(
                    f"contradicts itself: two values of `{budget.name}` of `{model.name}`",
                    file=path,
                    hint=_AGAIN,
                )


def value_of(budget: BudgetRecord) -> Fraction | None:
    """The recorded value, exactly. Raises InputError where its `exact` is no fraction."""
    if budget.exact is not None:
        try:
            return Fraction(budget.exact)
        except (ValueError, ZeroDivisionError):
            raise InputError(
                f"`exact` of `{budget.name}` is no number", hint="record the base again"
            ) from None
    return None if budget.value is None else Fraction(budget.value)


def schema() -> dict[str, object]:
    """The JSON Schema of the record."""
    generated: dict[str, object] = msgspec.json.schema(CheckRecord)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "moecalc check", **generated}


def _budget(outcome: Outcome, path: str) -> BudgetRecord:
    figure = outcome.figure
    whole = figure.value is None or figure.value.denominator == 1
    return BudgetRecord(
        name=outcome.name,
        line=figure.line,
        status=outcome.status,
        unit=figure.unit,
        value=plain(figure.value),
        exact=None if whole else str(figure.value),
        low=plain(figure.low),
        high=plain(figure.high),
        basis=figure.basis,
        counted=figure.counted,
        settings=outcome.settings,
        limit=outcome.limit,
        bound=plain(outcome.bound),
        base=plain(outcome.base),
        change=plain(outcome.change),
        remark=outcome.remark,
        place=PlaceRecord(file=path, line=outcome.line),
        parts=[PartRecord(name=name, value=plain(size)) for name, size in figure.parts],
        effects=[EffectRecord(change=e.change, amount=plain(e.amount)) for e in outcome.effects],
        together=plain(outcome.together),
        neutral=outcome.neutral,
    )
