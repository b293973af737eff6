"""JSON objects without two equal keys, of which every parser keeps the last without a word."""

import json
import re
from collections import Counter
from typing import Any

from moecalc.errors import InputError

MAX_WIDE_BYTES = 16 * 2**20
"""Of JSON with a character beyond ASCII, which makes Python keep four bytes for each character of its text."""

_KEYS = re.compile(rb'"\s*:')


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object that the pairs make, json's `object_pairs_hook`. Raises InputError where a key stands there twice."""
    made = dict(pairs)
    if len(made) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise InputError(
            f"the key `{twice[:80]}` stands twice in one object",
            hint="one of the two is overruled: remove it",
        )
    return made


def is_too_wide(raw: bytes) -> bool:
    """Whether its text would take several times its bytes in memory, and these are many already."""
    return len(raw) > MAX_WIDE_BYTES and (not raw.isascii() or b"\\u" in raw)


def refuse_repeated_keys(raw: bytes, keys: int) -> None:
    """Raise InputError where an object repeats a key, in JSON that holds so many different ones.

    Every key stands before a colon, so that as many colons behind quotes as keys leave none to be repeated; more of
    them may stand in strings, and only then everything is read again.
    """
    if sum(1 for _ in _KEYS.finditer(raw)) > keys:
        json.loads(raw, object_pairs_hook=unique_keys)
