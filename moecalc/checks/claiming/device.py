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


def is_only_of_devices(claim: Claim) -> bool:
    """Whether a claim speaks of no model: a peak, a bandwidth, or the memory of devices and nothing besides."""
    if claim.model is not None or claim.total is not None or claim.active is not None:
        return False
    said = set(claim.said)
    return bool(said & {"peak", "bandwidth"}) or said == {"gpu", "vram"}


def judge_memory(claim: Claim, fleet: Fleet | None) -> Iterator[Finding]:
    """The memory of a device, or of all of a kind together: as sold, or as programs find it."""
    figure = claim.vram
    if figure is None:
        return
    if fleet is None or not fleet.is_uniform:
        yield Finding(
            part="vram", stated=figure.text, verdict="undetermined", arithmetic="no device was named"
        )
        return
    device = fleet.devices[0]
    memory = device.memory
    named = (("sold", memory.marketing), ("driver", memory.driver), ("allocatable", memory.allocatable))
    known = [(name, capacity) for name, capacity in named if capacity is not None]
    if not known:
        arithmetic = f"`{device.name}` has no published memory"
        yield Finding(part="vram", stated=figure.text, verdict="undetermined", arithmetic=arithmetic)
        return
    counts = (1, fleet.count)
    sizes = [count * capacity.bytes for _, capacity in known for count in counts]
    holds = any(figure.covers(size) for size in sizes)
    nearest = min(sizes, key=lambda size: abs(size - figure.value))
    words = ", ".join(f"{capacity.value} ({name})" for name, capacity in known)
    yield Finding(
        part="vram",
        stated=figure.text,
        verdict="holds" if holds else "inconsistent",
        computed=float(nearest),
        margin=ratio(figure.value, nearest),
        arithmetic=f"{device.name}: {words}" + ("" if holds else f": {percent_off(figure.value, nearest)}"),
    )


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
