"""`[tool.moecalc]` of a pyproject.toml: its data, and the line of every limit, which TOML readers do not tell."""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from moecalc.errors import InputError

PYPROJECT = "pyproject.toml"
TABLE = "tool.moecalc"

T = TypeVar("T")


def has_table(path: Path) -> bool:
    """Whether a pyproject.toml is there and has the table. One that is no TOML, and somebody else's, has not."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    # Only that, and not the parser, is what most projects above a working directory cost.
    return "moecalc" in text and _table(_parsed(path)) is not None


def read(path: Path, type_: type[T]) -> tuple[T, Callable[[tuple[str | int, ...]], int]]:
    """The table as `type_`, and what says the line of a place in it. Raises InputError."""
    table = _table(_parsed(path))
    if table is None:
        raise InputError(f"no `[{TABLE}]`", hint="add the table, or write a moecalc.yaml", file=str(path))
    # A date stands in TOML without quotes, and is a text here.
    plain = {key: value.isoformat() if isinstance(value, dt.date) else value for key, value in table.items()}
    try:
        file = msgspec.convert(plain, type_, strict=True)
    except msgspec.ValidationError as error:
        said = str(error)
        raise InputError(f"`[{TABLE}]`: {said[:1].lower()}{said[1:]}", file=str(path)) from None
    lines = path.read_text(encoding="utf-8").splitlines()
    return file, lambda place: _line_of(lines, plain, place)


def _line_of(lines: list[str], table: Mapping[str, Any], place: tuple[str | int, ...]) -> int:
    """The line that sets the last name of a place.

    Models stand in the file in their order, whether in tables or in line, so the n-th of those that have the name
    is on the n-th line that sets it.
    """
    names = [step for step in place if isinstance(step, str)]
    wanted = names[-1] if names else TABLE
    index = next((step for step in place if isinstance(step, int)), 0)
    before = table.get("models", [])[:index] if index else []
    nth = sum(wanted in (model.get("limits", {}) if "limits" in names else model) for model in before)
    key = re.compile(rf"""(^|[\s{{,\["']){re.escape(wanted)}["']?\s*=""")
    start = next((number for number, line in enumerate(lines) if TABLE in line), 0)
    found = [
        number for number, line in enumerate(lines, start=1) if number > start for _ in key.finditer(line)
    ]
    return found[min(nth, len(found) - 1)] if found else start + 1


def _parsed(path: Path) -> Mapping[str, Any]:
    import tomllib  # only where the file may have the table

    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise InputError(
            f"cannot read the file: {(error.strerror or str(error)).lower()}", file=str(path)
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"not TOML: {error}", file=str(path)) from None


def _table(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    tool = data.get("tool")
    table = tool.get("moecalc") if isinstance(tool, dict) else None
    return table if isinstance(table, dict) else None
