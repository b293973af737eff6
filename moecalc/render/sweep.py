"""`moecalc speed` over batches, plans and devices: the limits' answer first, then the frontier."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from moecalc.calc.speed.communication import MACHINE
from moecalc.calc.speed.expectation import Expected
from moecalc.calc.speed.sweep import Choice, Point, Sweep
from moecalc.render.layout import bold, dim, paragraph, table
from moecalc.render.markdown import markdown_table
from moecalc.render.rates import dollars, duration, rate
from moecalc.render.slo import limit_remarks, over
from moecalc.units import format_percent

SHOWN = 12
"""Points of the frontier that a kind of device gets in the table, evenly chosen."""


def sweep_text(sweep: Sweep, columns: int) -> str:
    """The whole answer as text, `columns` wide."""
    lines = [bold(line) for line in paragraph(heading(sweep), columns, "  ")]
    for said in answers(sweep):
        lines += paragraph(said, columns, "  ")
    if sweep.frontier:
        laid = frontier_table(sweep, columns)
        lines += ["", *paragraph(title(sweep), columns), bold(laid[0]), *laid[1:]]
    lines.append("")
    for remark in _remarks(sweep):
        lines += [dim(line) for line in paragraph(remark, columns, "  ")]
    for warning in sweep.warnings:
        lines += paragraph(f"warning: {warning}", columns, "  ")
    return "\n".join(lines)


def sweep_markdown(sweep: Sweep) -> str:
    """The same as Markdown."""
    parts = [f"**{heading(sweep)}**", *answers(sweep)]
    if sweep.frontier:
        parts += [title(sweep), markdown_table(frontier_rows(sweep))]
    return "\n\n".join([*parts, *_remarks(sweep), *(f"warning: {warning}" for warning in sweep.warnings)])


EXPECTED = "expected: "
TITLE = "the frontier at the ceiling, tokens/s: no other plan or batch on these devices is faster per user and per GPU"
CHEAPEST = (
    "the frontier at the ceiling, tokens/s and $ per M output tokens: no other plan or batch on these devices is "
    "faster per user and cheaper"
)


def title(sweep: Sweep) -> str:
    """What the frontier is of: speed per device, or dollars; and what stands in the table beside it."""
    said = TITLE if sweep.busy is None else CHEAPEST
    beside = [point for point in _shown(sweep) if not _is_among(point, sweep.frontier)]
    return f"{said}; what was picked stands beside it" if beside else said


def heading(sweep: Sweep) -> str:
    """What was asked."""
    weights = (
        f"weights as released ({sweep.precision})" if sweep.quant == "released" else f"weights {sweep.quant}"
    )
    fleet = _one_fleet(sweep)
    on = f" on {fleet}" if fleet is not None else ""
    return f"{sweep.model}{on}, {sweep.context:,} tokens, {weights}" + (
        f": {sweep.slo.text}" if sweep.slo is not None else ""
    )


def answers(sweep: Sweep) -> list[str]:
    """Which plan keeps the limits cheapest, as expected and at the ceiling; or the nearest, and by what it misses."""
    if not sweep.points:
        return ["nothing holds it: no plan on these devices has room for one sequence"]
    if sweep.slo is None:
        return []
    said = []
    if sweep.as_expected is not None:
        said.append(_answer(sweep, sweep.as_expected))
    elif sweep.at_ceiling is not None and not sweep.at_ceiling.misses:
        said.append("as expected: nothing is expected of any plan that the ceiling allows")
    said += limit_remarks(sweep)
    if sweep.at_ceiling is not None:
        said.append(_answer(sweep, sweep.at_ceiling))
    return said


class _Column(NamedTuple):
    head: str
    cell: Callable[[Point], str]
    align: str = ">"
    goes: int | None = None
    """Of columns that are left out where the terminal is narrow, the lowest goes first; None: it stays."""


def frontier_rows(sweep: Sweep) -> list[list[str]]:
    """A header, and the points of the frontier, the fastest user of each kind of device first."""
    return _rows(_columns(sweep), _shown(sweep))


def frontier_table(sweep: Sweep, columns: int) -> list[str]:
    """The same laid out, without the columns that tell least where it would be wider than `columns`."""
    kept, points = _columns(sweep), _shown(sweep)
    while True:
        laid = table(_rows(kept, points), "".join(column.align for column in kept))
        going = [column.goes for column in kept if column.goes is not None]
        if max(map(len, laid)) <= columns or not going:
            return laid
        kept = [column for column in kept if column.goes != min(going)]


def _rows(columns: Sequence[_Column], points: Sequence[Point]) -> list[list[str]]:
    return [[column.head for column in columns]] + [
        [column.cell(point) for column in columns] for point in points
    ]


def _columns(sweep: Sweep) -> list[_Column]:
    points = _shown(sweep)
    priced = any(point.usd_per_million is not None for point in points)
    known = any(isinstance(point.expected, Expected) for point in points)
    by_cost = sweep.busy is not None
    made = [_Column("per user", lambda point: rate(point.per_user))]
    if known:
        made += [
            _Column("expected", _expected),
            _Column("its interval", _interval, goes=2),
        ]
    if not by_cost:
        made.append(_Column("per GPU", lambda point: rate(point.per_device), goes=3))
    usd = "$ per M" if by_cost else "$ per M out"  # the title of the former says of what
    made.append(_Column(usd, _usd, goes=5) if priced else _Column("TTFT", _ttft, goes=5))
    if by_cost and known:
        made.append(_Column("expected $", _expected_usd))
    made.append(_Column("batch", lambda point: f"{point.batch:,}"))
    if _one_fleet(sweep) is None:  # else the heading names it
        made.append(_Column("devices", lambda point: point.on.fleet, "<", 7))
    made += [
        _Column("plan", lambda point: point.on.plan.words, "<", 4),
        _Column("binds", lambda point: point.bound, "<", 1),
    ]
    if sweep.slo is not None:
        made.append(_Column("pick", lambda point: _pick(sweep, point), "<", 6))
    return made


def _one_fleet(sweep: Sweep) -> str | None:
    """The devices of every point of the table, where they are the same."""
    fleets = {point.on.fleet for point in _shown(sweep)}
    return fleets.pop() if len(fleets) == 1 else None


def _shown(sweep: Sweep) -> list[Point]:
    """Points of the frontier of each kind of device, evenly chosen, and the picks; the fastest user first."""
    picks = [choice.point for choice in (sweep.as_expected, sweep.at_ceiling) if choice is not None]
    if sweep.busy is not None:
        picks = [point for point in picks if point.usd_per_million is not None]
    shown = []
    kinds = dict.fromkeys(point.on.kind for point in (*sweep.frontier, *picks))
    for kind in kinds:
        own = [point for point in sweep.frontier if point.on.kind == kind]
        most = max(3, SHOWN // len(kinds))
        if len(own) > most:  # both ends, and evenly between
            own = [own[round(place * (len(own) - 1) / (most - 1))] for place in range(most)]
        for pick in picks:
            if pick.on.kind == kind and not _is_among(pick, own):
                own.append(pick)
        shown += sorted(own, key=lambda point: -point.per_user)
    return shown


def _is_among(point: Point, others: Iterable[Point]) -> bool:
    """Whether one of them is the same batch on the same devices and plan."""
    return any(_key(point) == _key(other) for other in others)


def _key(point: Point) -> tuple[str, str, int]:
    return point.on.fleet, point.on.plan.words, point.batch


def _pick(sweep: Sweep, point: Point) -> str:
    """Whether a point is what was picked, and by which measure."""
    named = (("expected", sweep.as_expected), ("ceiling", sweep.at_ceiling))
    return ", ".join(
        word for word, choice in named if choice is not None and _key(choice.point) == _key(point)
    )


def _answer(sweep: Sweep, choice: Choice) -> str:
    point = choice.point
    basis = "as expected" if choice.expected else "at the ceiling"
    where = f"{point.on.fleet}" + (f", {point.on.plan.words}" if point.on.devices > 1 else "")
    where += f", batch {point.batch:,}"
    tpot, ttft = point.seconds, point.on.ttft_seconds
    span = ttft_span = ""
    if choice.expected:
        if isinstance(point.expected, Expected):
            tpot, span = point.expected.seconds, _span(point.expected)
        ttft = None
        if isinstance(point.expected_ttft, Expected):
            ttft, ttft_span = point.expected_ttft.seconds, _span(point.expected_ttft)
    figures = f"tpot {duration(tpot)}{span}"
    if ttft is not None:
        figures += f", ttft {duration(ttft)}{ttft_span} unloaded"
    cost = point.cost(tpot)
    if choice.misses:
        missed = " and ".join(f"{name} by {over(times)}" for name, times in choice.misses.items())
        tail = "" if choice.expected else ": no engine can on these devices"
        return f"{basis} nothing keeps {_text(sweep)}{tail}; the nearest is {where} ({figures}), which misses {missed}"
    said = f"{basis}, the cheapest that keeps {_text(sweep)}: {where} ({figures})"
    if cost is not None:
        said += (
            f", ${dollars(cost)} per M output tokens, ${point.on.usd_per_hour:,.2f} an hour{_of_work(sweep)}"
        )
    if not choice.expected:
        said += "; a bound: engines need more"
    return said


def _of_work(sweep: Sweep) -> str:
    """What an hour is where idle time is paid with it."""
    return "" if sweep.busy in {None, Decimal(1)} else " of work"


def _span(expected: Expected) -> str:
    return f" [{duration(expected.low_seconds)} to {duration(expected.high_seconds)}]"


def _text(sweep: Sweep) -> str:
    return sweep.slo.text if sweep.slo is not None else ""


def _usd(point: Point) -> str:
    return "no price" if point.usd_per_million is None else dollars(point.usd_per_million)


def _expected_usd(point: Point) -> str:
    usd = point.expected_usd_per_million
    return "-" if usd is None else dollars(usd)


def _ttft(point: Point) -> str:
    return "" if point.on.ttft_seconds is None else duration(point.on.ttft_seconds)


def _expected(point: Point) -> str:
    return rate(1 / point.expected.seconds) if isinstance(point.expected, Expected) else "-"


def _interval(point: Point) -> str:
    e = point.expected
    return f"{rate(1 / e.high_seconds)} to {rate(1 / e.low_seconds)}" if isinstance(e, Expected) else ""


def _remarks(sweep: Sweep) -> Iterable[str]:
    yield from sweep.notes
    chosen = [choice.point for choice in (sweep.as_expected,) if choice is not None]
    known = [p.expected for p in (*chosen, *sweep.frontier) if isinstance(p.expected, Expected)]
    for words in dict.fromkeys(expected.words for expected in known):
        yield f"{EXPECTED}{words}"
    if any(point.on.devices > MACHINE for point in sweep.frontier):
        yield f"beyond {MACHINE} devices a network joins machines, which only adds to these times"
    if sweep.prices and sweep.busy is None:
        yield f"list prices: {'; '.join(sweep.prices)}; decoding alone, devices never idle"
    elif sweep.prices:
        yield (
            f"price: {'; '.join(sweep.prices)}; decoding alone, devices busy {format_percent(sweep.busy or 1)} of the "
            "time that is paid"
        )
    said = ", ".join(
        f"{'KV' if name == 'kv_dtype' else name} {f'{value:,}' if isinstance(value, int) else value}"
        for name, value in sweep.defaults.items()
        if name != "routing" or sweep.is_routed
    )
    yield "ceiling: bytes over bandwidth, FLOPs over dense peaks; no communication, no latency; estimate"
    yield f"assumed: {said}"
