"""The answer to `moecalc design`: what was asked, what was tried, and the designs that none beats."""

from fractions import Fraction
from typing import Any

import msgspec

from moecalc.calc.design.objectives import Objective
from moecalc.calc.design.search import Case, Design, Found
from moecalc.errors import InputError
from moecalc.report import Answer, plain
from moecalc.specs.design_axes import GRANULARITY, KINDS, Axis
from moecalc.specs.design_budget import Budget

FIGURES = {
    "params.total": "total",
    "params.active.all": "active",
    "weights.bytes": "weight_bytes",
    "state.bytes": "state_bytes",
    "budget.vram_bytes": "need_bytes",
}
ON_DEVICES = {
    "fit.gpus": "devices",
    "speed.decode.ceiling_tokens_per_second": "tokens_per_second",
    "cost.ceiling.usd_per_million_output_tokens": "usd_per_million",
}
"""The id of each public line -> the field of a design."""


class Designed(Answer, msgspec.Struct, frozen=True, kw_only=True):
    """A search and its result. Data that renderers lay out."""

    like: str
    source: str
    axes: tuple[Axis, ...]
    kept: dict[str, int]
    """Sizes that stay as the family's model has them."""
    left_out: tuple[str, ...]
    rules: tuple[str, ...]
    multiple: int
    case: Case
    device: str | None
    price: str | None
    capacity_note: str
    budgets: tuple[Budget, ...]
    objectives: tuple[Objective, ...]
    found: Found
    sizes: tuple[dict[str, int], ...]
    """Of each design of the frontier, in its order."""
    nearest_sizes: dict[str, int] | None
    defaults: dict[str, Any]
    warnings: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[Design, ...]:
        """The designs that no other within the budgets beats."""
        return self.found.frontier

    def sorted_by(self, name: str | None) -> "Designed":
        """The same with the best in one objective first. Raises InputError for one that is not told here."""
        if name is None:
            return self
        known = {objective.name: objective for objective in self.objectives}
        if name not in known:
            raise InputError(
                f"`--sort {name}` is no objective of this search", hint=f"objectives: {', '.join(known)}"
            )
        order = sorted(range(len(self.rows)), key=lambda at: known[name].score(self.rows[at]))
        return msgspec.structs.replace(
            self,
            found=msgspec.structs.replace(self.found, frontier=tuple(self.rows[at] for at in order)),
            sizes=tuple(self.sizes[at] for at in order),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: every figure in its base unit."""
        found, nearest = self.found, self.found.nearest
        return {
            "like": self.like,
            "axes": {axis.name: list(axis.values) for axis in self.axes},
            "kept": self.kept,
            "left_out": list(self.left_out),
            "rules": list(self.rules),
            "budgets": [
                {"figure": b.figure, "low": _end(b.low), "high": _end(b.high), "words": b.text}
                for b in self.budgets
            ],
            "pareto": {objective.name: objective.sense for objective in self.objectives},
            "context": self.case.context,
            "batch": self.case.batch,
            "weights": self.case.precision.label,
            "kv_dtype": self.case.kv_dtype,
            "device": self.device,
            "price": self.price,
            "combinations": found.tried,
            "broken_rules": found.broken,
            "outside_budgets": found.outside,
            "within": found.within,
            "frontier": [self.row_dict(at) for at in range(len(self.rows))],
            "nearest_miss": None
            if nearest is None or self.nearest_sizes is None
            else {
                "sizes": self.nearest_sizes,
                **{name: plain(value) for name, value in nearest.figures.items()},
                "misses": {budget.figure: miss for budget, miss in nearest.missed},
            },
        }

    def row_dict(self, at: int) -> dict[str, Any]:
        """One design as JSON and CSV have it."""
        design = self.rows[at]
        values = {name: plain(value) for name, value in self._figures(design).items()}
        return {"number": at + 1, **self.sizes[at], **values}

    def row_names(self) -> list[str]:
        """The names of a design's values, whether there is one or not."""
        sizes = ["expert_width" if axis.name == GRANULARITY else axis.name for axis in self.axes]
        return ["number", *(name for name in KINDS if name in sizes), *self._figures(None)]

    def _figures(self, design: Design | None) -> dict[str, Any]:
        names = FIGURES if self.device is None else FIGURES | ON_DEVICES
        return {id_: getattr(design, field, None) for id_, field in names.items()}


def _end(end: Fraction | None) -> Any:
    return None if end is None else plain(end)
