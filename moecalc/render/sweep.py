"""`moecalc speed` over batches, plans and devices: the limits' answer first, then the frontier."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from moecalc.calc.speed.communication import MACHINE
from moecalc.calc.speed.expectation import Expected
from moecalc.calc.speed.sweep import Choice, Point, Sweep
from moecalc.render.layout import bold, dim, paragraph, table
from moecalc.render.markdown import markdown_table
from moecalc.render.rates import dollars, duration, rate
from moecalc.units import format_percent

SHOWN = 12
"""Points of the frontier that a kind of device gets in the table, evenly chosen."""


def sweep_text(sweep: Sweep, columns: int) -> str:
    """The whole answer as text, `columns` wide."""
    lines = [bold(line) for line in paragraph(heading(sweep), columns, "  ")]
    for said in answers(sweep):
        lines += paragraph(said, columns, "  ")
    said_of_expected = is_whole = True
    if sweep.frontier:
        rows = frontier_rows(sweep)
        header = rows[0]
        align = ">>>>" + "<" * (len(rows[0]) - 4)
        laid = table(rows, align)
        while max(map(len, laid)) > columns and len(rows[0]) > 4:
            rows = [row[:-1] for row in rows]
            laid = table(rows, align[: len(rows[0])])
        lines += ["", *paragraph(title(sweep), columns), bold(laid[0]), *laid[1:]]
        is_whole = rows[0] == header or sweep.as_expected is not None
        said_of_expected = is_whole or sweep.busy is not None  # whose dollars stand in a column that stays
    lines.append("")
    if not is_whole:
        lines += [dim(line) for line in paragraph(NARROW, columns, "  ")]
    for remark in _remarks(sweep):
        if remark.startswith(EXPECTED) and not said_of_expected:
            continue
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
NARROW = "expected speeds: in a wider terminal, or with `--json`"
TITLE = "the frontier at the ceiling: no other plan or batch on these devices is faster per user and per GPU"
CHEAPEST = (
    "the frontier at the ceiling: no other plan or batch on these devices is faster per user and cheaper"
)


def title(sweep: Sweep) -> str:
    """What the frontier is of: speed per device, or dollars."""
    return TITLE if sweep.busy is None else CHEAPEST


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
    if sweep.at_ceiling is not None:
        said.append(_answer(sweep, sweep.at_ceiling))
    return said


def frontier_rows(sweep: Sweep) -> list[list[str]]:
    """A header, and the points of the frontier, the fastest user of each kind of device first."""
    priced = any(point.usd_per_million is not None for point in sweep.frontier)
    by_cost = sweep.busy is not None
    head = ["tokens/s per user", "per GPU", "$ per M out" if priced else "TTFT", "batch"]
    if by_cost:
        head[1:3] = ["$ per M out", "expected $"]
    alike = _one_fleet(sweep) is not None  # then the heading names it
    rows = [[*head, *([] if alike else ["devices"]), "plan", "binds", "expected per user"]]
    for point in _thinned(sweep.frontier):
        third = _usd(point) if priced else _ttft(point)
        rows.append(
            [
                rate(point.per_user),
                *([third, _expected_usd(point)] if by_cost else [rate(point.per_device), third]),
                f"{point.batch:,}",
                *([] if alike else [point.on.fleet]),
                point.on.plan.words,
                point.bound,
                _expected(point),
            ]
        )
    return rows


def _one_fleet(sweep: Sweep) -> str | None:
    """The devices of every point of the frontier, where they are the same."""
    fleets = {point.on.fleet for point in sweep.frontier}
    return fleets.pop() if len(fleets) == 1 else None


def _thinned(points: Sequence[Point]) -> Iterable[Point]:
    kinds = dict.fromkeys(point.on.kind for point in points)
    for kind in kinds:
        own = [point for point in points if point.on.kind == kind]
        most = max(3, SHOWN // len(kinds))
        if len(own) > most:  # both ends, and evenly between
            own = [own[round(place * (len(own) - 1) / (most - 1))] for place in range(most)]
        yield from own


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
        over = " and ".join(f"{name} by {_over(times)}" for name, times in choice.misses.items())
        tail = "" if choice.expected else ": no engine can on these devices"
        return f"{basis} nothing keeps {_text(sweep)}{tail}; the nearest is {where} ({figures}), which misses {over}"
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


def _over(times: float) -> str:
    """By how much a limit is missed: `12%`, and from ten times on `a factor of 580`."""
    return f"{times - 1:.0%}" if times < 10 else f"a factor of {times:,.0f}"


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
    if not isinstance(point.expected, Expected):
        return "-"
    e = point.expected
    return f"{rate(1 / e.seconds)} ({rate(1 / e.high_seconds)} to {rate(1 / e.low_seconds)})"


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
