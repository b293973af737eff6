"""A parsed budget file: models, limits and their lines."""

import msgspec

from moecalc.checks.budgets.limit import Limit
from moecalc.checks.budgets.measure import Measure, Settings


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """One limit of one model, parsed, with its place. Of `fits` the limits are devices, as text."""

    measure: Measure
    settings: Settings
    """Those of the limit, and those of its model where it has none."""
    fail: Limit | str | None
    warn: Limit | str | None
    line: int

    @property
    def is_relative(self) -> bool:
        """Whether a base is needed to judge it."""
        return any(isinstance(tier, Limit) and tier.relative for tier in (self.fail, self.warn))


class ModelBudgets(msgspec.Struct, frozen=True, kw_only=True):
    """A model and all its limits."""

    name: str
    model: str
    """As it was written."""
    budgets: tuple[Budget, ...]
    line: int


class Budgets(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed budget file."""

    path: str
    models: tuple[ModelBudgets, ...]
    base: str | None = None
    data_version: str | None = None
    runtime_bytes: int | None = None
