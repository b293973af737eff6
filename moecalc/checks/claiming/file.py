"""A claims file: a YAML list of claims, each a sentence or parts by name, with their lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from moecalc import strict_yaml
from moecalc.checks.claiming.claim import PARTS
from moecalc.errors import suggestion


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One claim as the file has it."""

    line: int
    name: str | None = None
    sentence: str | None = None
    parts: dict[str, Any]


def read_file(path: str | Path) -> tuple[Entry, ...]:
    """The claims of a file: a list of sentences, or of mappings of parts with maybe a `name` and a `claim` sentence.

    Raises InputError, with file and line, where it is no such list.
    """
    document = strict_yaml.load(path)
    if not isinstance(document.data, list) or not document.data:
        raise document.error(
            (),
            "a claims file is a list of claims",
            hint='`- "Mixtral 8x7B, 46.7B total"`, or `- {model: ..., total: ...}`',
        )
    return tuple(_entry(document, index, item) for index, item in enumerate(document.data))


def _entry(document: strict_yaml.Document, index: int, item: Any) -> Entry:
    line = document.line_of((index,))
    if isinstance(item, str):
        return Entry(line=line, sentence=item, parts={})
    if not isinstance(item, dict):
        raise document.error((index,), "a claim is a sentence or a mapping of its parts")
    parts = dict(item)
    name, sentence = parts.pop("name", None), parts.pop("claim", None)
    for part in parts:
        if part not in PARTS:
            known = ("name", "claim", *PARTS)
            hint = suggestion(str(part), known) or f"parts: {', '.join(known)}"
            raise document.error((index, part), f"a claim has no part `{part}`", hint=hint)
    return Entry(
        line=line,
        name=None if name is None else str(name),
        sentence=None if sentence is None else str(sentence),
        parts=parts,
    )
