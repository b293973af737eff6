"""A limit: `<= 24 GiB`, `>= 40`, `== 46,702,792,704`, or against a base, `<= +5%`, `<= +1 GiB`."""

import re
from fractions import Fraction
from typing import Literal

import msgspec

from moecalc.errors import InputError
from moecalc.ir.numeric import Number
from moecalc.units import parse_bytes, parse_count, parse_flops, parse_parameters

Comparison = Literal["<=", "<", ">=", ">", "=="]

_LIMIT = re.compile(r"(?P<comparison><=|>=|==|=|<|>)?\s*(?P<sign>[+-])?\s*(?P<amount>[^\s<>=+-].*)")
_PERCENT = re.compile(r"(?P<number>\d{1,9}(\.\d{1,9})?)\s*%")
_PLAIN = re.compile(r"\$?\s*(?P<number>\d[\d,_]{0,30}(\.\d{1,30})?)\s*(?P<unit>[a-zA-Z/$% ]*)")

_COMPARISONS: dict[str, Comparison] = {"<=": "<=", "<": "<", ">=": ">=", ">": ">", "==": "==", "=": "=="}

_UNITS: dict[str, dict[str, Fraction]] = {
    "tokens/s": dict.fromkeys(("", "tok/s", "tokens/s", "t/s"), Fraction(1)),
    "seconds": {"s": Fraction(1), "seconds": Fraction(1), "ms": Fraction(1, 1000)},
    "dollars": {**dict.fromkeys(("", "$", "usd", "dollars"), Fraction(1)), "cents": Fraction(1, 100)},
    "watt-hours": {"wh": Fraction(1), "kwh": Fraction(1000)},
    "grams": {"g": Fraction(1), "kg": Fraction(1000)},
    "share": {"": Fraction(1)},
    "count": {"": Fraction(1)},
}
"""What an amount of each unit may be called, and its factor."""

_MORE_IS_BETTER = frozenset({"tokens/s"})
"""Of these a bare number could mean either side, so the comparison has to be written."""


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A bound on one figure: an amount, or a change against the base (a share of it or an amount)."""

    text: str
    comparison: Comparison
    amount: Fraction
    relative: Literal["share", "amount"] | None = None

    def bound(self, base: Number | None) -> Fraction:
        """The amount that the figure is held against. `base` is the figure it had; needed where this is relative."""
        if self.relative is None:
            return self.amount
        assert base is not None
        return Fraction(base) * (1 + self.amount) if self.relative == "share" else base + self.amount

    def holds(self, value: Number, base: Number | None = None) -> bool:
        """Whether the figure keeps the limit."""
        bound = self.bound(base)
        kept: dict[Comparison, bool] = {
            "<=": value <= bound,
            "<": value < bound,
            ">=": value >= bound,
            ">": value > bound,
            "==": value == bound,
        }
        return kept[self.comparison]

    @property
    def is_most(self) -> bool:
        """Whether it bounds from above alone."""
        return self.comparison in {"<=", "<"}

    def allows_all_of(self, other: "Limit") -> bool:
        """Whether whatever keeps the other limit keeps this one too: then this one never says anything first."""
        if self.relative != other.relative or self.comparison != other.comparison:
            return False
        if self.comparison == "==":
            return False
        return self.amount >= other.amount if self.is_most else self.amount <= other.amount


def parse_limit(text: str, unit: str) -> Limit:
    """A limit on a figure of that unit. Raises InputError for another unit, saying what was expected.

    Without a comparison, `<=` is meant: a budget is a most. Of a speed the comparison has to be written.
    """
    match = _LIMIT.fullmatch(text.strip())
    if match is None:
        raise InputError(f"`{text}` is no limit", hint="type `<= 24 GiB`, `>= 40` or `<= +5%`")
    if match["comparison"] is None and unit in _MORE_IS_BETTER:
        raise InputError(f"`{text}`: at least or at most?", hint=f'type `">= {text.strip()}"`')
    comparison = _COMPARISONS[match["comparison"] or "<="]
    sign, amount = match["sign"], match["amount"].strip()
    factor = -1 if sign == "-" else 1
    percent = _PERCENT.fullmatch(amount)
    if percent is not None:
        if sign is None:
            raise InputError(
                f"`{text}`: a share of what?",
                hint=f"against the base it has a sign: `{comparison} +{amount}`; or give an amount",
            )
        share = factor * Fraction(percent["number"]) / 100
        return Limit(text=text.strip(), comparison=comparison, amount=share, relative="share")
    value = factor * _amount(amount, unit)
    return Limit(text=text.strip(), comparison=comparison, amount=value, relative="amount" if sign else None)


def _amount(text: str, unit: str) -> Fraction:
    try:
        if unit == "bytes":
            return Fraction(parse_bytes(text))
        if unit == "parameters":
            return Fraction(parse_parameters(text))
        if unit == "FLOPs":
            return Fraction(parse_flops(text))
        if unit == "elements":
            return Fraction(parse_count(text))
    except InputError as error:
        raise InputError(f"{error.message}, and this figure is in {unit}", hint=error.hint) from None
    match = _PLAIN.fullmatch(text)
    units = _UNITS[unit]
    name = match["unit"].strip().lower() if match else ""
    if match is None or name not in units:
        spelt = " or ".join(unit for unit in units if unit)
        raise InputError(
            f"`{text}` is not in {unit}, and this figure is",
            hint=f"type a number with {spelt}" if spelt else "type a plain number",
        )
    return Fraction(match["number"].replace(",", "").replace("_", "")) * units[name]
