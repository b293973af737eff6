"""What each change between two models does to a figure by itself."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cached_property
from typing import TypeVar

from moecalc.api.model import AnyModel
from moecalc.api.rebuilding import build, comparable, header_of
from moecalc.checks.budgets.outcome import Effect
from moecalc.checks.budgets.record import Source
from moecalc.checks.changes import Change, applied, changes
from moecalc.errors import MoecalcError

MOST = 64
"""Changes that are made one by one; with more than that, the models have little in common."""

T = TypeVar("T")


class Differences:
    """The changes from one model to another, and the models that have one of them each."""

    def __init__(self, old: AnyModel, new: AnyModel) -> None:
        self._old, self._new = old, new
        self._sides = comparable(old, new)

    @cached_property
    def changes(self) -> list[Change]:
        """Every key that differs; none where a side is no config and no spec."""
        return [] if self._sides is None else changes(self._sides[0].data, self._sides[1].data)

    @cached_property
    def start(self) -> AnyModel | None:
        """The old side as its data alone makes it: without the word that a checkpoint's header has in it."""
        if self._sides is None:
            return None
        return self._old if header_of(self._old) is None else self._built(self._sides[0])

    @cached_property
    def alone(self) -> Sequence[tuple[Change, AnyModel | None]]:
        """Each change with the old model that has it alone; None where there can be no such model."""
        if self._sides is None or len(self.changes) > MOST:
            return [(change, None) for change in self.changes]
        if len(self.changes) == 1 and header_of(self._old) is header_of(self._new) is None:
            return [(self.changes[0], self._new)]
        old = self._sides[0]
        return [
            (change, self._built(Source(kind=old.kind, data=applied(old.data, change))))
            for change in self.changes
        ]

    def _built(self, source: Source) -> AnyModel | None:
        try:
            return build(source, self._old.name)
        except MoecalcError:
            return None


class Measured(dict[int, T]):
    """Something made once for each of the models, which are kept by what they are."""

    def __init__(self, make: Callable[[AnyModel], T]) -> None:
        super().__init__()
        self._make = make

    def of(self, model: AnyModel) -> T:
        """What was made of that model."""
        if id(model) not in self:
            self[id(model)] = self._make(model)
        return self[id(model)]


def effects_on(
    differences: Differences, total: Fraction, figure: Callable[[AnyModel], Fraction | None]
) -> tuple[tuple[Effect, ...], Fraction | None, int]:
    """What each change does to a figure by itself, what they do beyond that together, and how many do nothing.

    `total` is what all of them do. Largest first; those that no model can have alone come last, without an amount.
    """
    start = None if differences.start is None else _figure(figure, differences.start)
    moved: list[Effect] = []
    unknown: list[Effect] = []
    neutral = 0
    for change, model in differences.alone:
        value = None if model is None or start is None else _figure(figure, model)
        if value is None or start is None:
            unknown.append(Effect(change=change.words, amount=None))
        elif value == start:
            neutral += 1
        else:
            moved.append(Effect(change=change.words, amount=value - start))
    moved.sort(key=lambda effect: abs(effect.amount or Fraction()), reverse=True)
    rest = total - sum((effect.amount or Fraction() for effect in moved), Fraction())
    return (*moved, *unknown), rest or None, neutral


def _figure(figure: Callable[[AnyModel], Fraction | None], model: AnyModel) -> Fraction | None:
    try:
        return figure(model)
    except MoecalcError:
        return None
