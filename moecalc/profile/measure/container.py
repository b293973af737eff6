"""What a container allows of the machine's memory: its control groups, by Linux's two versions of them.

A group's limit holds for all groups below it, so every one from the process's own up to the root is asked. Files that
were read and can be dropped count as free, as the kernel would drop them first (Documentation/admin-guide/cgroup-v2).
"""

from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
"""Lines of `number:controllers:path`; version 2 has number 0 and names no controllers."""


def allowed_bytes() -> int | None:
    """The least that a group of this process may hold; None where none is limited."""
    return min((limit for limit, _ in _limits()), default=None)


def free_in_container() -> int | None:
    """The least that is left of such a limit; None where none is limited."""
    return min((max(0, limit - used) for limit, used in _limits()), default=None)


def _limits() -> list[tuple[int, int]]:
    """(limit, in use) of every group that has a limit."""
    try:
        lines = OWN.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            base, limit, used, dropped = ROOT, "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            base, limit = ROOT / "memory", "memory.limit_in_bytes"
            used, dropped = "memory.usage_in_bytes", "total_inactive_file"
        else:
            continue
        # Inside a container the path may be that outside of it: what is not there is passed over.
        own = base / path.strip("/")
        for group in (own, *(parent for parent in own.parents if parent.is_relative_to(base))):
            most, held = _number(group / limit), _number(group / used)
            if most is not None and held is not None:
                found.append((most, held - _stat(group / "memory.stat", dropped)))
    return found


def _number(path: Path) -> int | None:
    """A file's only number; None where it has none, as `max` for no limit."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _stat(path: Path, name: str) -> int:
    """A line's number; 0 where there is no such line, which is the careful side."""
    try:
        lines = dict(line.split(maxsplit=1) for line in path.read_text(encoding="ascii").splitlines())
        return int(lines.get(name, 0))
    except (OSError, ValueError):
        return 0
