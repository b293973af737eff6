"""The table of a sweep: the points that are worth having at the ceiling or as expected, and those that were picked."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from moecalc.calc.speed.expectation import Expected, NoExpectation
from moecalc.calc.speed.sweep import Point, Sweep
from moecalc.render.layout import table
from moecalc.render.rates import dollars, duration, rate
from moecalc.render.speed_fits import fit_remarks, fit_word, regimes

SHOWN = 12
"""Points that a kind of device gets in the table, evenly chosen."""

STAR = "*"
"""Behind a speed per user: no other point is as fast and better otherwise, by what the column tells."""


def title(sweep: Sweep) -> str:
    """What the frontier is of: speed per device, or dollars; how it is marked, and what stands in the table beside."""
    of = "tokens/s" if sweep.busy is None else "tokens/s and $ per M output tokens"
    better = "faster per user and per GPU" if sweep.busy is None else "faster per user and cheaper"
    none = f"no other plan or batch tried on these devices is {better}"
    if sweep.expected_frontier:
        said = f"the frontier, {of}: {none}, at the ceiling where {STAR} follows `per user`, as expected where it "
        said += "follows `expected`"
    else:
        said = f"the frontier at the ceiling, {of}: {none}"
    on_it = (*sweep.frontier, *sweep.expected_frontier)
    beside = [point for point in shown(sweep) if not _is_among(point, on_it)]
    return f"{said}; what was picked stands beside it" if beside else said


def frontier_rows(sweep: Sweep) -> list[list[str]]:
    """A header, and the points, the fastest user of each kind of device first."""
    return [[cell.strip() for cell in row] for row in _rows(_columns(sweep), shown(sweep))]


def frontier_table(sweep: Sweep, columns: int) -> list[str]:
    """The same laid out, without the columns that tell least where it would be wider than `columns`."""
    kept, points = _columns(sweep), shown(sweep)
    while True:
        laid = table(_rows(kept, points), "".join(column.align for column in kept))
        going = [column.goes for column in kept if column.goes is not None]
        if max(map(len, laid)) <= columns or not going:
            return laid
        kept = [column for column in kept if column.goes != min(going)]


def shown(sweep: Sweep) -> list[Point]:
    """Points of both frontiers of each kind of device, evenly chosen, and the picks; the fastest user first."""
    picks = [choice.point for choice in (sweep.as_expected, sweep.at_ceiling) if choice is not None]
    if sweep.busy is not None:
        picks = [point for point in picks if point.usd_per_million is not None]
    found = []
    kinds = dict.fromkeys(point.on.kind for point in (*sweep.frontier, *picks))
    for kind in kinds:
        own = [point for point in sweep.frontier if point.on.kind == kind]
        for point in sweep.expected_frontier:
            if point.on.kind == kind and not _is_among(point, own):
                own.append(point)
        own.sort(key=lambda point: -point.per_user)
        most = max(3, SHOWN // len(kinds))
        if len(own) > most:  # both ends, and evenly between
            own = [own[round(place * (len(own) - 1) / (most - 1))] for place in range(most)]
        for pick in picks:
            if pick.on.kind == kind and not _is_among(pick, own):
                own.append(pick)
        found += sorted(own, key=lambda point: -point.per_user)
    return found


def one_fleet(sweep: Sweep) -> str | None:
    """The devices of every point of the table, where they are the same."""
    fleets = {point.on.fleet for point in shown(sweep)}
    return fleets.pop() if len(fleets) == 1 else None


def remarks(sweep: Sweep) -> Iterable[str]:
    """Where latency binds what is expected, and why nothing is where the table has none."""
    points = shown(sweep)
    bound = [point for point in points if point.expected_bound == "latency"]
    if bound:
        which = "the points" if len(bound) == len(points) else f"{len(bound)} of the {len(points)} points"
        most = max(point.batch for point in bound)
        at = "at batch 1" if most == 1 else f"all of batch {most:,} or less"
        at = "" if most == max(point.batch for point in points) else f", {at}"
        yield f"latency binds what is expected of {which}{at}: it alone takes longer than the step at the ceiling"
    if not any(isinstance(point.expected, Expected) for point in points):
        return
    yield regimes(points)
    yield from fit_remarks(points)
    lacking: dict[str, list[str]] = {}
    for point in points:
        if isinstance(point.expected, NoExpectation) and point.on.kind not in sweep.left_out:
            lacking.setdefault(point.expected.reason, []).append(
                f"{point.on.plan.words}, batch {point.batch:,}"
            )
    for reason, where in lacking.items():
        many = f"{where[0]} and {len(where) - 1} others" if len(where) > 2 else " and ".join(where)
        yield f"no expectation of {many}: {reason}"


class _Column(NamedTuple):
    head: str
    cell: Callable[[Point], str]
    align: str = ">"
    goes: int | None = None
    """Of columns that are left out where the terminal is narrow, the lowest goes first; None: it stays."""


def _rows(columns: Sequence[_Column], points: Sequence[Point]) -> list[list[str]]:
    return [[column.head for column in columns]] + [
        [column.cell(point) for column in columns] for point in points
    ]


def _columns(sweep: Sweep) -> list[_Column]:
    points = shown(sweep)
    priced = any(point.usd_per_million is not None for point in points)
    known = any(isinstance(point.expected, Expected) for point in points)
    by_cost = sweep.busy is not None
    marked = bool(sweep.expected_frontier)
    per_user = _starred(lambda point: rate(point.per_user), sweep.frontier, marked)
    made = [_Column("per user" + " " * marked, per_user)]
    if known:
        expected = _starred(_expected, sweep.expected_frontier, marked)
        made += [_Column("expected" + " " * marked, expected), _Column("fit", fit_word, "<", 4)]
        made.append(_Column("its interval", _interval, goes=2))
    if not by_cost:
        made.append(_Column("per GPU", lambda point: rate(point.per_device), goes=6))
        if known:
            made.append(_Column("expected/GPU", _expected_per_device, goes=5))
    usd = "$ per M" if by_cost else "$ per M out"  # the title of the former says of what
    made.append(_Column(usd if priced else "TTFT", _usd if priced else _ttft, goes=6 if by_cost else 3))
    if by_cost and known:
        made.append(_Column("expected $", _expected_usd))
    made.append(_Column("batch", lambda point: f"{point.batch:,}"))
    if one_fleet(sweep) is None:  # else the heading names it
        made.append(_Column("devices", lambda point: point.on.fleet, "<", 8))
    made += [
        _Column("plan", lambda point: point.on.plan.words, "<", 4),
        _Column("binds", _binds, "<", 1),
    ]
    if sweep.slo is not None:
        made.append(_Column("pick", lambda point: _pick(sweep, point), "<", 7))
    return made


def _starred(cell: Callable[[Point], str], frontier: Sequence[Point], marked: bool) -> Callable[[Point], str]:
    """The cell with a star where the point is on that frontier, and where others are a blank in its place."""
    if not marked:
        return cell
    return lambda point: cell(point) + (STAR if _is_among(point, frontier) else " ")


def _is_among(point: Point, others: Iterable[Point]) -> bool:
    """Whether one of them is the same batch on the same devices and plan."""
    return any(_key(point) == _key(other) for other in others)


def _key(point: Point) -> tuple[str, str, int]:
    return point.on.fleet, point.on.plan.words, point.batch


def _pick(sweep: Sweep, point: Point) -> str:
    """Whether a point is what was picked, and by which measure; or the nearest, where nothing keeps the limits."""
    named = (("expected", sweep.as_expected), ("ceiling", sweep.at_ceiling))
    return ", ".join(
        "nearest" if choice.misses else word
        for word, choice in named
        if choice is not None and _key(choice.point) == _key(point)
    )


def _binds(point: Point) -> str:
    """What binds at the ceiling, and behind a stroke as expected where that is something else."""
    expected = point.expected_bound
    return point.bound if expected in {None, point.bound} else f"{point.bound}/{expected}"


def _usd(point: Point) -> str:
    return "no price" if point.usd_per_million is None else dollars(point.usd_per_million)


def _expected_usd(point: Point) -> str:
    usd = point.expected_usd_per_million
    return "-" if usd is None else dollars(usd)


def _ttft(point: Point) -> str:
    return "" if point.on.ttft_seconds is None else duration(point.on.ttft_seconds)


def _expected(point: Point) -> str:
    return "-" if point.expected_per_user is None else rate(point.expected_per_user)


def _expected_per_device(point: Point) -> str:
    return "-" if point.expected_per_device is None else rate(point.expected_per_device)


def _interval(point: Point) -> str:
    e = point.expected
    return f"{rate(1 / e.high_seconds)} to {rate(1 / e.low_seconds)}" if isinstance(e, Expected) else ""
