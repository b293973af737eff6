"""The catalogue's own claims: what the convention they name gives, and which one reproduces their figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from moecalc.checks.claiming.counts import actives, match, totals
from moecalc.checks.claiming.figure import COUNTS, parse_figure
from moecalc.checks.claiming.subject import Shaped
from moecalc.checks.claims import Verdict, judge
from moecalc.report import plain
from moecalc.sources.spec import ActiveClaim, TotalClaim


class Convention(msgspec.Struct, frozen=True, kw_only=True):
    """A published figure, and whose convention it is."""

    model: str
    title: str
    is_sparse: bool
    verdict: Verdict
    """Under the convention that the catalogue names for it."""
    reproduced: str | None
    """The convention and rounding that reproduce it; None where none does."""
    also: tuple[str, ...] = ()
    """Other conventions that round to it: a figure of one digit tells little."""

    @property
    def holds(self) -> bool:
        """Whether it is as the catalogue expects, be that so or not so."""
        return self.verdict.holds is self.verdict.claim.holds

    def to_dict(self) -> dict[str, object]:
        """The claim as JSON has it."""
        return {
            "model": self.model,
            "mixture": self.is_sparse,
            **self.verdict.to_dict(),
            "reproduced": self.reproduced,
            "also": list(self.also),
            "computed": plain(self.verdict.computed),
            "as_expected": self.holds,
        }


def conventions(subject: Shaped, claims: Sequence[TotalClaim | ActiveClaim]) -> Iterator[Convention]:
    """Each claim of a model."""
    sparse = any(weight.pool is not None for weight in subject.ledger.weights)
    for verdict in judge(claims, subject.ledger):
        claim = verdict.claim
        counts = totals(subject) if isinstance(claim, TotalClaim) else actives(subject)
        figure = parse_figure(claim.figure, COUNTS, "a number of parameters", "46.7B")
        found = match(figure, counts)
        yield Convention(
            model=subject.name,
            title=subject.title,
            is_sparse=sparse,
            verdict=verdict,
            reproduced=None if found is None else ", ".join(filter(None, (found[0], found[2]))),
            also=tuple(name for name, count in counts if figure.covers(count))[1:],
        )
