"""`check`: every limit of a budget file held against its model, and against a base where there is one."""

import os
from fractions import Fraction
from pathlib import Path

import msgspec

from moecalc.api.bases import Base, base_of
from moecalc.api.effects import Differences, Measured, effects_on
from moecalc.api.loading import SPEC_SUFFIXES, WEIGHTS, load
from moecalc.api.measuring import Measuring
from moecalc.api.model import AnyModel
from moecalc.api.rebuilding import source_of
from moecalc.checks.budgets.file import NAMES, find_file, read_budgets
from moecalc.checks.budgets.outcome import BaseFigure, Checked, Figure, Outcome, judge, with_data_of
from moecalc.checks.budgets.parsed import Budget, Budgets, ModelBudgets
from moecalc.checks.budgets.record import Source
from moecalc.errors import InputError, UndeterminedError
from moecalc.sources import catalog
from moecalc.specs.data_version import DATA_VERSION

NOWHERE = "no budget file here or above"


class Check:
    """A check that was carried out: what came out, and what its JSON keeps of the models."""

    def __init__(self, checked: Checked, models: dict[str, AnyModel | None]) -> None:
        self.checked = checked
        self._models = models

    @property
    def sources(self) -> dict[str, Source | None]:
        """From what each model can be built again, by name."""
        return {name: None if model is None else source_of(model) for name, model in self._models.items()}

    @property
    def exit_code(self) -> int:
        """1 where a limit is broken, else 3 where one could not be judged, else 0."""
        return self.checked.exit_code

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Every limit, judged, in the order of the file."""
        return self.checked.outcomes

    def to_json(self) -> str:
        """What `moecalc check --format json` prints, which a later check takes as its base."""
        from moecalc.render.budgets.record import check_json

        return check_json(self.checked, self.sources)

    def to_markdown(self) -> str:
        """What `moecalc check --format markdown` prints."""
        from moecalc.render.budgets.markdown import check_markdown

        return check_markdown(self.checked)

    def __repr__(self) -> str:
        """The file and the summary: `Check(moecalc.yaml: 4 budgets, all kept)`."""
        return f"Check({self.checked.path}: {self.checked.summary})"


def check(path: str | Path | None = None, base: str | None = None) -> Check:
    """Hold every limit of a budget file: the nearest from the working directory upwards unless one is named.

    `base` is a git revision or a file of an earlier check's JSON, from the working directory; None: the file's own.
    A model that cannot be determined (undisclosed, the hub away) leaves its limits undetermined. Raises InputError
    for what is wrong with file, models or base, with the line where it stands.
    """
    path = found_file(None if path is None else Path(path))
    budgets = read_budgets(path)
    compared = _base(budgets, path.parent, base)
    if compared is None:
        _refuse_relative(budgets)
    outcomes: list[Outcome] = []
    models: dict[str, AnyModel | None] = {}
    warnings: dict[str, None] = {}
    for model in budgets.models:
        try:
            loaded = load(located(model.model, path.parent))
        except UndeterminedError as error:
            models[model.name] = None
            outcomes += _undetermined(model, error)
            continue
        except InputError as error:
            raise error.at(budgets.path, model.line) from None
        models[model.name] = loaded
        measuring = Measuring(loaded, budgets.runtime_bytes)
        outcomes += _outcomes(model, measuring, compared, budgets)
        warnings |= dict.fromkeys(f"{model.name}: {warning}" for warning in measuring.warnings)
    if compared is not None:
        warnings |= compared.warnings
    checked = Checked(
        path=budgets.path,
        outcomes=tuple(outcomes),
        data_version=DATA_VERSION,
        base=None if compared is None else compared.name,
        warnings=tuple(warnings),
    )
    return Check(checked, models)


def found_file(given: Path | None) -> Path:
    """The budget file that was named, or the nearest here or above. Raises InputError where there is none."""
    if given is not None:
        if not given.is_file():
            if given.is_dir():
                hint = f"name the file: `{given / NAMES[0]}`"
                raise InputError(f"`{given}` is a directory, and no budget file", hint=hint)
            raise InputError(f"no such file: `{given}`", hint="`moecalc check --init` writes one")
        return given
    found = find_file(Path.cwd())
    if found is None:
        raise InputError(
            f"{NOWHERE}: `moecalc.yaml`, or `[tool.moecalc]` in pyproject.toml",
            hint="`moecalc check --init MODEL` writes one from the model's current figures",
        )
    return Path(os.path.relpath(found))


def located(text: str, folder: Path) -> str:
    """A model as the budget file has it, with paths from the file's folder. Names and hub ids stay as they are."""
    path = path_meant(text, folder)
    # `.` in front keeps a path from being taken for a catalogue name or a hub id.
    return text if path is None else str(path) if path.is_absolute() else os.path.join(".", path)  # noqa: PTH118


def path_meant(text: str, folder: Path) -> Path | None:
    """The path that a model means, from the budget file's folder; None for a name or a hub id."""
    joined = folder / text
    parent, _, picked = text.rpartition(":")
    if joined.exists() or (parent and picked and (folder / parent).is_dir()):
        named = "/" not in text and not text.startswith(".") and not joined.suffix
        return None if named and catalog.find(text) is not None else joined
    if text.startswith((".", "/")) or (
        joined.suffix in (*SPEC_SUFFIXES, *WEIGHTS, ".json") and ":" not in text
    ):
        return joined
    return None


def _base(budgets: Budgets, folder: Path, given: str | None) -> Base | None:
    text = given if given is not None else budgets.base
    if text is None:
        return None

    def paths() -> dict[str, Path]:
        meant = {model.name: path_meant(model.model, folder) for model in budgets.models}
        return {name: path for name, path in meant.items() if path is not None}

    return base_of(text, folder, Path() if given is not None else folder, paths, budgets.runtime_bytes)


def _refuse_relative(budgets: Budgets) -> None:
    for model in budgets.models:
        for budget in model.budgets:
            if budget.is_relative:
                raise InputError(
                    f"`{budget.measure.text}` of `{model.name}` is limited against a base, and there is none",
                    hint="`moecalc check --base origin/main`, or a file of `moecalc check --format json`",
                    file=budgets.path,
                    line=budget.line,
                )


def _outcomes(
    model: ModelBudgets, measuring: Measuring, base: Base | None, budgets: Budgets
) -> list[Outcome]:
    made = []
    before = _Before(model, measuring, base, budgets.runtime_bytes)
    for budget in model.budgets:
        try:
            figures = measuring.figures(budget)
            outcome = judge(
                model.name, budget, figures, before.figure(budget), None if base is None else base.name
            )
        except InputError as error:
            raise error.at(budgets.path, budget.line) from None
        explained = before.explained(outcome, budget)
        is_estimate = budget.measure.kind.estimate
        made.append(with_data_of(explained, is_estimate, budgets.data_version, DATA_VERSION))
    return made


class _Before:
    """A model as the base has it."""

    def __init__(
        self, model: ModelBudgets, current: Measuring, base: Base | None, runtime_bytes: int | None
    ) -> None:
        self._model, self._current, self._base = model, current, base
        self._differences: Differences | None = None
        self._measured = Measured(lambda built: Measuring(built, runtime_bytes))

    def figure(self, budget: Budget) -> BaseFigure | None:
        """The figure in the base, where there is one; of devices' memory only the verdict counts."""
        if self._base is None or budget.measure.kind.unit == "fleet":
            return None
        return self._base.figure(self._model, budget, self._current)

    def explained(self, outcome: Outcome, budget: Budget) -> Outcome:
        """The outcome with what changed since the base, where the figure did."""
        if self._base is None or not outcome.change:
            return outcome
        if self._differences is None:
            old = self._base.measuring(self._model, self._current)
            if old is None:
                return outcome
            self._differences = Differences(old.model, self._current.model)
            self._measured |= {id(one.model): one for one in (old, self._current)}
        kind, settings = budget.measure.kind, budget.settings

        def figure(built: AnyModel) -> Fraction | None:
            return self._measured.of(built).figure(kind, settings).value

        effects, together, neutral = effects_on(self._differences, outcome.change, figure)
        return msgspec.structs.replace(outcome, effects=effects, together=together, neutral=neutral)


def _undetermined(model: ModelBudgets, error: UndeterminedError) -> list[Outcome]:
    """Every limit of a model that cannot be had now."""
    made = []
    for budget in model.budgets:
        kind = budget.measure.kind
        figure = Figure(
            line=kind.line, unit=kind.unit, value=None, counted="", basis="exact", why=error.message
        )
        tiers = sum(tier is not None for tier in (budget.fail, budget.warn))
        made.append(judge(model.name, budget, (figure,) * tiers, BaseFigure(why=error.message), None))
    return made
