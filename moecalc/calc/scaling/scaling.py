"""The answer of `scaling`."""

from fractions import Fraction

import msgspec

from moecalc.calc.scaling.axes import Allocation, AxisTable
from moecalc.calc.scaling.design import Trained
from moecalc.calc.scaling.optimum import Optimum
from moecalc.report import Answer
from moecalc.specs.scaling import AnyLaw


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to spend: training FLOPs, or tokens."""

    compute: int | None = None
    tokens: int | None = None
    words: str
    """As given, with what a number of GPU-hours rests on."""


class Scaling(Answer, msgspec.Struct, frozen=True, kw_only=True):
    """Laws, designs and axes at one budget; without a budget the laws alone."""

    laws: dict[str, AnyLaw]
    budget: Budget | None = None
    sequence: int = 0
    optima: tuple[Optimum, ...] = ()
    allocations: tuple[Allocation, ...] = ()
    axes: tuple[AxisTable, ...] = ()
    trained: tuple[Trained, ...] = ()
    extrapolate: bool = False
    """Whether losses and ratios outside a law's range are shown, marked, rather than withheld."""
    defaults: dict[str, str | int] = {}
    warnings: tuple[str, ...] = ()

    def shown(self, value: float | None, outside: tuple[str, ...]) -> float | None:
        """A loss or ratio, unless it lies outside its law's range and that was not asked for."""
        return value if self.extrapolate or not outside else None

    def over_first(self, trained: Trained) -> Fraction:
        """Its tokens over those of the first design."""
        return Fraction(trained.tokens, max(1, self.trained[0].tokens))
