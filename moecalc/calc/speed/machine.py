"""What one device can do, as far as published: bytes per second, and the dense peak that a storage format can feed."""

import msgspec

from moecalc.errors import UndeterminedError
from moecalc.ir.numeric import Number
from moecalc.specs.fleet import UNLISTED
from moecalc.specs.formats import find_format
from moecalc.specs.hardware import Accelerator
from moecalc.specs.hardware import Format as Arithmetic

PEAK_FOR: dict[str, tuple[Arithmetic, ...]] = {
    "fp32": ("tf32", "fp32"),
    "bf16": ("bf16", "fp16"),
    "fp16": ("fp16", "bf16"),
    "fp8": ("fp8", "bf16", "fp16"),
    "fp8-block128": ("fp8", "bf16", "fp16"),
    "int8": ("int8", "fp8", "bf16", "fp16"),
    "int4": ("int8", "fp8", "bf16", "fp16"),
    "mxfp4": ("fp4", "fp8", "bf16", "fp16"),
    "nvfp4": ("fp4", "fp8", "bf16", "fp16"),
}
"""For each storage format the arithmetic it can feed, first the one of its own width, which wins among equals."""

FLOATS: tuple[Arithmetic, ...] = ("bf16", "fp16", "tf32")
"""Formats that are multiplied as they are; the next one stands in only where their own peak is not published."""

GGML: tuple[Arithmetic, ...] = ("int8", "fp8", "bf16", "fp16")
"""ggml multiplies its quantized blocks in 8-bit integers where it has a kernel (ggml-cuda mmq), else as floats."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """One device: bytes per second, and dense FLOP/s by storage format."""

    name: str
    bandwidth: int
    peaks: dict[str, int | None]
    """By name of the format that operands are stored in; None where no source gives one."""
    link: int | None = None
    """Bytes per second to other devices, in one direction; None where unknown."""
    domain: int | None = None
    """Devices that the link joins; None where no source says it."""
    network: int | None = None
    """Bytes per second to devices of other domains, in one direction; None where unknown."""

    def seconds(self, flops: Number, format_: str) -> Number:
        """Seconds of that many FLOPs on operands of a format; 0 where no peak is published."""
        peak = self.peaks.get(format_)
        return flops / peak if peak else 0 * flops


def machine(accelerator: Accelerator, formats: tuple[str, ...]) -> Machine:
    """What bounds a model stored in these formats. Raises UndeterminedError where no bandwidth is known."""
    if accelerator.bandwidth is None:
        raise UndeterminedError(
            f"`{accelerator.name}` has no published bandwidth",
            hint="`--bandwidth 1008GB/s` gives it to `--vram`"
            if accelerator.name == UNLISTED
            else "`moecalc hardware` lists what is known of each device",
        )
    link, network = accelerator.interconnect, accelerator.network
    return Machine(
        name=accelerator.name,
        bandwidth=accelerator.bandwidth.bytes_per_second,
        peaks={name: peak_of(accelerator, name) for name in formats},
        link=link.bytes_per_second if link else None,
        domain=accelerator.domain_devices,
        network=network.bytes_per_second if network else None,
    )


def peak_of(accelerator: Accelerator, format_: str) -> int | None:
    """Dense FLOP/s of the fastest arithmetic that a storage format can feed; None where no source gives any."""
    found = fastest(accelerator, format_)
    peak = accelerator.peak(found) if found else None
    return peak.per_second if peak else None


def fastest(accelerator: Accelerator, format_: str) -> Arithmetic | None:
    """The arithmetic whose peak that is."""
    tried = _tried(format_)
    known = {name: peak.per_second for name in tried if (peak := accelerator.peak(name)) is not None}
    if not known or tried[0] in FLOATS:
        return next(iter(known), None)
    # Not the first: Blackwell Ultra multiplies 8-bit integers at a fifteenth of the rate of 16-bit floats.
    return max(known, key=lambda name: known[name])


def widened(accelerator: Accelerator, format_: str) -> Arithmetic | None:
    """The 16-bit arithmetic that operands of fewer bits are made for, for want of a peak of their own; else None."""
    found = fastest(accelerator, format_)
    return found if found in FLOATS and _tried(format_)[0] not in FLOATS else None


def _tried(format_: str) -> tuple[Arithmetic, ...]:
    if format_.startswith("ggml-"):
        return GGML
    return PEAK_FOR.get(find_format(format_).computes_in or format_, ("bf16", "fp16"))
