"""Reads the budget file: `moecalc.yaml`, or `[tool.moecalc]` in pyproject.toml, with the line of every limit."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from moecalc import strict_yaml
from moecalc.checks.budgets import toml_file
from moecalc.checks.budgets.limit import Limit, parse_limit
from moecalc.checks.budgets.measure import Measure, Settings, is_quantization, parse_measure
from moecalc.checks.budgets.parsed import Budget, Budgets, ModelBudgets
from moecalc.checks.budgets.written import BudgetFile, Entry, Text, Tiers
from moecalc.errors import InputError
from moecalc.units import parse_bytes, parse_tokens

NAMES = ("moecalc.yaml", "moecalc.yml")


_DATA_VERSION = re.compile(r"\d{4}-\d\d-\d\d(\.\d{1,3})?")


LineOf = Callable[[tuple[str | int, ...]], int]


def find_file(start: Path) -> Path | None:
    """The nearest budget file in `start` or above; a pyproject.toml counts only with the table."""
    for folder in (start, *start.parents):
        for name in NAMES:
            if (folder / name).is_file():
                return folder / name
        project = folder / toml_file.PYPROJECT
        if toml_file.has_table(project):
            return project
    return None


def read_budgets(path: Path) -> Budgets:
    """Read and parse a budget file. Raises InputError with file and line."""
    if path.suffix == ".toml":
        file, line_of = toml_file.read(path, BudgetFile)
    else:
        document = _yaml(path)
        file, line_of = strict_yaml.decode(document, BudgetFile), document.line_of
    place = _Place(str(path), line_of)
    if file.version != 1:
        raise place.error(
            ("version",), f"`version` is {file.version}; this moecalc reads 1", "write `version: 1`"
        )
    runtime = None
    if file.runtime is not None:
        runtime = place.read(("runtime",), parse_bytes, file.runtime)
    models = tuple(_model(entry, index, place) for index, entry in enumerate(file.models))
    _check_names(models, place)
    _check_data_version(file, models, place)
    return Budgets(
        path=str(path),
        models=models,
        base=file.base,
        data_version=file.data_version,
        runtime_bytes=runtime,
    )


class _Place:
    """Errors with the line of what is wrong."""

    def __init__(self, path: str, line_of: LineOf) -> None:
        self.path, self.line_of = path, line_of

    def error(self, step: tuple[str | int, ...], message: str, hint: str) -> InputError:
        return InputError(message, hint=hint, file=self.path, line=self.line_of(step))

    def read(self, step: tuple[str | int, ...], read: Callable[[str], Any], value: object) -> Any:
        try:
            return read(str(value))
        except InputError as error:
            raise error.at(self.path, self.line_of(step)) from None


def _model(entry: Entry, index: int, place: _Place) -> ModelBudgets:
    def tokens(field: str) -> int | None:
        value = getattr(entry, field)
        read: int | None = (
            None if value is None else place.read(("models", index, field), parse_tokens, value)
        )
        return read

    for field in ("model", "name"):
        text = getattr(entry, field)
        if text is not None and not (text.strip() and text.isprintable()):
            raise place.error(("models", index, field), f"`{field}` is {text!r}", "write one line of text")
    if entry.model.strip() == "-":
        raise place.error(("models", index, "model"), "a budget is of no standard input", "name a file")
    if entry.quant is not None:
        place.read(("models", index, "quant"), _quantization, entry.quant)
    if entry.gpu is not None:
        place.read(("models", index, "gpu"), _fleet, entry.gpu)
    own = Settings(
        context=tokens("context"),
        prompt=tokens("prompt"),
        batch=entry.batch,
        quant=entry.quant,
        kv_dtype=entry.kv_dtype,
        gpu=entry.gpu,
    )
    return ModelBudgets(
        name=entry.name or entry.model,
        model=entry.model,
        budgets=tuple(
            _budget(name, limit, own, ("models", index, "limits", name), place)
            for name, limit in entry.limits.items()
        ),
        line=place.line_of(("models", index, "model")),
    )


def _budget(
    name: str, limit: Text | Tiers, own: Settings, step: tuple[str | int, ...], place: _Place
) -> Budget:
    tiers = limit if isinstance(limit, Tiers) else Tiers(fail=limit)
    if tiers.fail is None and tiers.warn is None:
        raise place.error(
            step, f"`{name}` has neither `fail` nor `warn`", "write `<= 24 GiB`, or one of the two"
        )
    measure: Measure = place.read(step, parse_measure, name)
    fail, warn = (_parsed(text, measure, step, place) for text in (tiers.fail, tiers.warn))
    if isinstance(fail, Limit) and isinstance(warn, Limit) and warn.allows_all_of(fail):
        raise place.error(
            step,
            f"`{name}` never warns: whatever breaks `{warn.text}` breaks `{fail.text}` first",
            "make `warn` the stricter of the two",
        )
    settings = measure.settings.over(own)
    if measure.kind.needs_devices and settings.gpu is None:
        raise place.error(
            step, f"`{name}` needs devices", f"write `{name}@8xh100` or `gpu: 8xh100` beside the model"
        )
    return Budget(measure=measure, settings=settings, fail=fail, warn=warn, line=place.line_of(step))


def _parsed(
    text: Text | None, measure: Measure, step: tuple[str | int, ...], place: _Place
) -> Limit | str | None:
    if text is None:
        return None
    if measure.kind.unit == "fleet":
        place.read(step, _fleet, text)
        return str(text).strip()
    unit = measure.kind.unit
    parsed: Limit = place.read(step, lambda typed: parse_limit(typed, unit), text)
    return parsed


def _fleet(text: str) -> None:
    from moecalc.specs import fleet  # only where a budget is of devices

    if text.strip().lower() == "local":
        raise InputError(
            "a budget does not depend on the machine it is checked on", hint="name the devices: `1xrtx-4090`"
        )
    fleet.parse(text)


def _quantization(name: str) -> None:
    if not is_quantization(name):
        raise InputError(
            f"unknown quantization `{name}`", hint="`moecalc formats` lists the recipes and mixtures"
        )


def _check_names(models: tuple[ModelBudgets, ...], place: _Place) -> None:
    seen: set[str] = set()
    for index, model in enumerate(models):
        if model.name in seen:
            raise place.error(
                ("models", index, "model"), f"`{model.name}` stands twice", "give one of them a `name`"
            )
        seen.add(model.name)


def _check_data_version(file: BudgetFile, models: tuple[ModelBudgets, ...], place: _Place) -> None:
    if file.data_version is not None:
        # One that no data ever had would make every budget on an estimate a warning, for good.
        if not _DATA_VERSION.fullmatch(file.data_version):
            from moecalc.specs.data_version import DATA_VERSION

            raise place.error(
                ("data_version",),
                f"`data_version` is `{file.data_version}`",
                f"this moecalc has `{DATA_VERSION}`",
            )
        return
    for index, model in enumerate(models):
        for budget in model.budgets:
            if budget.measure.kind.estimate:
                from moecalc.specs.data_version import DATA_VERSION

                name = budget.measure.text
                raise place.error(
                    ("models", index, "limits", name),
                    f"`{name}` is an estimate, which changes with moecalc's data, and the file names no `data_version`",
                    f"write `data_version: {DATA_VERSION}` (that of this moecalc) at the top",
                )


def _yaml(path: Path) -> strict_yaml.Document:
    try:
        return strict_yaml.load(path)
    except InputError as error:
        if error.line is not None and "not YAML" in error.message:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            if any(line.startswith(("<<<<<<< ", ">>>>>>> ")) for line in lines):
                error.hint = "it has the markers of a merge conflict: resolve it first"
                raise
            line = lines[error.line - 1] if error.line <= len(lines) else ""
            _, colon, value = line.partition(": ")
            if colon and value.lstrip().startswith(">"):
                error.hint = f'YAML reads a leading `>` as its own: quote it, `"{value.strip()}"`'
        raise
