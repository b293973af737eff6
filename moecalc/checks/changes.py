"""What differs between two configs or specs: one change per key, each of which can be made by itself."""

import json
from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import groupby
from typing import Any

import msgspec

Step = str | int

SHORT = 4
"""Entries of a list that are written out; longer ones by runs."""

_TAGS = ("type", "what")
"""Keys that say which kind of block a mapping is: where they differ, nothing else in it compares."""


class Missing(Enum):
    """No value at all, which is not null."""

    MISSING = "absent"


MISSING = Missing.MISSING


class Change(msgspec.Struct, frozen=True):
    """One key whose value differs; MISSING where a side has no such key."""

    path: tuple[Step, ...]
    old: Any
    new: Any

    @property
    def name(self) -> str:
        """The key as people write it: `text_config.num_experts`, `stacks[0].pattern`."""
        name = ""
        for step in self.path:
            name += f"[{step}]" if isinstance(step, int) else f".{step}"
        return name.removeprefix(".").removeprefix("architecture.")

    @property
    def words(self) -> str:
        """`num_experts 64 -> 72`."""
        return f"{self.name} {value_words(self.old)} -> {value_words(self.new)}"


def changes(old: Any, new: Any) -> list[Change]:
    """Every difference, in the order of the new side."""
    return list(_changes(old, new, ()))


def applied(data: Any, change: Change) -> Any:
    """The data of the old side with one change made. Raises KeyError or IndexError where it has no such place."""
    return _put(data, change.path, change.new)


def value_words(value: Any) -> str:
    """A value in one line."""
    if value is MISSING:
        return "absent"
    if isinstance(value, str):
        return value if value and len(value) <= 60 else json.dumps(value[:60], ensure_ascii=False)
    if isinstance(value, list):
        return _list_words(value)
    if isinstance(value, Mapping):
        tag = next((str(value[key]) for key in _TAGS if key in value), None)
        return tag or (
            "{" + ", ".join(map(str, list(value)[:SHORT])) + (", ..." if len(value) > SHORT else "") + "}"
        )
    return json.dumps(value)


def _changes(old: Any, new: Any, path: tuple[Step, ...]) -> Iterator[Change]:
    if isinstance(old, Mapping) and isinstance(new, Mapping) and _same_kind(old, new):
        for key in dict.fromkeys((*new, *old)):
            yield from _changes(old.get(key, MISSING), new.get(key, MISSING), (*path, key))
    elif _aligned(old, new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _changes(one, other, (*path, index))
    elif type(old) is not type(new) or old != new:  # True is 1, and no 1
        yield Change(path, old, new)


def _same_kind(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return all(old.get(tag) == new.get(tag) for tag in _TAGS)


def _aligned(old: Any, new: Any) -> bool:
    """Whether two lists hold as many mappings each, which then belong together."""
    return (
        isinstance(old, list)
        and isinstance(new, list)
        and len(old) == len(new)
        and all(isinstance(item, Mapping) for item in (*old, *new))
    )


def _put(data: Any, path: tuple[Step, ...], value: Any) -> Any:
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(data, list):
        assert isinstance(step, int)
        return [_put(item, rest, value) if index == step else item for index, item in enumerate(data)]
    copy = dict(data)
    if rest:
        copy[str(step)] = _put(copy[str(step)], rest, value)
    elif value is MISSING:
        del copy[str(step)]
    else:
        copy[str(step)] = value
    return copy


def _list_words(values: list[Any]) -> str:
    if len(values) <= SHORT:
        return "[" + ", ".join(map(value_words, values)) + "]"
    runs = [(word, len(list(run))) for word, run in groupby(map(value_words, values))]
    shown = ", ".join(f"{word} x{count}" if count > 1 else word for word, count in runs[:SHORT])
    rest = ", ..." if len(runs) > SHORT else ""
    return f"[{shown}{rest}] ({len(values):,} entries)"
