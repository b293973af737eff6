"""The machines that `--gpu`, `--vram`, `--bandwidth`, `--ram` and `--ram-bandwidth` mean together."""

import re
from typing import Any

from msgspec.structs import replace

from moecalc.errors import InputError
from moecalc.specs import fleet
from moecalc.specs.fleet import UNLISTED, Fleet, Group

_COUNTED = re.compile(r"\s*\d+\s*([x×*]|\s)", re.IGNORECASE)

LOCAL = "local"
"""`--gpu local`: what this machine has."""


def fleet_from(devices: Any) -> Fleet:
    """The fleet itself, or the one that a word like `8xh100` names. Raises InputError as `fleet_of` does."""
    if isinstance(devices, Fleet):
        return devices
    if not isinstance(devices, str):
        raise InputError(f"{devices!r} names no devices", hint="`8xh100`, or `moecalc.devices(vram='24GiB')`")
    found = fleet_of(devices)
    assert found is not None  # a word names some, or is an error
    return found


def devices(
    gpu: str | None = None,
    *,
    vram: str | None = None,
    bandwidth: str | None = None,
    ram: str | None = None,
    ram_bandwidth: str | None = None,
) -> Fleet:
    """Devices with what stands beside them, for `fit`, `speed` and the others: `devices(vram="24GiB", ram="64GiB")`.

    Raises InputError as the options of the same names do, and where no device is named.
    """
    found = fleet_of(gpu, vram, bandwidth, ram, ram_bandwidth)
    if found is None:
        raise InputError("no devices are named", hint="`gpu='8xh100'`, or `vram='24GiB'`")
    return found


def is_counted(text: str, found: Fleet) -> bool:
    """Whether a number of devices was typed: `8xh100`, `1xh100`, `h100 + a100`, but not `h100`."""
    return _COUNTED.match(text) is not None or found.count > 1


def fleet_of(
    gpu: str | None = None,
    vram: str | None = None,
    bandwidth: str | None = None,
    ram: str | None = None,
    ram_bandwidth: str | None = None,
) -> Fleet | None:
    """The fleet that was typed; None where neither a device nor its memory was.

    Raises InputError for an unknown device, a count or size that makes no sense, and options that exclude each other;
    UndeterminedError where `local` finds no GPU.
    """
    host = fleet.host(ram, ram_bandwidth)
    if vram is None and bandwidth is None:
        if gpu is None:
            return None
        if gpu.strip().lower() == LOCAL:
            from moecalc.api.local_devices import local_fleet  # only if asked for

            found = local_fleet()
            given = {name: getattr(host, name) for name in host.__struct_fields__ if getattr(host, name)}
            return replace(found, host=replace(found.host, **given))
        if LOCAL in (part.strip().lower() for part in gpu.split("+")):
            raise InputError(
                f"`--gpu {gpu}` joins `local`, which is all of this machine, with other devices",
                hint="name every device instead: `--gpu 'rtx-4090 + h100'`",
            )
        return replace(fleet.parse(gpu), host=host)
    if vram is None:
        raise InputError(
            "`--bandwidth` describes an unlisted device, whose memory is missing", hint="add `--vram 24GiB`"
        )
    device = fleet.unlisted(vram, bandwidth)
    if gpu is None:
        return Fleet((Group(device),), host)
    if UNLISTED not in gpu.lower():
        raise InputError(
            f"`--gpu {gpu}` and `--vram {vram}` exclude each other",
            hint=f"leave one out; several unlisted devices are `--gpu 4x{UNLISTED} --vram {vram}`",
        )
    return replace(fleet.parse(gpu, device), host=host)
