"""One value as text, by its unit. Each unit's base is always named: GB is 10^9, GiB is 2^30."""

from fractions import Fraction
from typing import Any

from moecalc.report import GAPS, Line
from moecalc.units import (
    format_bytes_binary,
    format_bytes_decimal,
    format_flops,
    format_int,
    format_parameters,
)

UNDISCLOSED = "undisclosed"

SPELT_OUT = 10**6
"""Counts below this are short enough with every digit."""


def short(line: Line) -> str:
    """The value in three or four digits with its unit; a range where only that is known."""
    if line.value is None:
        if line.low is None and line.high is None:
            # A statement without a figure still says whose word it is, e.g. that a model is a mixture at all.
            return line.provenance or (line.note if line.note in GAPS else UNDISCLOSED)
        ends = [_short(line, end) for end in (line.low, line.high) if end is not None]
        return "-".join(ends)
    return _short(line, line.value)


def exact(line: Line) -> str:
    """Every digit of a count that has them all; empty for estimates and for what is not a count."""
    value = line.value
    if isinstance(value, bool) or not isinstance(value, int | Fraction) or line.basis == "estimate":
        return ""
    return format_int(value)


def _short(line: Line, value: Any) -> str:
    if line.unit == "parameters" and line.basis == "estimate":
        return _as_stated(value)
    if line.unit == "parameters":
        return format_parameters(value) if value >= SPELT_OUT else format_int(value)
    if line.unit == "FLOPs":
        return ("~" if line.basis == "estimate" else "") + format_flops(value)
    if line.unit == "bytes":
        # Weights as files are sold, state as caches are configured.
        return format_bytes_binary(value) if line.id.startswith("state.") else format_bytes_decimal(value)
    return format_int(value) if isinstance(value, int | Fraction) else str(value)


def _as_stated(value: Any) -> str:
    """A stated figure with no more digits than it was stated with: `280 B`, `1.7 T`."""
    number, _, unit = format_parameters(value).partition(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}".strip()
