"""Sizes of files and caches, memory that a model is said to run in, and devices that are said to hold it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from moecalc.calc.memory import gguf_header_bytes, state_bytes_per_token
from moecalc.checks.claiming.claim import Claim
from moecalc.checks.claiming.counts import match
from moecalc.checks.claiming.figure import Figure
from moecalc.checks.claiming.finding import Finding, percent_off, ratio
from moecalc.checks.claiming.subject import FEWEST_BITS, HELD_SHARE, Shaped, Subject
from moecalc.specs.fleet import Fleet
from moecalc.specs.gguf_mixtures import find_mixture
from moecalc.specs.hardware import Accelerator
from moecalc.units import format_bytes_binary, format_bytes_decimal

GIB = "GB read as GiB"

METADATA_BYTES = 2**20
"""Beside the vocabulary a GGUF has names and shapes of its tensors, and a chat template: tens of kilobytes in published
files (Meta-Llama-3-8B-Instruct.Q4_0.gguf: 4,661,724,384 bytes, of which at most 12 KB are neither tensors nor what
`gguf_header_bytes` allows the vocabulary); an upper estimate."""


def judge_size(claim: Claim, subject: Subject) -> Iterator[Finding]:
    """What weights or a file take."""
    figure = claim.size
    if figure is None:
        return
    if subject.weight_bytes is None:
        yield _unknown("size", figure, "which quantization, or how many parameters, was not said")
        return
    size = Fraction(subject.weight_bytes)
    sizes = [size]
    if isinstance(subject, Shaped) and subject.quant and find_mixture(subject.quant):
        sizes += [size + part + METADATA_BYTES for part in gguf_header_bytes(subject.ledger)]
    words = f"{both(size)} {_stored(subject)}"
    for reading, convention in ((figure, ""), (figure.as_binary(), GIB)):
        if reading is not None and reading.low <= max(sizes) and min(sizes) <= reading.high:
            yield Finding(
                part="size",
                stated=figure.text,
                verdict="holds under" if convention else "holds",
                convention=convention,
                computed=float(size),
                margin=ratio(figure.value, size),
                arithmetic=words,
            )
            return
    least = _least(subject)
    widest = figure.as_binary() or figure
    impossible = widest.high < least
    yield Finding(
        part="size",
        stated=figure.text,
        verdict="impossible" if impossible else "inconsistent",
        computed=float(size),
        margin=ratio(figure.value, size),
        arithmetic=f"{words}: {percent_off(figure.value, size)}",
        remarks=(
            *(_bits(figure, subject) if impossible else ()),
            *_active_only(figure, subject),
        ),
    )


def judge_kv(claim: Claim, subject: Subject) -> Iterator[Finding]:
    """Bytes of state per token."""
    figure = claim.kv
    if figure is None:
        return
    if not isinstance(subject, Shaped):
        yield _unknown("kv", figure, "counts say nothing of a cache")
        return
    context = claim.context or 1
    size = Fraction(state_bytes_per_token(subject.ledger, context, subject.kv_dtype))
    words = f"{both(size)} in {subject.kv_dtype}, growth by one more token"
    found = match(figure, [("", size)])
    binary = figure.as_binary()
    if found is None and binary is not None and match(binary, [("", size)]):
        found = GIB, size, ""
    if found is None:
        yield Finding(
            part="kv",
            stated=figure.text,
            verdict="inconsistent",
            computed=float(size),
            margin=ratio(figure.value, size) if size else None,
            arithmetic=f"{words}{': ' + percent_off(figure.value, size) if size else ''}",
        )
        return
    convention = ", ".join(filter(None, (found[0], found[2])))
    yield Finding(
        part="kv",
        stated=figure.text,
        verdict="holds under" if convention else "holds",
        convention=convention,
        computed=float(size),
        margin=ratio(figure.value, size),
        arithmetic=words,
    )


def judge_vram(claim: Claim, subject: Subject) -> Iterator[Finding]:
    """Memory that the model is said to need or to fit in: the weights alone must."""
    figure = claim.vram
    if figure is None:
        return
    binary = figure.as_binary()
    ram = claim.ram.high if claim.ram else Fraction(0)
    if claim.ram is not None and (wider := claim.ram.as_binary()) is not None:
        ram = wider.high
    readings = [("", figure.high + ram), *([(GIB, binary.high + ram)] if binary else [])]
    yield _room("vram", figure.text, readings, figure, subject)


def judge_gpu(claim: Claim, subject: Subject, fleet: Fleet | None) -> Iterator[Finding]:
    """Devices that are said to hold the model."""
    if claim.gpu is None or fleet is None:
        return
    if subject.total is None:
        yield _unknown("gpu", None, "how many parameters there are is undisclosed", claim.gpu)
        return
    sizes = [most_bytes(device) for device in fleet.devices]
    if None in sizes:
        yield _unknown("gpu", None, "the memory of a device is not published", claim.gpu)
        return
    room = Fraction(sum(size for size in sizes if size is not None))
    beside = claim.ram
    if beside is not None:
        room += (beside.as_binary() or beside).high
    yield _room("gpu", claim.gpu, [("", room)], None, subject, with_ram=beside is not None)


def most_bytes(device: Accelerator) -> int | None:
    """The most that a device can hold by any source: what is on its box read as GiB, or what was measured."""
    memory = device.memory
    box = memory.marketing
    sizes = [capacity.bytes for capacity in (memory.driver, memory.allocatable) if capacity is not None]
    if box is not None:
        sizes.append(box.bytes * 2**30 // 10**9 if box.value.endswith("GB") else box.bytes)
    return max(sizes, default=None)


def both(size: Fraction) -> str:
    """A size in both bases: `24.7 GB (23.0 GiB)`."""
    return f"{format_bytes_decimal(size)} ({format_bytes_binary(size)})"


def _room(
    part: str,
    stated: str,
    readings: list[tuple[str, Fraction]],
    figure: Figure | None,
    subject: Subject,
    *,
    with_ram: bool = False,
) -> Finding:
    most = max(room for _, room in readings)
    if subject.total is None:
        return _unknown(part, figure, "how many parameters there are is undisclosed", stated)
    if subject.weight_bytes is None or (subject.quant is None and _held(subject) > most):
        fewest = most * 8 / subject.total
        if fewest < FEWEST_BITS:
            return Finding(
                part=part,
                stated=stated,
                verdict="impossible",
                computed=float(subject.total * FEWEST_BITS / 8),
                margin=ratio(most, subject.total * FEWEST_BITS / 8),
                arithmetic=f"{float(fewest):.2f} bits for each parameter; the smallest format in use has "
                f"{float(FEWEST_BITS):.2f}",
            )
        released = (
            ""
            if subject.weight_bytes is None
            else f"; as released it takes {both(Fraction(subject.weight_bytes))}"
        )
        return Finding(
            part=part,
            stated=stated,
            verdict="undetermined",
            arithmetic=f"no quantization was named: it fits below {float(fewest):.2f} bits per parameter{released}",
        )
    need = _held(subject)
    words = f"weights {both(need)} {_stored(subject)}"
    for convention, room in readings:
        if need <= room:
            left = format_bytes_decimal(room - need)
            where = " of the devices and the RAM" if with_ram else ""
            return Finding(
                part=part,
                stated=stated,
                verdict="holds under" if convention else "holds",
                convention=convention,
                computed=float(need),
                margin=ratio(room, need),
                arithmetic=f"{words}, {both(room)}{where}: {left} left for state and runtime",
            )
    least = _least(subject, looked_up=True)
    return Finding(
        part=part,
        stated=stated,
        verdict="impossible" if most < least else "inconsistent",
        computed=float(need),
        margin=ratio(most, need),
        arithmetic=f"{words} alone exceed {both(most)} by {format_bytes_decimal(need - most)}",
        remarks=(
            *(_active_only(figure, subject, most) if figure is not None or most < need else ()),
            *(() if with_ram else ("where part of it lies in the host's memory, say so: `with 64 GB RAM`",)),
        ),
    )


def _held(subject: Subject) -> Fraction:
    if isinstance(subject, Shaped):
        return subject.held_bytes
    return Fraction(subject.weight_bytes or 0)


def _least(subject: Subject, *, looked_up: bool = False) -> Fraction:
    """The least that any reading of the statement leaves room for."""
    if isinstance(subject, Shaped):
        return subject.least_held_bytes if looked_up else subject.total * subject.bits / 8
    return Fraction(subject.weight_bytes or 0) / HELD_SHARE


def _stored(subject: Subject) -> str:
    if isinstance(subject, Shaped):
        return f"as {subject.precision.label}" if subject.quant is None else f"under {subject.quant}"
    return f"at {float(subject.bits or 0):g} bits"


def _bits(figure: Figure, subject: Subject) -> tuple[str, ...]:
    if subject.total is None:
        return ()
    stated = float(figure.value * 8 / subject.total)
    return (
        f"{figure.text} is {stated:.2f} bits for each parameter, and {subject.quant or 'the release'} has more",
    )


def _active_only(figure: Figure | None, subject: Subject, room: Fraction | None = None) -> tuple[str, ...]:
    """A memory figure that was reckoned from the active parameters."""
    if subject.active is None or subject.total is None or subject.active >= subject.total:
        return ()
    size = _held(subject) if isinstance(subject, Shaped) else Fraction(subject.weight_bytes or 0)
    alone = size * subject.active / subject.total
    stated = figure.high if figure is not None else room
    if stated is None or not alone * Fraction(3, 4) <= stated < size * Fraction(2, 3):
        return ()
    needs = "memory must hold all of them, for the next token can choose any expert"
    return (f"the active parameters alone would take {format_bytes_decimal(alone)}; {needs}",)


def _unknown(part: str, figure: Figure | None, why: str, stated: str | None = None) -> Finding:
    return Finding(
        part=part,
        stated=stated or (figure.text if figure else ""),
        verdict="undetermined",
        arithmetic=why,
    )
