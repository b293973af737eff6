"""`--peak`: the dense 16-bit peak of devices that have none published."""

import re
from decimal import Decimal

from msgspec.structs import replace

from moecalc.calc.speed.roofline import Roofline
from moecalc.errors import InputError, UndeterminedError
from moecalc.specs.fleet import GIVEN, Fleet, Group
from moecalc.specs.hardware import Peak
from moecalc.units import format_flops, parse_flops

LEAST, MOST = 10**9, 10**18
"""FLOP/s: a processor of the 2000s has more than the least, a cabinet of accelerators less than the most."""

EXAMPLE = "--peak 28TFLOP/s"


def with_peak(fleet: Fleet, text: str) -> Fleet:
    """The fleet with that dense peak (FLOP/s of each device, `28TFLOP/s`) in 16-bit floats, where none is published.

    Raises InputError for what is no rate of a device, and where every device has a peak of its own.
    """
    hint = f"type `{EXAMPLE}`"
    if text.strip().startswith("-"):
        raise InputError(f"`--peak {text}` is negative", hint=hint)
    try:
        rate = parse_flops(re.sub(r"(?i)/s$", "", text.strip()))
    except InputError as error:
        raise InputError(f"--peak: {error.message}", hint=hint) from None
    if not LEAST <= rate <= MOST:
        raise InputError(
            f"`--peak {text}` is no device's: {format_flops(LEAST)}/s to {format_flops(MOST)}/s", hint=hint
        )
    given = Peak(value=f"{Decimal(rate).scaleb(-12):f} TFLOP/s", source=GIVEN)
    groups = tuple(
        group
        if _is_known(group)
        else Group(
            replace(group.device, peaks=replace(group.device.peaks, bf16=given, fp16=given)), group.count
        )
        for group in fleet.groups
    )
    if groups == fleet.groups:
        device = fleet.groups[0].device
        known = device.peak("bf16") or device.peak("fp16")
        assert known is not None  # else it would have been given one
        raise InputError(
            f"`{device.name}` has a published dense peak, {format_flops(known.per_second)}/s in 16 bits",
            hint="leave `--peak` out: it is for devices that have none",
        )
    return Fleet(groups, fleet.host)


def require_peak(roofline: Roofline, option: str) -> None:
    """Raise UndeterminedError, naming the field, where `option` asks for arithmetic that no known peak bounds."""
    if roofline.is_bounded:
        return
    device = next(machine for machine in roofline.machines if not all(map(machine.peaks.get, roofline.ops)))
    formats = ", ".join(name for name in roofline.ops if device.peaks.get(name) is None)
    raise UndeterminedError(
        f"`peaks` of `{device.name}` has no dense peak for {formats}, nor a wider one, and `{option}` asks how fast "
        "prompts are read, which arithmetic bounds",
        hint=f"`{EXAMPLE}` gives its dense 16-bit peak; without `{option}` decoding is answered by bandwidth alone",
    )


def _is_known(group: Group) -> bool:
    return group.device.peak("bf16") is not None or group.device.peak("fp16") is not None
