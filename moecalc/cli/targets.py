"""Files that a long command writes at its end: whether it can is known before it begins."""

import os
from pathlib import Path

from moecalc.errors import InputError


def check_target(option: str, file: str | None) -> None:
    """Raise InputError for a file that cannot be written; None is no file. Nothing is written or emptied."""
    if file is None:
        return
    path = Path(file)
    try:
        reason = _reason(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
    if reason:
        raise InputError(
            f"cannot write `{option} {file}`: {reason}", hint="name a file in a folder that exists"
        )


def _reason(path: Path) -> str:
    if path.is_dir():
        return "is a directory"
    if path.exists():
        return "" if os.access(path, os.W_OK) else "permission denied"
    if not path.parent.is_dir():
        return f"no folder `{path.parent}`"
    return "" if os.access(path.parent, os.W_OK | os.X_OK) else f"permission denied in `{path.parent}`"
