"""The clock of a GPU while it works, and the highest it has: a device that is hot or capped runs at less.

The driver's tool is asked, and steps run until it has answered: an idle device says its idle clock. A driver that does
not answer, as in many containers and for slices of a GPU, leaves the clock unknown.
"""

import shutil
import subprocess
from collections.abc import Iterable
from time import monotonic
from typing import Any, NamedTuple

from moecalc.profile.measure.timing import Call

LIMIT_SECONDS = 10.0
"""That the driver's tool may take."""


class Clocks(NamedTuple):
    """MHz of the multiprocessors; None where nobody says."""

    now: int | None = None
    most: int | None = None


NO_CLOCKS = Clocks()


def slowest(seen: Iterable[Clocks]) -> Clocks:
    """Of several steps: the lowest clock, and the highest that the device has."""
    seen = list(seen)
    now = [clocks.now for clocks in seen if clocks.now is not None]
    most = [clocks.most for clocks in seen if clocks.most is not None]
    return Clocks(min(now, default=None), max(most, default=None))


def clocks_under(torch: Any, device: Any, step: Call) -> Clocks:
    """What the clock is while steps run on the device."""
    said = _said_by_tool(torch, device, step)
    if said.now is not None:
        return said
    step()  # not waited for: the device works while it is asked
    now = _said_by_library(torch, device)
    torch.cuda.synchronize(device)
    return said._replace(now=now)


def ask_tool(fields: str, *more: str) -> "subprocess.Popen[str] | None":
    """The driver's tool, started; None where there is none."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    words = [tool, *more, f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    try:
        return subprocess.Popen(  # noqa: S603 - a fixed command, found on the path
            words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace"
        )
    except OSError:
        return None


def answer_of(asked: "subprocess.Popen[str]", seconds: float = LIMIT_SECONDS) -> str:
    """What it printed; nothing where it fails, or takes longer."""
    try:
        said, _ = asked.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        asked.kill()
        asked.communicate()
        return ""
    return said if asked.returncode == 0 else ""


def _said_by_tool(torch: Any, device: Any, step: Call) -> Clocks:
    # By its own id: the tool numbers all GPUs of the machine, torch those that it may see.
    uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    if uuid is None:
        return NO_CLOCKS
    name = str(uuid)
    asked = ask_tool(
        "clocks.sm,clocks.max.sm", f"--id={name if name.startswith(('GPU-', 'MIG-')) else f'GPU-{name}'}"
    )
    if asked is None:
        return NO_CLOCKS
    until = monotonic() + LIMIT_SECONDS
    try:
        while asked.poll() is None and monotonic() < until:
            step()
            torch.cuda.synchronize(device)
    finally:
        said = answer_of(asked, 0.0 if asked.poll() is None else LIMIT_SECONDS)
    lines = said.splitlines()
    words = [word.strip() for word in lines[0].split(",")] if lines else []
    numbers = [int(word) if word.isdecimal() else None for word in words]
    return Clocks(*numbers) if len(numbers) == len(Clocks._fields) else NO_CLOCKS


def _said_by_library(torch: Any, device: Any) -> int | None:
    try:
        return int(torch.cuda.clock_rate(device))
    except Exception:  # noqa: BLE001 - NVIDIA's and AMD's libraries for Python, where they are, raise errors of their own
        return None
