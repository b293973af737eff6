"""Numbers of sequences as people type them: one, several, or a range."""

import re

from moecalc.errors import InputError

MOST_BATCH = 2**20

SWEEP = "1..4096"
"""Batches that are tried where none are named."""

_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+")


class BatchRange(tuple[int, ...]):
    """A range of which every batch may be chosen; what it holds are both ends and the powers of two between."""

    __slots__ = ()


def batches_of(text: str) -> tuple[int, ...]:
    """`32`, `1,8,64`, or `1..4096` (a `BatchRange`). Raises InputError for anything else.

    `1,024` is one number: a comma before exactly three digits, after at most three, separates thousands.
    """
    first, dots, last = text.strip().partition("..")
    if dots:
        low, high = _batch(first, text), _batch(last, text)
        if low > high:
            raise InputError(f"`--batch {text}` ends before it begins", hint=f"type `--batch {high}..{low}`")
        powers = [2**power for power in range(MOST_BATCH.bit_length()) if low < 2**power < high]
        return BatchRange(dict.fromkeys((low, *powers, high)))
    parts = [first] if _THOUSANDS.fullmatch(first.strip()) else first.split(",")
    return tuple(sorted({_batch(part, text) for part in parts}))


def _batch(part: str, text: str) -> int:
    """One number of sequences of what was typed."""
    hint = "type a number of sequences, several, or a range: `32`, `1,8,64`, `1..4096`"
    digits = part.strip()
    if _THOUSANDS.fullmatch(digits):
        digits = digits.replace(",", "")
    if not (digits.isdecimal() and digits.isascii() and len(digits) <= 9) or not int(digits):
        raise InputError(f"`--batch {text}` is not a number of sequences", hint=hint)
    if int(digits) > MOST_BATCH:
        raise InputError(f"`--batch {text}` is more than {MOST_BATCH:,} sequences", hint=hint)
    return int(digits)
