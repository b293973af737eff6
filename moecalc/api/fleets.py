"""The machines that `--gpu`, `--vram`, `--bandwidth`, `--ram` and `--ram-bandwidth` mean together."""

from msgspec.structs import replace

from moecalc.errors import InputError
from moecalc.specs import fleet
from moecalc.specs.fleet import UNLISTED, Fleet, Group

LOCAL = "local"
"""`--gpu local`: what this machine has."""


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
