"""What weights take in a device's memory: as stored, at least, and of the active parameters alone."""

from __future__ import annotations

from fractions import Fraction

from moecalc.checks.claiming.figure import Figure
from moecalc.checks.claiming.finding import Finding
from moecalc.checks.claiming.subject import HELD_SHARE, Shaped, Subject
from moecalc.units import format_bytes_binary, format_bytes_decimal


def both(size: Fraction) -> str:
    """A size in both bases: `24.7 GB (23.0 GiB)`."""
    return f"{format_bytes_decimal(size)} ({format_bytes_binary(size)})"


def held(subject: Subject) -> Fraction:
    """Bytes that have to lie in a device's memory as the weights are stored."""
    if isinstance(subject, Shaped):
        return subject.held_bytes
    return Fraction(subject.weight_bytes or 0)


def least(subject: Subject, *, looked_up: bool = False) -> Fraction:
    """The least that any reading of the statement leaves room for."""
    if isinstance(subject, Shaped):
        return subject.least_held_bytes if looked_up else subject.total * subject.bits / 8
    return Fraction(subject.weight_bytes or 0) / HELD_SHARE


def stored(subject: Subject) -> str:
    """How the weights are stored, in words: `under int4`."""
    if isinstance(subject, Shaped):
        return f"as {subject.precision.label}" if subject.quant is None else f"under {subject.quant}"
    return f"at {float(subject.bits or 0):g} bits"


def active_only(figure: Figure | None, subject: Subject, room: Fraction | None = None) -> tuple[str, ...]:
    """A memory figure that was reckoned from the active parameters."""
    if subject.active is None or subject.total is None or subject.active >= subject.total:
        return ()
    size = held(subject) if isinstance(subject, Shaped) else Fraction(subject.weight_bytes or 0)
    alone = size * subject.active / subject.total
    stated = figure.high if figure is not None else room
    if stated is None or not alone * Fraction(3, 4) <= stated < size * Fraction(2, 3):
        return ()
    needs = "memory must hold all of them, for the next token can choose any expert"
    return (f"the active parameters alone would take {format_bytes_decimal(alone)}; {needs}",)


def unknown(part: str, figure: Figure | None, why: str, stated: str | None = None) -> Finding:
    """What would decide was not said, or nobody knows."""
    return Finding(
        part=part,
        stated=stated or (figure.text if figure else ""),
        verdict="undetermined",
        arithmetic=why,
    )
