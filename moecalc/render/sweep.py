"""`moecalc speed` over batches, plans and devices: the limits' answer first, then the frontier."""

from collections.abc import Iterable
from decimal import Decimal

from moecalc.calc.speed.expectation import Expected
from moecalc.calc.speed.sweep import Choice, Sweep
from moecalc.render import frontier
from moecalc.render.frontier import frontier_rows, frontier_table, one_fleet, title
from moecalc.render.layout import bold, dim, paragraph
from moecalc.render.markdown import markdown_table
from moecalc.render.rates import dollars, duration
from moecalc.render.slo import limit_remarks, over
from moecalc.specs.machines import MACHINE
from moecalc.units import format_percent


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


def heading(sweep: Sweep) -> str:
    """What was asked."""
    weights = (
        f"weights as released ({sweep.precision})" if sweep.quant == "released" else f"weights {sweep.quant}"
    )
    fleet = one_fleet(sweep)
    on = f" on {fleet}" if fleet is not None else ""
    return f"{sweep.model}{on}, {sweep.context:,} tokens, {weights}" + (
        f": {sweep.slo.text}" if sweep.slo is not None else ""
    )


def answers(sweep: Sweep) -> list[str]:
    """Which plan keeps the limits cheapest, as expected and at the ceiling; or the nearest, and by what it misses."""
    if not sweep.points:
        return [f"nothing holds it: {'; '.join(sweep.notes)}"]
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
        tail = "" if choice.expected else ": no engine can under any plan tried"
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


def _batches(sweep: Sweep) -> Iterable[str]:
    """Which batches the table is made of, and which the picks were chosen among."""
    if sweep.batch_range is None:
        if sweep.slo is not None:
            yield "picked among the batches that were named; `--batch 1..4096` chooses among all"
        return
    low, high = sweep.batch_range
    said = f"batches: of {low:,} to {high:,} both ends, the powers of two between and the most that fit were tried"
    yield said if sweep.slo is None else f"{said}; what is picked is picked among all of them"


def _remarks(sweep: Sweep) -> Iterable[str]:
    if sweep.points:
        yield from sweep.notes
        yield from _batches(sweep)
        yield from frontier.remarks(sweep)
    chosen = [choice.point for choice in (sweep.as_expected,) if choice is not None]
    told = (*chosen, *sweep.frontier, *sweep.expected_frontier)
    known = [point.expected for point in told if isinstance(point.expected, Expected)]
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
