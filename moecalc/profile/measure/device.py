"""The device that was asked for, what it says of itself, and what it can be asked to compute in."""

import os
import platform
from typing import Any, Literal

from moecalc.errors import InputError
from moecalc.profile.measure.cgroup import memory_left
from moecalc.profile.measure.clocks import NO_CLOCKS, Clocks, answer_of, ask_tool
from moecalc.profile.measure.torch_errors import first_line, is_out_of_memory
from moecalc.specs.formats import find_format
from moecalc.specs.runs import RunDevice

INSTALL = "pip install 'moecalc[profile]'"

DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""Names of formats that a model can be run in, and torch's for them."""

KINETO_SILENT = "99"
"""Above every level of severity that the profiler's library prints to stderr (libkineto, ILoggerObserver.h)."""


def import_torch() -> Any:
    """The library. Raises InputError where it is not installed."""
    os.environ.setdefault("KINETO_LOG_LEVEL", KINETO_SILENT)  # read once, when torch is loaded
    try:
        import torch
    except ImportError:
        raise InputError("`moecalc profile` needs torch, which is not installed", hint=INSTALL) from None
    return torch


def choose_device(gpu: int | None, *, cpu: bool) -> Any:
    """The torch device: a GPU by its index, else the CPU. Raises InputError where there is no such GPU.

    The GPU becomes torch's current device: streams, events, graphs and the probes of kernels are that device's by it.
    """
    torch = import_torch()
    if cpu and gpu is not None:
        raise InputError("`--gpu` and `--cpu` exclude each other", hint="choose one")
    if cpu:
        return torch.device("cpu")
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if there == 0:
        built = "" if torch.version.cuda or torch.version.hip else " (this torch is built without CUDA)"
        raise InputError(
            f"torch sees no GPU on this machine{built}",
            hint="`--cpu` profiles on the processor: small models, and its own figures",
        )
    index = gpu or 0
    if not 0 <= index < there:
        raise InputError(
            f"no GPU {index}: torch sees {there}",
            hint=f"`--gpu {there - 1}` is the last one" if there > 1 else "leave `--gpu` out, or `--gpu 0`",
        )
    device = torch.device("cuda", index)
    try:
        torch.cuda.set_device(device)
        torch.cuda.synchronize(device)  # the first call that a full or broken GPU refuses
    except RuntimeError as error:
        raise InputError(
            f"GPU {index} cannot be used: {first_line(error)}",
            hint="`nvidia-smi` says who uses it, and in which compute mode it is",
        ) from None
    return device


def torch_dtype(name: str, device: Any) -> Any:
    """Torch's type for a format. Raises InputError for one that models are not run in, or not on this device."""
    torch = import_torch()
    known = find_format(name).name
    if known not in DTYPES:
        raise InputError(f"`--dtype {name}` cannot be run", hint=f"choose one of {', '.join(DTYPES)}")
    dtype = getattr(torch, DTYPES[known])
    try:
        one = torch.ones(8, 8, dtype=dtype, device=device)
        float((one @ one).sum())
    except RuntimeError as error:
        if is_out_of_memory(error):  # says nothing of the type
            raise
        raise InputError(
            f"`--dtype {name}` is not supported by torch {torch.__version__} on `{device}`: {first_line(error)}",
            hint=f"choose another of {', '.join(DTYPES)}",
        ) from None
    return dtype


def describe_device(device: Any, clocks: Clocks = NO_CLOCKS) -> RunDevice:
    """What a run file says of a device, with the clocks that were seen; None for what it does not tell."""
    torch = import_torch()
    kind: Literal["cpu", "cuda"] = "cuda" if device.type == "cuda" else "cpu"
    system = f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}"
    python, version = platform.python_version(), str(torch.__version__)
    if kind == "cpu":
        return RunDevice(
            kind=kind,
            name=_cpu_name(),
            memory_bytes=memory_of(device),
            threads=torch.get_num_threads(),
            system=system,
            python=python,
            torch=version,
        )
    properties = torch.cuda.get_device_properties(device)
    return RunDevice(
        kind=kind,
        name=properties.name,
        memory_bytes=properties.total_memory,
        l2_bytes=l2_bytes(device),
        driver=_driver(),
        cuda=torch.version.cuda or torch.version.hip,
        clock_mhz=clocks.now,
        clock_max_mhz=clocks.most,
        system=system,
        python=python,
        torch=version,
    )


def memory_of(device: Any) -> int | None:
    """Bytes of memory that the device has; None where the machine does not say."""
    if device.type == "cuda":
        torch = import_torch()
        return int(torch.cuda.get_device_properties(device).total_memory)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def free_bytes(device: Any) -> int | None:
    """Bytes that nothing uses now; None where the machine does not say.

    On a GPU those that torch keeps for its next allocations are among them: it gives them back where it has to. On a
    CPU no more than a container's limit leaves.
    """
    if device.type == "cuda":
        torch = import_torch()
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0] + kept)
    try:
        with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123 - Linux's, and nothing else's
            found = dict(line.split(":", 1) for line in file)
        available = int(found["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return memory_left()
    left = memory_left()
    return available if left is None else min(available, left)


def l2_bytes(device: Any) -> int | None:
    """Bytes of a GPU's shared cache; None of a CPU, and where torch does not say."""
    if device.type != "cuda":
        return None
    found = getattr(import_torch().cuda.get_device_properties(device), "L2_cache_size", None)
    return int(found) if found else None


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - as above
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names and names[0] else platform.processor() or platform.machine()


def _driver() -> str | None:
    """The driver's version as its tool prints it; None where there is none."""
    asked = ask_tool("driver_version")
    lines = [] if asked is None else answer_of(asked).split()
    return lines[0] if lines else None
