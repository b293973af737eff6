"""A figure as somebody printed it: its value, and what its last place leaves open."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

import msgspec

from moecalc.errors import InputError

_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?P<digits>\d{1,3}(?:[,_]\d{3}){1,6}|\d{1,30})(?:\.(?P<decimals>\d{1,15}))?"
    r"\s*(?P<unit>[a-zA-Z][a-zA-Z/]*|)"
)

COUNTS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
COUNTS |= {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "bn": 10**9}
DECIMAL = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "pb": 10**15}
BINARY = {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40, "pib": 2**50}
BYTES = {"b": 1, "byte": 1, "bytes": 1} | DECIMAL | BINARY
BANDWIDTHS = {f"{unit}/s": factor for unit, factor in DECIMAL.items()}
SECONDS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), Fraction(1)),
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), Fraction(1, 1000)),
}
PEAKS = {
    f"{prefix}{unit}": factor
    for prefix, factor in (("g", 10**9), ("t", 10**12), ("p", 10**15))
    for unit in ("flops", "flop/s", "flops/s", "ops", "op/s")
}
RATES = {
    f"{prefix}{unit}": COUNTS[prefix]
    for prefix in ("", "k", "m", "thousand", "million")
    for unit in ("", "tok/s")
}


class Figure(msgspec.Struct, frozen=True):
    """A positive number with its unit: `46.7B` is 46.7 x 10^9, give or take half of the last printed place."""

    text: str
    value: Fraction
    half: Fraction
    """Half a unit of the last printed place."""
    trailing_zeros: int = 0
    """Of a whole number without decimals, which may not be significant."""
    binary: Fraction | None = None
    """The same figure with GB meant as GiB; None where that cannot be meant."""

    @property
    def low(self) -> Fraction:
        """The least it can stand for."""
        return self.value - self.half

    @property
    def high(self) -> Fraction:
        """The most it can stand for."""
        return self.value + self.half

    def covers(self, count: Fraction | int) -> bool:
        """Whether a count rounds to the printed figure."""
        return self.low <= count <= self.high

    def as_binary(self) -> Figure | None:
        """The figure with GB read as GiB."""
        if self.binary is None:
            return None
        return msgspec.structs.replace(
            self, value=self.binary, half=self.half * self.binary / self.value, binary=None
        )

    def to_dict(self) -> dict[str, object]:
        """What was printed, and what it comes to in base units."""
        return {"text": self.text, "value": float(self.value)}


def parse_figure(text: str, units: Mapping[str, int | Fraction], what: str, example: str) -> Figure:
    """A figure with one of the units, in its base. Raises InputError for none, zero, negative, or another unit."""
    match = _NUMBER.fullmatch(text.strip().replace("~", ""))
    hint = f"type {what} such as `{example}`"
    if match is None:
        raise InputError(f"`{_shortened(text)}` is not {what}", hint=hint)
    unit = match["unit"].lower()
    if unit not in units:
        had = f"has the unit `{match['unit']}`" if unit else "has no unit"
        raise InputError(f"`{_shortened(text)}` {had}: not {what}", hint=hint)
    digits, decimals = re.sub(r"[,_]", "", match["digits"]), match["decimals"] or ""
    factor = Fraction(units[unit])
    value = Fraction(f"{digits}.{decimals or 0}") * factor
    if match["sign"] == "-":
        raise InputError(f"`{_shortened(text)}` is negative", hint=hint)
    if value == 0:
        raise InputError(f"`{_shortened(text)}` is zero", hint=hint)
    binary = None
    if unit in DECIMAL and unit in units and f"{unit[:-1]}ib" in units:
        binary = value / factor * BINARY[f"{unit[:-1]}ib"]
    zeros = 0 if decimals else len(digits) - len(digits.rstrip("0"))
    return Figure(text.strip(), value, factor / 10 ** len(decimals) / 2, zeros, binary)


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}..."
