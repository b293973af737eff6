"""A report: lines that say what they are, in which unit, and how sure. Every figure-producing part returns these."""

from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

import msgspec

from moecalc.specs.statement import Provenance

Basis = Literal["exact", "convention", "estimate", "assumed", "measured"]

SCHEMA = "moecalc/report/1"

NOT_IN_A_HEADER, TOP_K_UNKNOWN = "not in a header", "top_k unknown"
GAPS = frozenset({NOT_IN_A_HEADER, TOP_K_UNKNOWN})
"""Notes of lines without a value that nobody kept to himself: it is not in what was read."""


class Answer:
    """What a command answers in Python: many parts, which a notebook or a log shows in one line."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Whose figures they are, and where they can be had."""
        fleet = getattr(self, "fleet", None)
        describe = getattr(fleet, "describe", None)
        of = getattr(self, "model", None) or getattr(self, "name", None)
        on = describe() if describe else fleet
        about = " on ".join(filter(None, (of, on)))
        return (
            f"<{' '.join(filter(None, (type(self).__name__, about)))}: `moecalc.as_dict` gives its figures>"
        )


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One figure.

    `value` is in `unit`'s base (parameters, bytes, FLOPs), None where it is undisclosed or does not exist.
    `basis`: exact follows from shapes; convention is exact under a named convention; estimate models reality;
    assumed is a default nobody chose; measured was timed. `provenance` says whose word a figure rests on where
    it comes from a vendor or a rumour; `low` and `high` bound it where only a range is known.
    """

    id: str
    label: str
    value: Any
    unit: str
    basis: Basis
    formula: str = ""
    note: str = ""
    low: Any = None
    high: Any = None
    provenance: Provenance | None = None

    def to_dict(self) -> dict[str, Any]:
        """The line as JSON has it: always id, label, value, unit, basis, formula, note; the rest where present."""
        line: dict[str, Any] = {
            "id": self.id,
            "label": self.label,
            "value": plain(self.value),
            "unit": self.unit,
            "basis": self.basis,
            "formula": self.formula,
            "note": self.note,
        }
        if self.low is not None or self.high is not None:
            line |= {"low": plain(self.low), "high": plain(self.high)}
        if self.provenance:
            line["provenance"] = self.provenance
        return line


class ModelReport(msgspec.Struct, frozen=True, kw_only=True):
    """All lines about one model."""

    name: str
    source: str
    lines: tuple[Line, ...]

    def __getitem__(self, line_id: str) -> Line:
        """The line of that id. Raises KeyError."""
        for line in self.lines:
            if line.id == line_id:
                return line
        raise KeyError(line_id)

    def to_dict(self) -> dict[str, Any]:
        """Name, source and lines as JSON has them."""
        return {"name": self.name, "source": self.source, "lines": [line.to_dict() for line in self.lines]}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a command answers: models with their lines, the defaults in force, warnings."""

    command: str
    models: tuple[ModelReport, ...]
    defaults: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()
    extra: dict[str, Any] = {}
    """Command-specific parts, e.g. the cost curve of `compare`."""

    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON form."""
        return {
            "schema": SCHEMA,
            "command": self.command,
            "models": [model.to_dict() for model in self.models],
            "defaults": {key: plain(value) for key, value in self.defaults.items()},
            "warnings": list(self.warnings),
            **{key: plain(value) for key, value in self.extra.items()},
        }


def plain(value: Any) -> Any:
    """A number as JSON carries it: whole Fractions as ints, others as floats, Decimals as floats."""
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else float(value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
