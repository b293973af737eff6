"""A figure against its limits: which tier speaks, what a base and a range decide, which exit code follows."""

from fractions import Fraction

import pytest

from moecalc.checks.budgets.limit import parse_limit
from moecalc.checks.budgets.measure import Settings, parse_measure
from moecalc.checks.budgets.outcome import BaseFigure, Checked, Figure, judge, with_data_of
from moecalc.checks.budgets.parsed import Budget


def budget(fail=None, warn=None, measure="weights"):
    kind = parse_measure(measure)
    read = [None if text is None else parse_limit(text, kind.kind.unit) for text in (fail, warn)]
    return Budget(measure=kind, settings=Settings(), fail=read[0], warn=read[1], line=7)


def figure(value, **more):
    exact = None if value is None else Fraction(value)
    return Figure(line="weights.bytes", unit="bytes", value=exact, counted="", basis="exact", **more)


def outcome(value, fail=None, warn=None, base=None, **more):
    tiers = sum(tier is not None for tier in (fail, warn))
    return judge("m", budget(fail, warn), (figure(value, **more),) * tiers, base, "main")


@pytest.mark.parametrize(
    ("value", "status", "limit"),
    [(10, "pass", "<= 20B"), (11, "warn", "<= 10B"), (20, "warn", "<= 10B"), (21, "fail", "<= 20B")],
)
def test_the_worst_tier_speaks(value, status, limit):
    found = outcome(value, fail="<= 20B", warn="<= 10B")
    assert (found.status, found.limit, found.line) == (status, limit, 7)


def test_a_limit_that_only_warns():
    assert outcome(11, warn="<= 10B").status == "warn"
    assert outcome(10, warn="<= 10B").status == "pass"


@pytest.mark.parametrize(
    ("base", "status"),
    [
        (BaseFigure(value=Fraction(100)), "pass"),
        (BaseFigure(value=Fraction(99)), "fail"),
        (BaseFigure(is_new=True, why="new"), "new"),
        (BaseFigure(why="cannot be read"), "undetermined"),
        (None, "undetermined"),
    ],
)
def test_a_change_needs_a_base(base, status):
    assert outcome(105, fail="<= +5%", base=base).status == status


def test_bound_and_change_are_exact():
    found = outcome(106, fail="<= +5%", base=BaseFigure(value=Fraction(101)))
    assert (found.bound, found.change, found.base_name) == (Fraction(10605, 100), 5, "main")


def test_a_new_model_still_has_its_absolute_limits():
    new = BaseFigure(is_new=True, why="new")
    assert outcome(30, fail="<= 20B", warn="<= +5%", base=new).status == "fail"
    assert outcome(10, fail="<= 20B", warn="<= +5%", base=new).status == "new"


@pytest.mark.parametrize(
    ("limit", "low", "high", "status"),
    [
        ("<= 20B", 5, 20, "pass"),
        ("<= 20B", 21, 30, "fail"),
        ("<= 20B", 20, 21, "undetermined"),
        ("<= 20B", None, 20, "pass"),
        ("<= 20B", 5, None, "undetermined"),
        ("<= 20B", 21, None, "fail"),
        (">= 20B", 20, 30, "pass"),
        (">= 20B", 5, 19, "fail"),
        (">= 20B", 19, 20, "undetermined"),
        ("== 20B", 20, 20, "undetermined"),
        ("<= 20B", None, None, "undetermined"),
    ],
)
def test_a_range_decides_where_all_of_it_does(limit, low, high, status):
    assert outcome(None, fail=limit, low=low, high=high).status == status


def test_devices_are_judged_by_what_is_left():
    fits = Budget(
        measure=parse_measure("fits"), settings=Settings(), fail="1xh100", warn="1xrtx-4090", line=1
    )
    left = figure(0), figure(-1)
    assert judge("m", fits, left, None, None).status == "warn"
    assert judge("m", fits, left, None, None).limit == "1xrtx-4090"
    assert judge("m", fits, (figure(-1), figure(-1)), None, None).status == "fail"
    assert judge("m", fits, (figure(0), figure(0)), None, None).status == "pass"
    unknown = figure(None, why="undisclosed")
    assert judge("m", fits, (unknown, unknown), None, None).status == "undetermined"


def test_newer_data_warns_where_it_would_fail():
    broken = outcome(21, fail="<= 20B")
    assert with_data_of(broken, True, "2026-01-01", "2026-01-01").status == "fail"
    assert with_data_of(broken, True, None, "2026-01-01").status == "fail"
    assert with_data_of(broken, False, "2026-01-01", "2026-02-02").status == "fail"
    moved = with_data_of(broken, True, "2026-01-01", "2026-02-02")
    assert moved.status == "warn"
    assert "set against data of 2026-01-01; this moecalc has 2026-02-02" in moved.remark
    unknown = outcome(None, fail="<= 20B")
    assert with_data_of(unknown, True, "2026-01-01", "2026-01-01").status == "undetermined"
    assert with_data_of(unknown, False, "2026-01-01", "2026-02-02").status == "undetermined"
    # newer data can also take away what stood behind an expectation
    assert with_data_of(unknown, True, "2026-01-01", "2026-02-02").status == "warn"


@pytest.mark.parametrize(
    ("values", "code", "summary"),
    [
        ((1,), 0, "1 budget, kept"),
        ((1, 2), 0, "2 budgets, all kept"),
        ((1, 21), 1, "of 2 budgets, 1 failed"),
        ((1, None), 3, "of 2 budgets, 1 could not be determined"),
        ((None, 21), 1, "of 2 budgets, 1 failed, 1 could not be determined"),
    ],
)
def test_a_failure_beats_what_is_not_known_and_that_beats_the_rest(values, code, summary):
    outcomes = tuple(outcome(value, fail="<= 20B") for value in values)
    checked = Checked(path="moecalc.yaml", outcomes=outcomes, data_version="x")
    assert (checked.exit_code, checked.summary) == (code, summary)
