"""Sizes of files and caches, memory that a model is said to run in, and devices that are said to hold it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from moecalc.calc.memory import gguf_header_bytes, state_bytes_per_token
from moecalc.checks.claiming.claim import Claim
from moecalc.checks.claiming.counts import match
from moecalc.checks.claiming.figure import Figure
from moecalc.checks.claiming.finding import Finding, percent_off, ratio
from moecalc.checks.claiming.room import cache_of, room_for
from moecalc.checks.claiming.stored import active_only, both, least, stored, unknown
from moecalc.checks.claiming.subject import Shaped, Subject
from moecalc.specs.fleet import Fleet
from moecalc.specs.gguf_mixtures import find_mixture
from moecalc.specs.hardware import Accelerator

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
        yield unknown("size", figure, "which quantization, or how many parameters, was not said")
        return
    size = Fraction(subject.weight_bytes)
    sizes = [size]
    if isinstance(subject, Shaped) and subject.quant and find_mixture(subject.quant):
        sizes += [size + part + METADATA_BYTES for part in gguf_header_bytes(subject.ledger)]
    words = f"{both(size)} {stored(subject)}"
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
    fewest = least(subject)
    widest = figure.as_binary() or figure
    impossible = widest.high < fewest
    yield Finding(
        part="size",
        stated=figure.text,
        verdict="impossible" if impossible else "inconsistent",
        computed=float(size),
        margin=ratio(figure.value, size),
        arithmetic=f"{words}: {percent_off(figure.value, size)}",
        remarks=(
            *(_bits(figure, subject) if impossible else ()),
            *active_only(figure, subject),
        ),
    )


def judge_kv(claim: Claim, subject: Subject) -> Iterator[Finding]:
    """Bytes of state per token."""
    figure = claim.kv
    if figure is None:
        return
    if not isinstance(subject, Shaped):
        yield unknown("kv", figure, "counts say nothing of a cache")
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
    cache = cache_of(claim, subject)
    yield room_for(
        "vram", figure.text, readings, figure, subject, with_ram=claim.ram is not None, cache=cache
    )


def judge_gpu(claim: Claim, subject: Subject, fleet: Fleet | None) -> Iterator[Finding]:
    """Devices that are said to hold the model."""
    if claim.gpu is None or fleet is None:
        return
    if subject.total is None:
        yield unknown("gpu", None, "how many parameters there are is undisclosed", claim.gpu)
        return
    sizes = [most_bytes(device) for device in fleet.devices]
    if None in sizes:
        yield unknown("gpu", None, "the memory of a device is not published", claim.gpu)
        return
    room = Fraction(sum(size for size in sizes if size is not None))
    beside = claim.ram
    if beside is not None:
        room += (beside.as_binary() or beside).high
    cache = cache_of(claim, subject)
    yield room_for("gpu", claim.gpu, [("", room)], None, subject, with_ram=beside is not None, cache=cache)


def most_bytes(device: Accelerator) -> int | None:
    """The most that a device can hold by any source: what is on its box read as GiB, or what was measured."""
    memory = device.memory
    box = memory.marketing
    sizes = [capacity.bytes for capacity in (memory.driver, memory.allocatable) if capacity is not None]
    if box is not None:
        sizes.append(box.bytes * 2**30 // 10**9 if box.value.endswith("GB") else box.bytes)
    return max(sizes, default=None)


def _bits(figure: Figure, subject: Subject) -> tuple[str, ...]:
    if subject.total is None:
        return ()
    stated = float(figure.value * 8 / subject.total)
    return (
        f"{figure.text} is {stated:.2f} bits for each parameter, and {subject.quant or 'the release'} has more",
    )
