"""What NVIDIA's own tool says of a GPU that is busy: its driver, its clock, and the highest that it has."""

import shutil
import subprocess
from time import monotonic
from typing import Any, NamedTuple

LIMIT_SECONDS = 10.0
SIDE = 4096
"""Of the matrices that keep the device busy: 32 MiB each in two bytes."""

QUERY = "driver_version,clocks.sm,clocks.max.sm"


class Told(NamedTuple):
    """None for what the tool does not tell."""

    driver: str | None = None
    clock_mhz: int | None = None
    max_clock_mhz: int | None = None


def ask_while_busy(torch: Any, device: Any) -> Told:
    """Ask while the device multiplies: an idle one has lowered its clock.

    The GPU is named by its own identity, as the tool does not number devices as torch does.
    """
    tool = shutil.which("nvidia-smi")
    identity = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    if tool is None or identity is None:
        return Told()
    name = str(identity) if str(identity).startswith(("GPU-", "MIG-")) else f"GPU-{identity}"
    asked = [tool, f"--id={name}", f"--query-gpu={QUERY}", "--format=csv,noheader,nounits"]
    left = torch.randn(SIDE, SIDE, device=device, dtype=torch.float16)
    made = torch.empty_like(left)
    try:
        process = subprocess.Popen(  # noqa: S603 - a fixed command, found on the path
            asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    except OSError:
        return Told()
    with process:
        ends = monotonic() + LIMIT_SECONDS
        while process.poll() is None and monotonic() < ends:
            for _ in range(8):
                torch.mm(left, left, out=made)
            torch.cuda.synchronize(device)
        if process.poll() is None:
            process.kill()
        said = process.stdout.read() if process.stdout else ""
    return parsed(said)


def parsed(said: str) -> Told:
    """The tool's one line of `driver, MHz, MHz`; what it refuses stands there as words."""
    parts = [part.strip() for part in said.strip().split(",")]
    if len(parts) != len(QUERY.split(",")):
        return Told()
    driver, clock, most = parts
    named = driver if driver[:1].isdigit() else None
    return Told(named, *(int(mhz) if mhz.isdigit() else None for mhz in (clock, most)))
