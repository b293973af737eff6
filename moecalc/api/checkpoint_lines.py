"""The line of a checkpoint as a whole, whatever it holds beside the language model, and its place in a report."""

from collections.abc import Iterable

from moecalc.report import Basis, Line
from moecalc.sources.headers.tensors import Header
from moecalc.units import format_counted

CHECKPOINT = "checkpoint.bytes"


def checkpoint_line(header: Header, note: str) -> Line:
    """What all files of a header store."""
    label = f"checkpoint, {format_counted(len(header.files), 'file')}"
    return stored_line(label, header.total_bytes, "exact", "sum of all stored tensors", note)


def stored_line(label: str, size: int | None, basis: Basis, formula: str, note: str) -> Line:
    """A line about all stored bytes; `size` None where nothing says them."""
    return Line(id=CHECKPOINT, label=label, value=size, unit="bytes", basis=basis, formula=formula, note=note)


def behind_weights(lines: Iterable[Line], line: Line) -> tuple[Line, ...]:
    """The lines with that one behind the weights'."""
    return tuple(each for own in lines for each in ((own, line) if own.id == "weights.bytes" else (own,)))
