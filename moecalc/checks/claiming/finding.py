"""A verdict on one statement, with the arithmetic and the margin."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Literal

import msgspec

Verdict = Literal["holds", "holds under", "inconsistent", "impossible", "undetermined"]

VERDICTS: tuple[Verdict, ...] = ("impossible", "inconsistent", "undetermined", "holds under", "holds")
"""Worst first."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One statement, judged.

    holds: within what the shapes, the memory or the bandwidth give (of a bound: possible, which is not proven);
    holds under: so by the convention named; inconsistent: contradicts what is known, but a model, a price or an
    assumption could be otherwise; impossible: contradicts arithmetic or the hardware, whatever the engine;
    undetermined: what would decide it was not said, or nobody knows.
    """

    part: str
    stated: str
    verdict: Verdict
    convention: str = ""
    arithmetic: str = ""
    remarks: tuple[str, ...] = ()
    computed: float | None = None
    """What it was held against, in the statement's base unit."""
    margin: float | None = None
    """Stated over computed."""

    @property
    def words(self) -> str:
        """The verdict in words: `holds under no input embedding`."""
        return f"{self.verdict} {self.convention}".strip() if self.verdict == "holds under" else self.verdict

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON has it."""
        return {
            "part": self.part,
            "stated": self.stated,
            "verdict": self.verdict,
            "convention": self.convention or None,
            "computed": self.computed,
            "margin": self.margin,
            "arithmetic": self.arithmetic,
            "remarks": list(self.remarks),
        }


def ratio(stated: Fraction, computed: Fraction | float) -> float | None:
    """Stated over computed; None where there is nothing to divide by."""
    return float(stated / Fraction(computed)) if computed else None


def percent_off(stated: Fraction, computed: Fraction | float) -> str:
    """How far off: `2.4% too high`, `20.3x of that`."""
    times = float(stated / Fraction(computed))
    if not 0.5 <= times <= 2:
        return f"{times_text(times)} of that"
    off = times - 1
    size = abs(off)
    text = f"{size:.1%}" if size >= 0.001 else f"{size:.2%}"
    return f"{text} too {'high' if off > 0 else 'low'}"


def times_text(times: float) -> str:
    """A factor as people read it: `2.3x`, `1,240x`, `1/77,000`."""
    if times >= 100:
        return f"{times:,.0f}x"
    if times < 0.01:
        return f"1/{1 / times:,.0f}"
    return f"{times:.3g}x" if times > 1 else f"{times:.2g}x"
