"""Cross-validation: every choice and every coefficient is made again without the group that is judged."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tests.accuracy.forms import Cell, Form
from tests.accuracy.rows import OVERLAPS, Row
from tests.accuracy.solver import AT_LEAST_ONE, STARTS, solve

WORST = 3.0
"""A logarithmic error that is not exceeded: a prediction of nothing at all counts as twenty times too fast."""


@dataclass(frozen=True)
class Chosen:
    """A form and an overlap, with the coefficients fitted on some rows."""

    form: Form
    overlap: float
    coefficients: tuple[float, ...]


@dataclass(frozen=True)
class Table:
    """The rows of a cell, as arrays."""

    cell: Cell
    rows: tuple[Row, ...]

    @cached_property
    def seconds(self):
        return np.array([row.seconds for row in self.rows])

    @cached_property
    def models(self):
        return np.array([row.model for row in self.rows])

    @cached_property
    def devices(self):
        return np.array([row.device for row in self.rows])

    @cached_property
    def weights(self):
        """One over the root of how many rows share model and device groups: an afternoon's series is no twenty labs."""
        pairs = [(row.model, row.device) for row in self.rows]
        return np.array([pairs.count(pair) ** -0.5 for pair in pairs])

    @cached_property
    def choices(self):
        """Every form with every overlap that is tried, and its terms of shape [rows, terms]."""
        overlaps = OVERLAPS if self.cell.chooses_overlap else (1.0,)
        return {
            (form, overlap): np.array([[_term(row, slot, overlap) for slot in form] for row in self.rows])
            for form in self.cell.forms
            for overlap in overlaps
        }

    def fit(self, choice, keep):
        """The coefficients of a choice, on the rows that are kept."""
        starts = np.array([STARTS[term] for term, _ in choice[0]])
        bounded = AT_LEAST_ONE[self.cell.phase]
        floors = np.array([float(term in bounded) for term, _ in choice[0]])
        return solve(self.choices[choice][keep], self.seconds[keep], self.weights[keep], starts, floors)

    def predict(self, choice, coefficients, rows):
        """Seconds of the rows."""
        return self.choices[choice][rows] @ coefficients

    def choose(self, keep):
        """The choice whose mean absolute logarithmic error, left out within the kept rows, is least; fitted on them."""
        if len(self.choices) == 1:
            best = next(iter(self.choices))
        else:
            best = min(self.choices, key=lambda choice: self._inner_error(choice, keep))
        return best, self.fit(best, keep)

    def _inner_error(self, choice, keep):
        errors, weights = 0.0, 0.0
        for left, rest in _splits(self, keep):
            predicted = self.predict(choice, self.fit(choice, rest), left)
            with np.errstate(divide="ignore"):
                off = np.minimum(np.abs(np.log(predicted / self.seconds[left])), WORST)
            errors += float((self.weights[left] * off).sum())
            weights += float(self.weights[left].sum())
        return errors / weights if weights else WORST

    def left_out(self, groups):
        """What is predicted of each row without its group; NaN where nothing else is left to fit on."""
        found = np.full(len(self.rows), np.nan)
        for group in sorted(set(groups)):
            left = groups == group
            if not left.all():
                choice, coefficients = self.choose(~left)
                found[left] = self.predict(choice, coefficients, left)
        return found


def _term(row, slot, overlap):
    term, hardware = slot
    return row.terms[overlap][term] if not hardware or row.hardware in hardware else 0.0


def _splits(table, keep):
    """Within the kept rows: each model group against the rest, then each device group."""
    for groups in (table.models, table.devices):
        names = sorted(set(groups[keep]))
        for name in names if len(names) > 1 else ():
            left = keep & (groups == name)
            yield left, keep & ~left
