"""A figure held against its limit: what came out, and the arithmetic behind it."""

from fractions import Fraction
from typing import Literal

import msgspec

from moecalc.checks.budgets.limit import Limit
from moecalc.checks.budgets.measure import Settings
from moecalc.checks.budgets.parsed import Budget
from moecalc.errors import EXIT_CHECK_FAILED, EXIT_OK, EXIT_UNDETERMINED
from moecalc.report import Basis

Status = Literal["fail", "undetermined", "warn", "new", "pass"]
"""`new`: against a base that does not have the model yet, so there is nothing to exceed."""

WORST_FIRST: tuple[Status, ...] = ("fail", "undetermined", "warn", "new", "pass")


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A measured figure. `value` None is one that cannot be determined, and `why` says why.

    `parts` add up to the value where it is a sum. Of `fits`, the value is the bytes that the fullest device has left.
    """

    line: str
    unit: str
    value: Fraction | None
    counted: str
    basis: Basis
    why: str = ""
    parts: tuple[tuple[str, Fraction], ...] = ()
    low: Fraction | None = None
    high: Fraction | None = None


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What one change since the base does to a figure by itself; None where the model cannot be built with it alone."""

    change: str
    amount: Fraction | None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One limit of one model, judged."""

    model: str
    name: str
    """What was measured, as the file spells it."""
    status: Status
    figure: Figure
    settings: Settings
    limit: str
    """The limit that decided: the one broken, else the one that fails."""
    bound: Fraction | None
    """The amount that the limit comes to; None where that needs a base that is not there, and of `fits`."""
    base: Fraction | None
    base_name: str | None
    remark: str
    line: int
    effects: tuple[Effect, ...] = ()
    together: Fraction | None = None
    """What the changes do beyond the sum of what each does alone."""
    neutral: int = 0
    """Changes that leave the figure as it was."""

    @property
    def change(self) -> Fraction | None:
        """The figure less what it was in the base."""
        if self.base is None or self.figure.value is None:
            return None
        return self.figure.value - self.base


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """All limits of a file."""

    path: str
    outcomes: tuple[Outcome, ...]
    data_version: str
    base: str | None = None
    warnings: tuple[str, ...] = ()

    def of(self, *statuses: Status) -> list[Outcome]:
        """Those that came out so."""
        return [outcome for outcome in self.outcomes if outcome.status in statuses]

    @property
    def exit_code(self) -> int:
        """1 where a limit is broken, else 3 where one could not be judged, else 0."""
        if self.of("fail"):
            return EXIT_CHECK_FAILED
        return EXIT_UNDETERMINED if self.of("undetermined") else EXIT_OK

    @property
    def summary(self) -> str:
        """`of 12 budgets, 1 failed, 2 warned`."""
        total = len(self.outcomes)
        words = [
            f"{len(found):,} {word}"
            for status, word in (
                ("fail", "failed"),
                ("undetermined", "could not be determined"),
                ("warn", "warned"),
                ("new", "new since the base"),
            )
            if (found := self.of(status))  # type: ignore[arg-type] # the literals above
        ]
        budgets = "budget" if total == 1 else "budgets"
        if not words:
            return f"{total:,} {budgets}, all kept" if total > 1 else "1 budget, kept"
        return f"of {total:,} {budgets}, {', '.join(words)}"


class BaseFigure(msgspec.Struct, frozen=True, kw_only=True):
    """What the base says of a figure: a value, that the model is new there, or why it cannot be said."""

    value: Fraction | None = None
    is_new: bool = False
    why: str = ""


def judge(
    model: str, budget: Budget, figures: tuple[Figure, ...], base: BaseFigure | None, base_name: str | None
) -> Outcome:
    """Hold a figure against its limits.

    `figures` has one entry for each tier that is set, the failing one first: they differ only for `fits`, whose tiers
    name devices. `base` None: there is no base.
    """
    tiers: list[tuple[Status, Limit | str]] = []
    if budget.fail is not None:
        tiers.append(("fail", budget.fail))
    if budget.warn is not None:
        tiers.append(("warn", budget.warn))
    verdicts = [
        _tier(status, limit, figure, base) for (status, limit), figure in zip(tiers, figures, strict=True)
    ]
    worst = min(range(len(tiers)), key=lambda index: WORST_FIRST.index(verdicts[index][0]))
    status, remark = verdicts[worst]
    limit, figure = tiers[worst][1], figures[worst]
    value = base.value if base else None
    bounded = isinstance(limit, Limit) and not (limit.relative and value is None)
    return Outcome(
        model=model,
        name=budget.measure.text,
        status=status,
        figure=figure,
        settings=budget.settings,
        limit=limit if isinstance(limit, str) else limit.text,
        bound=limit.bound(value) if bounded and isinstance(limit, Limit) else None,
        base=value,
        base_name=base_name if value is not None else None,
        remark=remark,
        line=budget.line,
    )


def with_data_of(outcome: Outcome, is_estimate: bool, named: str | None, own: str) -> Outcome:
    """The outcome, of an estimate only a warning where moecalc's data is not that of the budget.

    Newer data can move an estimate, and can also leave one without enough behind it.
    """
    if outcome.status not in {"fail", "undetermined"} or not is_estimate or named is None or named == own:
        return outcome
    said = (
        f"an estimate, set against data of {named}; this moecalc has {own}, so it only warns: "
        "renew limit and `data_version`"
    )
    remark = f"{outcome.remark}; {said}" if outcome.remark else said
    return msgspec.structs.replace(outcome, status="warn", remark=remark)


def _tier(status: Status, limit: Limit | str, figure: Figure, base: BaseFigure | None) -> tuple[Status, str]:
    if isinstance(limit, str):
        if figure.value is None:
            return "undetermined", figure.why
        return ("pass" if figure.value >= 0 else status), ""
    bound_base = None
    if limit.relative:
        if base is None or base.value is None:
            if base is not None and base.is_new:
                return "new", base.why
            return "undetermined", base.why if base else "no base"
        bound_base = base.value
    if figure.value is None:
        return _by_range(status, limit, figure, bound_base)
    return ("pass" if limit.holds(figure.value, bound_base) else status), ""


def _by_range(status: Status, limit: Limit, figure: Figure, base: Fraction | None) -> tuple[Status, str]:
    """Judge a figure of which at most a range is known: kept or broken where all of the range is."""
    easy, hard = (figure.low, figure.high) if limit.is_most else (figure.high, figure.low)
    if limit.comparison != "==":
        if hard is not None and limit.holds(hard, base):
            return "pass", "all of the stated range keeps it"
        if easy is not None and not limit.holds(easy, base):
            return status, "all of the stated range breaks it"
    return "undetermined", figure.why or "the figure is not known"
