"""`--gpu local`: the GPUs of this machine, as nvidia-smi or else torch reports them, and its memory."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec

from msgspec import Struct
from msgspec.structs import replace

from moecalc.errors import InputError, UndeterminedError
from moecalc.specs.fleet import Fleet, Group, Host
from moecalc.specs.hardware import Accelerator, Capacity, Memory, accelerator

TIMEOUT_SECONDS = 20
"""A driver that has fallen asleep takes some seconds to answer; one that hangs must not hang moecalc."""

NEAR = 0.08
"""Share by which the memory of a device may differ from that of its namesake in the catalogue: GB against GiB are 7%.
Beyond, it is another device with the same name (an RTX 3080 of 12 GB, a slice of an A100)."""

_QUERY = "index,uuid,name,memory.total,memory.free"
_SMI = "nvidia-smi on this machine"
_TORCH = "torch.cuda on this machine"


class Found(Struct, frozen=True):
    """A device as the driver or torch reports it; memory in bytes, None where it reports none (unified memory)."""

    name: str
    total: int | None
    free: int | None
    source: str


def local_fleet() -> Fleet:
    """The GPUs of this machine, equal ones in one group, and its memory.

    A device that the catalogue knows has the catalogue's bandwidth and peaks, and the memory that it reports itself.
    Raises UndeterminedError where no GPU is found.
    """
    found = _by_nvidia_smi()
    if found is None:
        found = _by_torch()
    if not found:
        raise UndeterminedError(
            "no GPU found on this machine: neither nvidia-smi nor torch reports one",
            hint="name one (`--gpu rtx-4090`), or describe it (`--vram 24GiB --bandwidth 1008GB/s`)",
        )
    groups: dict[tuple[str, int | None], list[Found]] = {}
    for device in found:
        groups.setdefault((device.name, device.total), []).append(device)
    return Fleet(tuple(map(_group, groups.values())), Host(ram=_ram()))


def _group(devices: list[Found]) -> Group:
    first = devices[0]
    free = min((device.free for device in devices if device.free is not None), default=None)
    device = _listed(first) or _unlisted(first)
    if free is not None:
        device = replace(device, memory=replace(device.memory, free=_mebibytes(free, first.source)))
    return Group(device, len(devices))


def _listed(found: Found) -> Accelerator | None:
    """The catalogue's device of that name and about that memory, with the memory that was found."""
    try:
        device = accelerator(found.name)
    except InputError:
        return None
    memory = device.memory
    known = memory.driver or memory.marketing
    if found.total is None or known is None:
        return device
    if abs(found.total - known.bytes) > NEAR * known.bytes:
        return None
    allocatable = memory.allocatable
    if allocatable is not None and allocatable.bytes > found.total:
        allocatable = None
    driver = _mebibytes(found.total, found.source)
    return replace(device, memory=replace(memory, driver=driver, allocatable=allocatable))


def _unlisted(found: Found) -> Accelerator:
    driver = None if found.total is None else _mebibytes(found.total, found.source)
    return Accelerator(
        name=found.name, label=found.name, vendor=None, kind="gpu", memory=Memory(driver=driver)
    )


def _by_nvidia_smi() -> list[Found] | None:
    """What nvidia-smi lists of the devices that CUDA may see; None where it is not there or does not answer."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return None
    try:
        answer = subprocess.run(  # noqa: S603 - no shell, and nothing in it was typed
            [command, f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits"],
            capture_output=True,
            check=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    rows = [[cell.strip() for cell in line.split(",")] for line in answer.stdout.splitlines()]
    visible = _visible()
    return [
        Found(name, _from_mebibytes(total), _from_mebibytes(free), _SMI)
        for index, uuid, name, total, free in (row for row in rows if len(row) == len(_QUERY.split(",")))
        if visible is None or index in visible or any(entry and uuid.startswith(entry) for entry in visible)
    ]


def _visible() -> list[str] | None:
    """The indices and UUIDs of CUDA_VISIBLE_DEVICES, which nvidia-smi does not heed; None for all."""
    text = os.environ.get("CUDA_VISIBLE_DEVICES")
    return None if text is None else [entry.strip() for entry in text.split(",")]


def _by_torch() -> list[Found]:
    """What torch finds (CUDA or ROCm); nothing where it is not installed, or breaks."""
    if "torch" not in sys.modules and find_spec("torch") is None:
        return []
    try:
        import torch

        devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else range(0)
        found = []
        for device in devices:
            free, total = torch.cuda.mem_get_info(device)
            found.append(Found(torch.cuda.get_device_name(device), total, free, _TORCH))
    except (ImportError, OSError, RuntimeError):
        return []
    return found


def _ram() -> Capacity | None:
    try:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # no POSIX
        return None
    return _mebibytes(size, "the operating system of this machine")


def _mebibytes(size: int, source: str) -> Capacity:
    return Capacity(value=f"{size // 2**20} MiB", source=source)


def _from_mebibytes(text: str) -> int | None:
    return int(text) * 2**20 if text.isdecimal() else None
