"""What a check compares with: the same models at a git revision, or an earlier check's JSON."""

from collections.abc import Callable
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Protocol

from moecalc.api.loading import WEIGHTS
from moecalc.api.measuring import Measuring
from moecalc.api.rebuilding import build, header_of
from moecalc.api.revisions import candidates, loaded
from moecalc.checks.budgets.outcome import BaseFigure
from moecalc.checks.budgets.parsed import Budget, ModelBudgets
from moecalc.checks.budgets.record import BudgetRecord, read_record, value_of
from moecalc.errors import InputError, MoecalcError
from moecalc.sources.revision import Revision
from moecalc.specs.data_version import DATA_VERSION

_OF_BYTES = ("weights.", "checkpoint.", "budget.", "fit.", "speed.", "cost.", "energy.")
"""Lines that follow from stored bytes, which a checkpoint's header overrules."""


RECORD = "compare with a file of `check --format json`"


class Base(Protocol):
    """Figures to compare with."""

    name: str
    warnings: dict[str, None]
    """What has to be said about how it was read."""

    def figure(self, model: ModelBudgets, budget: Budget, current: Measuring) -> BaseFigure:
        """What the base says of a budget's figure. Raises InputError for what cannot be read as a base."""

    def measuring(self, model: ModelBudgets, current: Measuring) -> Measuring | None:
        """The model as the base has it, to find what changed; None where that is not known."""


class RevisionBase:
    """The models as a git revision has them. Names and hub ids have the same base everywhere: themselves."""

    def __init__(self, name: str, folder: Path, paths: dict[str, Path], runtime_bytes: int | None) -> None:
        """`paths` are the files and directories that models are read from, by the models' names."""
        self.name = name
        self.warnings: dict[str, None] = {}
        self._revision = Revision(name, folder)
        self._paths = paths
        self._runtime_bytes = runtime_bytes
        self._measured: dict[str, Measuring | BaseFigure] = {}

    def figure(self, model: ModelBudgets, budget: Budget, current: Measuring) -> BaseFigure:
        """The figure at the revision."""
        measuring = self._measuring(model, current)
        if isinstance(measuring, BaseFigure):
            return measuring
        kind = budget.measure.kind
        if measuring is not current and header_of(current.model) and kind.line.startswith(_OF_BYTES):
            return BaseFigure(why=f"weights are not read from git: {RECORD}")
        try:
            figure = measuring.figure(kind, budget.settings)
        except InputError as error:
            return BaseFigure(why=f"at {self.name}: {error}")
        return BaseFigure(value=figure.value, why=figure.why and f"at {self.name}: {figure.why}")

    def measuring(self, model: ModelBudgets, current: Measuring) -> Measuring | None:
        """The model at the revision."""
        measuring = self._measuring(model, current)
        return None if isinstance(measuring, BaseFigure) else measuring

    def _measuring(self, model: ModelBudgets, current: Measuring) -> Measuring | BaseFigure:
        if model.name not in self._paths:
            return current
        if model.name not in self._measured:
            self._measured[model.name] = self._load(model.name, self._paths[model.name])
        return self._measured[model.name]

    def _load(self, name: str, path: Path) -> Measuring | BaseFigure:
        if path.name.endswith(WEIGHTS) or ":" in path.name:
            return BaseFigure(why=f"weights are not read from git: {RECORD}")
        meant = candidates(self._revision, path)
        if not meant:
            return BaseFigure(why=f"`{path}` lies outside the repository")
        contents = self._contents
        found = next((inside for inside in meant if inside in contents), None)
        if found is None:
            found = self._under_another_name(path, meant)
            if found is None:
                why = self._elsewhere(path)
                return BaseFigure(is_new=not why, why=why or f"new: {self.name} has no `{meant[0]}`")
            contents = self._revision.read([found])
            self.warnings[f"{name}: compared with `{found}`, as {self.name} calls it"] = None
        try:
            model = loaded(contents[found], found, self.name)
            return Measuring(model, self._runtime_bytes)
        except MoecalcError as error:
            return BaseFigure(why=f"the base cannot be read: {error}")

    def _under_another_name(self, path: Path, meant: list[str]) -> str | None:
        """What the revision calls a file: where links lead, or its path before git saw it renamed."""
        followed = candidates(self._revision, path.resolve())
        found = next(iter(self._revision.read(followed)), None)
        renamed = self._revision.renamed
        return found or next((renamed[one] for one in (*meant, *followed) if one in renamed), None)

    def _elsewhere(self, path: Path) -> str:
        """Why the repository cannot say whether a file is new: it keeps no history of it. Empty where it does."""
        root, real = self._revision.root, path.resolve()
        if not real.is_relative_to(root):
            return f"`{path}` is a link out of the repository: {RECORD}"
        for folder in real.parents[: len(real.relative_to(root).parts) - 1]:
            if (folder / ".git").exists():
                return f"`{path}` lies in a repository of its own, a submodule: {RECORD}"
        return ""

    @cached_property
    def _contents(self) -> dict[str, bytes]:
        return self._revision.read(
            one for path in self._paths.values() for one in candidates(self._revision, path)
        )


class FileBase:
    """The figures that an earlier check wrote down."""

    def __init__(self, path: Path, runtime_bytes: int | None) -> None:
        """Read the file. Raises InputError where it is no answer of a check."""
        self.name = str(path)
        self.warnings: dict[str, None] = {}
        self._runtime_bytes = runtime_bytes
        try:
            text = path.read_bytes()
        except OSError as error:
            raise InputError(
                f"cannot read the base: {(error.strerror or str(error)).lower()}", file=self.name
            ) from None
        read = read_record(text, self.name)
        self._data_version = read.data_version
        self._models = {model.name: model for model in read.models}

    def figure(self, model: ModelBudgets, budget: Budget, current: Measuring) -> BaseFigure:
        """The figure that was recorded, where it was counted in the same way."""
        del current
        known = self._models.get(model.name)
        if known is None:
            return BaseFigure(is_new=True, why=f"new: {self.name} has no `{model.name}`")
        kind = budget.measure.kind
        of_line = [found for found in known.budgets if found.line == kind.line]
        if not of_line:
            return BaseFigure(
                is_new=True, why=f"new: {self.name} has no `{budget.measure.text}` of `{model.name}`"
            )
        found = next((one for one in of_line if one.settings == budget.settings), None)
        if found is None:
            return BaseFigure(why=f"{self.name} has it under other settings: record the base again")
        if kind.estimate and self._data_version != DATA_VERSION:
            return BaseFigure(
                why=f"an estimate, and {self.name} was recorded with data of {self._data_version}: record it again"
            )
        return BaseFigure(
            value=self._value(found), why="" if found.value is not None else "not known in the base"
        )

    def measuring(self, model: ModelBudgets, current: Measuring) -> Measuring | None:
        """The model, built again from what was recorded."""
        known = self._models.get(model.name)
        if known is None or known.source is None:
            return None
        try:
            return Measuring(build(known.source, current.model.name), self._runtime_bytes)
        except InputError:
            return None  # of an older moecalc: the figures stand, what changed is not told

    def _value(self, found: BudgetRecord) -> Fraction | None:
        try:
            return value_of(found)
        except InputError as error:
            raise error.at(self.name) from None


def base_of(
    text: str,
    folder: Path,
    read_from: Path,
    paths: Callable[[], dict[str, Path]],
    runtime_bytes: int | None,
) -> Base:
    """The base that `--base` or the file means: a file (from `read_from`), else a revision of the repository.

    Raises InputError where it is neither, UndeterminedError where git is not at hand.
    """
    path = read_from / text
    if path.is_file():
        return FileBase(path, runtime_bytes)
    if text.endswith(".json"):
        raise InputError(
            f"no such file: `{path}`", hint="write one with `moecalc check --format json > base.json`"
        )
    return RevisionBase(text, folder, paths(), runtime_bytes)
