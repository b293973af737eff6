"""What a design may take: a target with its tolerance, a bound, or a range, of parameters or bytes."""

import re
from collections.abc import Callable
from fractions import Fraction

import msgspec

from moecalc.errors import InputError
from moecalc.ir.numeric import Number

TOLERANCE = Fraction(5, 100)
"""To either side of a target that was named by itself."""


LEAST = 10_000
"""Parameters or bytes below which a unit was forgotten: `--active 3`."""


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """Figures from `low` to `high`, either of them open."""

    figure: str
    """`active`, `total` or `vram`."""
    text: str
    low: Fraction | None = None
    high: Fraction | None = None

    def holds(self, value: Number) -> bool:
        """Whether a figure keeps it."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def miss(self, value: Number) -> float:
        """How far a figure is outside, as a share of the end it misses; 0 within."""
        if self.low is not None and value < self.low:
            return float((self.low - value) / self.low)
        if self.high is not None and value > self.high:
            return float((value - self.high) / self.high)
        return 0.0


def parse_budget(
    figure: str,
    text: str,
    parse: Callable[[str], int],
    format_: Callable[[Fraction], str],
    tolerance: Fraction = TOLERANCE,
    *,
    only_bound: bool = False,
) -> Budget:
    """A budget as typed: `3B` (the target, within the tolerance), `<=3B`, `>=20B`, `2.5B..3.5B`.

    With `only_bound` a value by itself is the most there may be. Raises InputError for anything else.
    """
    typed = text.strip()
    low = high = None
    if typed.startswith(("<=", "<", "≤")):
        high = _value(figure, typed.lstrip("<=≤"), text, parse)
    elif typed.startswith((">=", ">", "≥")):
        low = _value(figure, typed.lstrip(">=≥"), text, parse)
    elif ".." in typed:
        first, _, last = typed.partition("..")
        low, high = _value(figure, first, text, parse), _value(figure, last, text, parse)
        if low > high:
            raise InputError(
                f"`--{figure} {text}` ends before it begins", hint=f"type `--{figure} {last}..{first}`"
            )
    elif only_bound:
        high = _value(figure, typed, text, parse)
    else:
        target = _value(figure, typed, text, parse)
        low, high = target * (1 - tolerance), target * (1 + tolerance)
    return Budget(figure=figure, text=_words(low, high, format_), low=low, high=high)


def parse_tolerance(text: str) -> Fraction:
    """`5%` or `0.05` as a share from 0 to 1. Raises InputError for anything else."""
    match = re.fullmatch(r"\s*(\d{1,3}(?:\.\d{1,9})?)\s*(%?)\s*", text, re.ASCII)
    value = Fraction(match[1]) / (100 if match[2] else 1) if match else None
    if value is None or value >= 1:
        raise InputError(f"`--tolerance {text}` is no share from 0 to 1", hint="type `5%` or `0.05`")
    return value


def _value(figure: str, part: str, text: str, parse: Callable[[str], int]) -> Fraction:
    try:
        value = parse(part.strip())
    except InputError as error:
        raise InputError(f"`--{figure} {text}`: {error.message}", hint=error.hint) from None
    if value < LEAST:
        raise InputError(
            f"`--{figure} {text}`: {value:,} is less than any model has",
            hint=f"type `--{figure} {_EXAMPLES[figure]}`",
        )
    return Fraction(value)


_EXAMPLES = {"active": "3B", "total": "30B", "vram": "80GB"}


def _words(low: Fraction | None, high: Fraction | None, format_: Callable[[Fraction], str]) -> str:
    if low is None or high is None:
        return f"at least {format_(low)}" if low is not None else f"at most {format_(high or Fraction(0))}"
    return format_(low) if low == high else f"{format_(low)} to {format_(high)}"
