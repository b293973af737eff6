"""A quantity told in two ways that never mix: at the ceiling (with a bound under it), and as expected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Figure(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Seconds, dollars or watt-hours of one thing."""

    ceiling: T
    """At the ceiling of speed, tokens choosing their experts uniformly."""
    least: T
    """The same where all tokens of a step share their experts: below this nothing can be, whatever the routing."""
    expected: T | None = None
    """What engines reach, fitted on measurements; None where too few stand behind it."""
    low: T | None = None
    high: T | None = None
    """The interval of what is expected."""

    def map(self, change: Callable[[T], Any]) -> Figure[Any]:
        """Each of the numbers changed by itself."""
        return Figure(
            ceiling=change(self.ceiling),
            least=change(self.least),
            expected=None if self.expected is None else change(self.expected),
            low=None if self.low is None else change(self.low),
            high=None if self.high is None else change(self.high),
        )


def joined(merge: Callable[..., Any], *figures: Figure[Any]) -> Figure[Any]:
    """One figure made of several, each kind of number from those of its kind; an expectation needs all of them."""

    def merged(name: str) -> Any:
        values = [getattr(figure, name) for figure in figures]
        return None if any(value is None for value in values) else merge(*values)

    return Figure(
        ceiling=merged("ceiling"),
        least=merged("least"),
        expected=merged("expected"),
        low=merged("low"),
        high=merged("high"),
    )


def added(*figures: Figure[Any]) -> Figure[Any]:
    """The sum of figures; its interval is as wide as all of them at their ends at once."""
    return joined(lambda *values: sum(values[1:], values[0]), *figures)
