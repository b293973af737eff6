"""Peaks and bandwidths of devices: dense figures, and the 2:4-sparse ones that are twice as large."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from moecalc.checks.claiming.claim import Claim
from moecalc.checks.claiming.figure import Figure
from moecalc.checks.claiming.finding import Finding, percent_off, ratio
from moecalc.specs.fleet import Fleet
from moecalc.specs.hardware import Quantity

SPARSE = "2:4 sparsity"


def judge_device(claim: Claim, fleet: Fleet | None) -> Iterator[Finding]:
    """What is said of one device, or of all of a kind together."""
    for part, figure in (("peak", claim.peak), ("bandwidth", claim.bandwidth)):
        if figure is None:
            continue
        if fleet is None or not fleet.is_uniform:
            yield Finding(
                part=part, stated=figure.text, verdict="undetermined", arithmetic="no device was named"
            )
            continue
        device, count = fleet.devices[0], fleet.count
        known: Quantity | None = device.bandwidth
        if part == "peak":
            known = device.peak(claim.peak_format or "bf16")  # type: ignore[arg-type] # one of the formats
        if known is None:
            yield Finding(
                part=part,
                stated=figure.text,
                verdict="undetermined",
                arithmetic=f"`{device.name}` has no published figure",
            )
            continue
        yield _held(part, figure, known, count, device.name)


def _held(part: str, figure: Figure, known: Quantity, count: int, name: str) -> Finding:
    low, value, high = _range(known)
    counted = f"{count}x " if count > 1 else ""
    words = f"{counted}{name}: {known.value}{' dense' if part == 'peak' else ''}"
    factors = [(1, ""), *([(2, SPARSE)] if part == "peak" else [])]
    # of a figure of one digit that both would round to, the nearer
    for factor, convention in sorted(factors, key=lambda one: abs(one[0] * count * value - figure.value)):
        times = factor * count
        if figure.low <= times * high and times * low <= figure.high:
            return Finding(
                part=part,
                stated=figure.text,
                verdict="holds under" if convention else "holds",
                convention=convention,
                computed=float(value * count),
                margin=ratio(figure.value, value * count),
                arithmetic=words
                + ("; twice that only where half of all weights are zero" if convention else ""),
            )
    return Finding(
        part=part,
        stated=figure.text,
        verdict="inconsistent",
        computed=float(value * count),
        margin=ratio(figure.value, value * count),
        arithmetic=f"{words}: {percent_off(figure.value, value * count)}",
    )


def _range(known: Quantity) -> tuple[Fraction, Fraction, Fraction]:
    """(least, value, most): sources that differ, and half of the last printed place."""
    least, value, most = known.span
    number = known.value.split(" ")[0]
    half = value / Fraction(number) / 10 ** len(number.partition(".")[2]) / 2
    return least - half, value, most + half
