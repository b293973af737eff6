"""`moecalc cost`: the costs of tokens at the ceiling and as expected, over the batch, of a request, and APIs beside."""

from decimal import Decimal

from moecalc.calc.cost.cost import Cost, RequestCost
from moecalc.calc.cost.figure import Figure
from moecalc.calc.cost.request import Split
from moecalc.calc.deploy.budget import MOST_SEQUENCES
from moecalc.calc.speed.expectation import Expected
from moecalc.calc.speed.speculation import UNMEASURED
from moecalc.render.amounts import NONE, dollars, or_none, significant
from moecalc.render.cost_expectations import expectation_words
from moecalc.render.cost_plans import plan_words
from moecalc.render.layout import bold, dim, paragraph, table
from moecalc.render.markdown import markdown_table
from moecalc.render.offers import api_heading, api_words, offer_lines, offer_rows
from moecalc.render.rates import duration
from moecalc.specs.money import plain
from moecalc.units import format_bytes_binary, format_bytes_decimal, format_percent

Rows = list[list[str]]

INTERVAL = "interval"


def cost_text(cost: Cost, columns: int) -> str:
    """The whole answer as text, `columns` wide."""
    lines = [bold(cost.model) + (f"  {cost.title}" if cost.title != cost.model else ""), dim(cost.source)]
    lines += ["", *paragraph(deployment_words(cost), columns, "  ")]
    lines += ["", *_table(token_rows(cost), columns), *paragraph(plan_words(cost), columns, "  ")]
    lines += ["", *_curve(cost, columns)]
    if cost.draw is not None:
        lines += ["", *_table(energy_rows(cost), columns)]
    if cost.request is not None:
        lines += ["", *_table(request_rows(cost, cost.request), columns)]
        lines += [
            line for words in request_words(cost, cost.request) for line in paragraph(words, columns, "  ")
        ]
    if cost.buying is not None:
        lines += ["", *paragraph(bold(api_heading(cost)), columns, "  "), *offer_lines(cost, columns)]
        lines += [line for words in api_words(cost) for line in paragraph(words, columns, "  ")]
    lines.append("")
    lines += [line for remark in remarks(cost) for line in paragraph(remark, columns, "  ")]
    lines += [dim(line) for line in paragraph(_next(cost), columns)]
    return "\n".join(lines)


def cost_markdown(cost: Cost) -> str:
    """The same as Markdown tables."""
    tables = [token_rows(cost), curve_rows(cost)]
    tables[0][0][0] = f"{cost.model}, {tables[0][0][0]}"
    if cost.draw is not None:
        tables.append(energy_rows(cost))
    parts = [deployment_words(cost), *filter(None, [plan_words(cost)]), *map(markdown_table, tables)]
    if cost.request is not None:
        parts += [markdown_table(request_rows(cost, cost.request)), *request_words(cost, cost.request)]
    if cost.buying is not None:
        parts.append(api_heading(cost))
        if cost.buying.offers:
            parts.append(markdown_table(offer_rows(cost)))
        parts += api_words(cost)
    return "\n\n".join([*parts, *remarks(cost)])


def deployment_words(cost: Cost) -> str:
    """What is paid for, and what it does."""
    most = f"{cost.capacity:,} fit" if cost.capacity < MOST_SEQUENCES else "any number fits"
    if cost.in_ram_bytes:
        most = f"{format_bytes_binary(cost.in_ram_bytes)} of the model in RAM"
    if cost.request is not None:
        most = most.replace("fit", f"of {cost.request.time.request.longest:,} tokens fit", 1)
    lengths = f"batch {cost.batch:,} ({most}), {cost.context:,} keys, prompts of {cost.prompt:,}"
    plan = "" if cost.plan.devices == 1 else f", {cost.plan.words}"
    hour = cost.outlay.usd_per_busy_hour
    return (
        f"{cost.fleet}{plan}: {lengths}; ${dollars(hour)} per hour of work, utilization "
        f"{format_percent(cost.outlay.busy)} of the time that is paid"
    )


def token_rows(cost: Cost) -> Rows:
    """A header, then output (by itself, and served with its prompts) and input."""
    rows = [["$ per M tokens", *_head(cost)], ["output", *_cells(cost, cost.usd_per_million(cost.output))]]
    served = cost.output.served_per_million
    if served is not None:
        cells = _cells(cost, served.map(cost.outlay.usd))
        rows.append(["output, served", *[""] * (len(cells) - 2), *cells[-2:]])
    if cost.speculation is not None and cost.gain is not None:
        usd = cost.speculative_usd_per_million(cost.gain)
        label = f"output, {cost.speculation.drafted} drafted"
        rows.append([label, dollars(usd), *[""] * (len(rows[0]) - 2)])
    if cost.input is None:
        return [*rows, ["input", "unknown: no published peak"]]
    return [*rows, ["input", *_cells(cost, cost.usd_per_million(cost.input))]]


def speculation_words(cost: Cost) -> list[str]:
    """What drafting yields at this batch, and where it stops to pay."""
    told, gain = cost.speculation, cost.gain
    if told is None or gain is None:
        return []
    dearer = [other.batch for other in told.gains if other.speedup < 1]
    turn = f"; of these batches dearer at {', '.join(f'{batch:,}' for batch in dearer)}" if dearer else ""
    at = f"at batch {gain.batch:,} {significant(gain.speedup)}x as fast at the ceiling{turn}"
    said = f"speculation: {told.words}; {at}; draft: {told.draft}"
    return [said, f"drafted: no expectation: {UNMEASURED}"]


def curve_rows(cost: Cost) -> Rows:
    """A column per batch: output at the ceiling, on the same experts, as expected, and what one user sees."""
    figures = [cost.usd_per_million(pace) for pace in cost.curve]
    served = [pace.served_per_million for pace in cost.curve]
    rows = [
        ["$ per M output tokens, at batch", *[f"{pace.tokens:,}" for pace in cost.curve]],
        ["at the ceiling", *[dollars(figure.ceiling) for figure in figures]],
    ]
    if cost.is_sparse:
        rows.append(["on the same experts", *[dollars(figure.least) for figure in figures]])
    if cost.speculation is not None:
        usd = [cost.speculative_usd_per_million(gain) for gain in cost.speculation.gains]
        rows.append([f"{cost.speculation.drafted} drafted, ceiling", *map(dollars, usd)])
    if any(figure.expected is not None for figure in figures):
        rows.append(["expected", *[or_none(figure.expected) for figure in figures]])
    if any(served):
        costs = [figure.map(cost.outlay.usd).expected if figure else None for figure in served]
        rows.append(["expected, served", *[or_none(value) for value in costs]])
    rows.append(
        ["tokens/s per user, ceiling", *[significant(1 / pace.seconds.ceiling) for pace in cost.curve]]
    )
    known = [pace.seconds.expected for pace in cost.curve]
    if any(known):
        rows.append(["  expected", *map(_per_second, known)])
    if any(served):
        steps = [pace.served.seconds if isinstance(pace.served, Expected) else None for pace in cost.curve]
        rows.append(["  expected, served", *map(_per_second, steps)])
    return rows


def _per_second(seconds: float | None) -> str:
    return NONE if seconds is None else significant(1 / seconds)


def energy_rows(cost: Cost) -> Rows:
    """Watt-hours and grams of CO2 per million tokens."""
    rows = [["per M tokens", *_head(cost)]]
    for what, pace in (("output", cost.output), ("input", cost.input)):
        used = cost.energy(pace) if pace is not None else None
        if used is None:
            continue
        rows.append([f"{what}, Wh", *_cells(cost, used.watt_hours)])
        if used.grams_co2 is not None:
            rows.append([f"{what}, g CO2", *_cells(cost, used.grams_co2)])
    return rows


def request_rows(cost: Cost, request: RequestCost) -> Rows:
    """The parts of a thousand requests, with the tokens of one, their sum, and as many conversations."""
    mix = request.time.request

    def cells(figure: Figure[Decimal]) -> list[str]:
        return _cells(cost, figure.map(lambda value: 1000 * value))

    rows = [["$ per 1,000 requests", "tokens", *_head(cost)]]
    rows.append(["input, new", f"{mix.new_tokens:,}", *cells(request.new_usd)])
    if mix.cached_tokens:
        rows.append(["input, cached", f"{mix.cached_tokens:,}", *cells(request.cached_usd)])
    rows.append(["output", f"{mix.output:,}", *cells(request.output_usd)])
    rows.append(["  one after another", f"{mix.longest:,}", *cells(request.apart_usd)])
    pool = "served" if request.pools == 1 else "two pools"
    rows.append([f"request, {pool}", f"{mix.longest:,}", *cells(request.usd)])
    if mix.turns > 1:
        rows.append(
            [
                f"1,000 conversations of {mix.turns:,}",
                f"{mix.turns * mix.longest:,}",
                *cells(request.conversation_usd),
            ]
        )
    return rows


def request_words(cost: Cost, request: RequestCost) -> list[str]:
    """What a cached token costs, what holding it does, and how two pools are split."""
    mix, said = request.time.request, []
    cached = request.cached_usd_per_million
    if cached is not None:
        new = request.new_usd.ceiling / mix.new_tokens * 1_000_000
        said.append(
            f"cached input: ${dollars(cached.ceiling)} per M tokens at the ceiling, to read its state and attend to it "
            f"(new input ${dollars(new)})"
        )
    if cached is not None or mix.turns > 1:
        said.append(
            f"state held between requests: ${dollars(request.hold_usd_per_hour)} per conversation and hour, the room "
            f"of 1 in {cost.capacity:,} sequences of {mix.longest:,} tokens"
        )
        if request.hold_usd is not None:
            said[-1] += f"; ${dollars(request.hold_usd)} for the {mix.turns - 1:,} pauses of a conversation"
        elif mix.turns > 1:
            said[-1] += "; `pause=30s` in the request counts it in"
    if request.splits is not None:
        splits = request.splits
        said.append(f"split, at the ceiling: {_split(splits.ceiling, cost)}")
        if splits.expected is not None:
            said.append(f"split, expected: {_split(splits.expected, cost)}")
        said.append(_handed_over(request))
    return said


def _handed_over(request: RequestCost) -> str:
    """The state that goes from one pool to the other: of a request, through the link that was named, and in all."""
    said = f"each request hands {format_bytes_binary(request.moved_bytes)} of state to the other pool"
    moved = request.moved_bytes_per_second
    if moved is not None:
        said += f", at full load {format_bytes_decimal(round(moved.ceiling))}/s in all at the ceiling"
        if moved.expected is not None:
            said += f" and {format_bytes_decimal(round(moved.expected))}/s as expected"
    if request.moved_seconds is None or request.link_bytes_per_second is None:
        return f"{said}; the time of that is not counted: `--kv-link 50GB/s` says it"
    link = format_bytes_decimal(request.link_bytes_per_second)
    return (
        f"{said}; over {link}/s one takes {duration(request.moved_seconds)}, which its second token waits for and no "
        "price here has in it"
    )


def remarks(cost: Cost) -> list[str]:
    """Warnings, what stands behind the numbers, whose prices they are, and what was assumed."""
    said = [f"warning: {warning}" for warning in cost.warnings]
    uniform = cost.routing_words == "uniform"
    chosen = (
        "tokens choose experts uniformly" if uniform else f"{cost.routing_words} routing of tokens to experts"
    )
    routing = f"{chosen}; same experts: all tokens of a step share theirs, " if cost.is_sparse else ""
    below = "below which nothing can be under this plan; " if cost.is_sparse else ""
    prompts = f"{cost.batch:,} prompt{'s' if cost.batch > 1 else ''}"
    said.append(
        "at the ceiling: bytes over bandwidth and FLOPs over dense peak, no communication or latency: under this plan "
        f"no engine does it for less at this batch; {routing}{below}input: {prompts} in a step"
    )
    if cost.output.served_per_million is not None or (cost.request is not None and cost.request.pools == 1):
        said.append("served: continuous batching, prompts read along with decode steps; their cost is in it")
    behind = expectation_words(cost)
    if any(words.startswith("expected") for words in behind):
        said.append(
            "interval: from the 10th to the 90th percentile of measurements that the fit had not seen"
        )
    said += behind
    said += [f"price: {words}" for words in cost.outlay.words]
    said += speculation_words(cost)
    said.append(f"power: {cost.draw_words}" + (_energy_words(cost) if cost.draw else ": energy unknown"))
    if cost.defaults:
        named = ", ".join(
            f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}"
            for name, value in cost.defaults.items()
        )
        said.append(f"assumed: {named}")
    return said


def _next(cost: Cost) -> str:
    if cost.request is None:
        return '`--request "in=8k,out=1k,cached=70%"` prices a request, `--api` puts API prices beside'
    if cost.buying is None:
        pools = ", `--pools 2` splits prefill from decode" if cost.request.pools == 1 else ""
        return f"`--api` puts API prices beside{pools}"
    return f"`moecalc compare {cost.model} OTHER` shows when another model is cheaper"


def _head(cost: Cost) -> list[str]:
    return ["at the ceiling", *(["same experts"] if cost.is_sparse else []), "expected", INTERVAL]


def _cells(cost: Cost, figure: Figure[Decimal]) -> list[str]:
    cells = [dollars(figure.ceiling), *([dollars(figure.least)] if cost.is_sparse else [])]
    if figure.expected is None or figure.low is None or figure.high is None:
        return [*cells, NONE, ""]
    return [*cells, dollars(figure.expected), f"{dollars(figure.low)}-{dollars(figure.high)}"]


def _energy_words(cost: Cost) -> str:
    assert cost.draw is not None
    busy = "" if cost.outlay.busy == 1 else "; what they draw while idle is not known, and not counted"
    host = f"; its host {plain(cost.draw.host_watts / cost.devices)} W per device, as given"
    if not cost.draw.host_watts:
        beside = f": {cost.host_note}" if cost.host_note else ""
        host = f"; of the devices alone, hosts not counted{beside}"
    site = "network and cooling not counted" if cost.draw.pue == 1 else "network not counted"
    return f"{host}; PUE {cost.draw.pue:f}, {site}{busy}"


def _split(split: Split, cost: Cost) -> str:
    return (
        f"{split.prefill} to prefill for {split.decode} to decode, each {cost.fleet} "
        f"(prefill wants {format_percent(split.prefill_share)} of the devices; {format_percent(split.idle)} of their "
        "time idle)"
    )


def _table(rows: Rows, columns: int) -> list[str]:
    if not any(row[-1] for row in rows[1:] if len(row) == len(rows[0])):
        rows = [row[: len(rows[0]) - 1] for row in rows]  # nothing is expected, so there is no interval
    lines = _laid(rows)
    if max(map(len, lines)) > columns and rows[0][-1] == INTERVAL:
        # The interval goes below the number that it belongs to.
        lines = _laid(_folded(rows))
    lines[0] = bold(lines[0])
    return lines


def _laid(rows: Rows) -> list[str]:
    return table(rows, "<" + ">" * (max(map(len, rows)) - 1))


def _folded(rows: Rows) -> Rows:
    folded: Rows = [rows[0][:-1]]
    for row in rows[1:]:
        folded.append(row[:-1] if len(row) == len(rows[0]) else row)
        if len(row) == len(rows[0]) and row[-1]:
            folded.append([*[""] * (len(row) - 2), row[-1]])
    return folded


def _curve(cost: Cost, columns: int) -> list[str]:
    rows = curve_rows(cost)
    lines = _laid(rows)
    while max(map(len, lines)) > columns and len(rows[0]) > 3:
        rows = [[*row[:-2], row[-1]] for row in rows]  # the batch before the largest tells the least
        lines = _laid(rows)
    lines[0] = bold(lines[0])
    return lines
