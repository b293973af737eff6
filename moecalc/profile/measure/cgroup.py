"""What a container or a batch system leaves of its memory limit: Linux's control groups, version 1 and 2.

Source: the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst. A limit holds for a group and all
below it, so every group on the way to the root is asked. Cached files that nobody has read lately count as free: the
kernel drops them first.
"""

from collections.abc import Iterator
from pathlib import Path

GROUPS = Path("/proc/self/cgroup")
MOUNTED = Path("/sys/fs/cgroup")

LIMITS = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""By the controller in the list of groups (version 2 names none): the files of limit and use, the entry of caches."""


def memory_left(groups: Path = GROUPS, mounted: Path = MOUNTED) -> int | None:
    """Bytes until the nearest limit; None where there is none, or nobody says."""
    return min(_left(groups, mounted), default=None)


def _left(groups: Path, mounted: Path) -> Iterator[int]:
    for line in _text(groups).splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        for controller in set(controllers.split(",")) & LIMITS.keys():
            root = mounted / controller
            for folder in _upwards(root, path):
                limit, used = (_number(_text(folder / name)) for name in LIMITS[controller][:2])
                if limit is not None and used is not None:
                    yield max(0, limit - used + _cached(folder, LIMITS[controller][2]))


def _upwards(root: Path, path: str) -> Iterator[Path]:
    """The group's folder and all above it; in a container, whose own group is the root of what it sees, the root."""
    names = [name for name in path.split("/") if name not in {"", ".", ".."}]
    for length in range(len(names), -1, -1):
        yield root.joinpath(*names[:length])


def _cached(folder: Path, entry: str) -> int:
    found = [line.split() for line in _text(folder / "memory.stat").splitlines()]
    return next((_number(words[1]) or 0 for words in found if words[:1] == [entry] and len(words) == 2), 0)


def _number(text: str) -> int | None:
    """A limit is `max` (version 2) where there is none; version 1 has a number beyond any memory."""
    return int(text) if text.strip().isdecimal() else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
