"""What differs between two models: keys, rows and lines, and which key moves which line."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import msgspec

from moecalc.calc.explanation import Working, buffers_working, parameters_working, state_working
from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger
from moecalc.report import Line, plain

SCHEMA = "moecalc/diff/1"


class LineDifference(msgspec.Struct, frozen=True, kw_only=True):
    """A public line that differs; None where a side has no such line, or does not know it."""

    id: str
    label: str
    unit: str
    old: Fraction | None
    new: Fraction | None
    sides: tuple[Line | None, Line | None]
    """The lines themselves: a range, or whose word a figure is, where there is no number."""

    @property
    def stated(self) -> dict[str, dict[str, Any]]:
        """Of each side that is somebody's statement: its range, and whose word it is."""
        return {
            name: {"low": plain(line.low), "high": plain(line.high), "provenance": line.provenance}
            for name, line in zip(("old", "new"), self.sides, strict=True)
            if line is not None and line.provenance is not None
        }

    @property
    def change(self) -> Fraction | None:
        """New less old, where both are known."""
        return None if self.old is None or self.new is None else self.new - self.old


class RowDifference(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the ledger that differs, as a product; None where a side has none."""

    of: str
    """weights, buffers or state, and the component beside the language model."""
    role: str
    old: str | None
    new: str | None
    change: Fraction
    """Elements, or of state bytes."""


class Consequence(msgspec.Struct, frozen=True, kw_only=True):
    """A key that differs, and how far it moves lines by itself: (id, unit, amount)."""

    change: str
    moves: tuple[tuple[str, str, Fraction], ...]
    is_known: bool = True
    """Whether a model can have this change alone."""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two models."""

    name: str
    source: str


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `together` is what lines move beyond the sum of what each change does alone."""

    old: Side
    new: Side
    consequences: tuple[Consequence, ...]
    rows: tuple[RowDifference, ...]
    lines: tuple[LineDifference, ...]
    same_lines: int
    together: tuple[tuple[str, str, Fraction], ...] = ()
    defaults: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        return not (self.consequences or self.rows or self.lines)

    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON form."""
        return {
            "schema": SCHEMA,
            "old": msgspec.to_builtins(self.old),
            "new": msgspec.to_builtins(self.new),
            "changes": [
                {"change": one.change, "is_known": one.is_known, "moves": _moves(one.moves)}
                for one in self.consequences
            ],
            "together": _moves(self.together),
            "rows": [
                {"of": row.of, "role": row.role, "old": row.old, "new": row.new, "change": plain(row.change)}
                for row in self.rows
            ],
            "lines": [
                {
                    "id": line.id,
                    "label": line.label,
                    "unit": line.unit,
                    "old": plain(line.old),
                    "new": plain(line.new),
                    "change": plain(line.change),
                    **({"stated": line.stated} if line.stated else {}),
                }
                for line in self.lines
            ],
            "same_lines": self.same_lines,
            "defaults": {key: plain(value) for key, value in self.defaults.items()},
            "warnings": list(self.warnings),
        }


def known(value: Any) -> Fraction | None:
    """A line's value as an exact number; None where it is not known or is none."""
    return (
        Fraction(value) if isinstance(value, int | float | Fraction) and not isinstance(value, bool) else None
    )


def line_differences(old: Iterable[Line], new: Iterable[Line]) -> Iterator[LineDifference | None]:
    """Every line of either side in order: what differs, and None for those that are equal."""
    before = {line.id: line for line in old}
    after = {line.id: line for line in new}
    for id_ in dict.fromkeys((*after, *before)):
        one, other = before.get(id_), after.get(id_)
        line = other or one
        assert line is not None
        values = known(one.value if one else None), known(other.value if other else None)
        same = one is not None and other is not None and one.value == other.value
        yield (
            None
            if same and (one.low, one.high) == (other.low, other.high)  # type: ignore[union-attr] # both are there
            else LineDifference(
                id=id_, label=line.label, unit=line.unit, old=values[0], new=values[1], sides=(one, other)
            )
        )


def row_differences(
    old: Ledger, new: Ledger, context: int, kv_dtypes: tuple[str, str]
) -> list[RowDifference]:
    """Every row of weights, buffers and state that one side has and the other has not so."""
    made: list[RowDifference] = []
    for component in Component:
        beside = "" if component is Component.LANGUAGE else f", {component.value}"
        pair = parameters_working(old, component), parameters_working(new, component)
        made += _rows(f"weights{beside}", *pair)
    made += _rows("buffers", buffers_working(old), buffers_working(new))
    states = state_working(old, context, kv_dtypes[0]), state_working(new, context, kv_dtypes[1])
    made += _rows("state", *states)
    return made


def _rows(of: str, old: list[Working], new: list[Working]) -> Iterator[RowDifference]:
    """Rows of one role belong together in their order, once those that are equal are taken out."""
    for role in dict.fromkeys(row.role for row in (*new, *old)):
        before = [row for row in old if row.role == role]
        after = [row for row in new if row.role == role]
        for row in [*before]:
            match = next((other for other in after if _said(other) == _said(row)), None)
            if match is not None:
                before.remove(row)
                after.remove(match)
        for index in range(max(len(before), len(after))):
            one = before[index] if index < len(before) else None
            other = after[index] if index < len(after) else None
            yield RowDifference(
                of=of,
                role=role,
                old=None if one is None else _said(one),
                new=None if other is None else _said(other),
                change=Fraction(other.value if other else 0) - Fraction(one.value if one else 0),
            )


def _said(row: Working) -> str:
    return f"{row.product} ({row.remark})" if row.remark else row.product


def _moves(moves: Iterable[tuple[str, str, Fraction]]) -> list[dict[str, Any]]:
    return [{"id": id_, "unit": unit, "amount": plain(amount)} for id_, unit, amount in moves]
