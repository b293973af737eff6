"""Sizes without a value yet: a model lowered with them has figures that are formulas, exact, over those names.

A formula is a sum of products of named sizes with whole or fractional coefficients (`Polynomial`). It takes part in
the arithmetic of rows as an int does, so blocks and calculators need not know of it; what a polynomial cannot do
(compare itself with a number, be cut off at a limit) raises TypeError, never a guess. Division rounded down, as the
scales of a blocked format need it, stays a factor of its own (`Quotient`) unless it comes out even.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import reduce
from itertools import repeat
from math import lcm
from operator import add, floordiv, mul
from typing import Any, TypeAlias

Exact: TypeAlias = int | Fraction

Factor: TypeAlias = "str | Quotient"
"""A named size, or a rounded division of a formula."""

Product: TypeAlias = tuple[tuple[Factor, int], ...]
"""Factors with their powers, in the order of their names; a power below 0 divides. Empty is 1."""

Columns: TypeAlias = Mapping[str, Sequence[int]]
"""The values of every name, one for each candidate."""


class Quotient:
    """A formula divided by a whole number and rounded down."""

    def __init__(self, of: "Polynomial", by: int) -> None:
        self.of, self.by = of, by
        self._key = f"({of.key})//{by}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quotient) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __str__(self) -> str:
        return self._key


class Polynomial:
    """A sum of products of named sizes. Immutable; adds and multiplies with ints, Fractions and its like."""

    __slots__ = ("_key", "terms")

    def __init__(self, terms: Mapping[Product, Exact]) -> None:
        self.terms = {product: value for product, value in terms.items() if value}
        self._key: str | None = None

    @property
    def key(self) -> str:
        """The formula as text, the same for equal formulas: `48*hidden*experts + 2*hidden`."""
        if self._key is None:
            words = ("*".join([str(value), *map(_power, product)]) for product, value in self.terms.items())
            self._key = " + ".join(sorted(words)) or "0"
        return self._key

    def __add__(self, other: Any) -> "Polynomial":
        more = _terms(other)
        if more is None:
            return NotImplemented
        terms = dict(self.terms)
        for product, value in more.items():
            terms[product] = terms.get(product, 0) + value
        return Polynomial(terms)

    __radd__ = __add__

    def __neg__(self) -> "Polynomial":
        return self * -1

    def __sub__(self, other: Any) -> "Polynomial":
        return NotImplemented if _terms(other) is None else self + other * -1

    def __rsub__(self, other: Any) -> "Polynomial":
        difference: Polynomial = -self + other
        return difference

    def __mul__(self, other: Any) -> "Polynomial":
        more = _terms(other)
        if more is None:
            return NotImplemented
        terms: dict[Product, Exact] = {}
        for one, value in self.terms.items():
            for two, times in more.items():
                joined = _joined(one, two)
                terms[joined] = terms.get(joined, 0) + value * times
        return Polynomial(terms)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "Polynomial":
        divisor = _terms(other)
        if divisor is None or len(divisor) != 1:
            return NotImplemented  # by a sum there is no formula of this kind
        ((product, value),) = divisor.items()
        inverse = tuple((factor, -power) for factor, power in product)
        return self * Polynomial({inverse: 1 / Fraction(value)})

    def __rtruediv__(self, other: Any) -> "Polynomial":
        terms = _terms(other)
        return NotImplemented if terms is None else Polynomial(terms) / self

    def __floordiv__(self, other: Any) -> "Polynomial":
        for times in (1, -1):
            if self == other * times:
                return Polynomial({(): times})
        if isinstance(other, bool) or not isinstance(other, int):
            return NotImplemented
        if all(
            Fraction(value, other).denominator == 1 and all(power > 0 for _, power in product)
            for product, value in self.terms.items()
        ):
            return Polynomial({product: int(Fraction(value, other)) for product, value in self.terms.items()})
        return Polynomial({((Quotient(self, other), 1),): 1})

    def __eq__(self, other: object) -> bool:
        terms = _terms(other)
        return terms is not None and self.terms == terms

    def __hash__(self) -> int:
        return hash(self.key)

    def __bool__(self) -> bool:
        """A size is at least 1; only the formula without a term is nothing."""
        return bool(self.terms)

    def __repr__(self) -> str:
        return f"Polynomial({self.key})"


def size(name: str) -> Polynomial:
    """The named size itself."""
    return Polynomial({((name, 1),): 1})


class Table:
    """The values of all names for some candidates, with every product that was formed of them kept."""

    def __init__(self, columns: Columns, length: int) -> None:
        self._columns, self._length = columns, length
        self._products: dict[Product, Sequence[int]] = {}

    def values(self, formula: Any) -> Sequence[Exact]:
        """The formula (or plain number) for each candidate: ints, and Fractions where it is not whole.

        Raises TypeError where a size is still divided by after all products are formed.
        """
        if not isinstance(formula, Polynomial):
            return [formula] * self._length
        whole = lcm(*(Fraction(value).denominator for value in formula.terms.values()))
        parts = []
        for product, value in formula.terms.items():
            times = int(value * whole)
            column = self._product(product)
            parts.append(column if times == 1 else list(map(mul, repeat(times), column)))
        total: Sequence[int] = (
            reduce(lambda a, b: list(map(add, a, b)), parts) if parts else [0] * self._length
        )
        return total if whole == 1 else [_over(value, whole) for value in total]

    def _product(self, product: Product) -> Sequence[int]:
        if not product:
            return [1] * self._length
        if product not in self._products:
            *before, (factor, power) = product
            if power < 0:
                raise TypeError(f"a figure is divided by `{factor}`")
            column = self._factor(factor)
            for _ in range(power - 1):
                column = list(map(mul, column, self._factor(factor)))
            self._products[product] = (
                list(map(mul, self._product(tuple(before)), column)) if before else column
            )
        return self._products[product]

    def _factor(self, factor: Factor) -> Sequence[int]:
        if isinstance(factor, str):
            return self._columns[factor]
        key: Product = ((factor, 1),)
        if key not in self._products:
            values = map(floordiv, self.values(factor.of), repeat(factor.by))
            self._products[key] = [int(value) for value in values]
        return self._products[key]


def _terms(value: Any) -> Mapping[Product, Exact] | None:
    if isinstance(value, Polynomial):
        return value.terms
    if not isinstance(value, int | Fraction):
        return None
    return {(): value} if value else {}


def _joined(one: Product, two: Product) -> Product:
    if not one or not two:
        return one or two
    powers = dict(one)
    for factor, power in two:
        powers[factor] = powers.get(factor, 0) + power
    kept = ((factor, power) for factor, power in powers.items() if power)
    return tuple(sorted(kept, key=lambda entry: str(entry[0])))


def _power(entry: tuple[Factor, int]) -> str:
    factor, power = entry
    return str(factor) if power == 1 else f"{factor}^{power}"


def _over(value: int, whole: int) -> Exact:
    return Fraction(value, whole) if value % whole else value // whole
