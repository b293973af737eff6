"""`moecalc routing`: what a batch touches, how even it lies on experts and ranks, and what that costs."""

from collections.abc import Iterable, Sequence

from moecalc.calc.routing.inclusion import drawn_layers
from moecalc.calc.routing.peaks import Peak
from moecalc.calc.routing.routed import Batch, PoolRouted, Routed
from moecalc.calc.routing.routing_lines import INCLUSION, SAMPLING, UNIFORM_GROUPS
from moecalc.render.layout import bold, dim, paragraph, table
from moecalc.render.markdown import markdown_table
from moecalc.units import format_bytes_decimal, format_percent

PLOT = "touched"
"""The column of bars."""

BARS = (20, 15, 10)
"""Columns of the plot, which are all experts: the widest that costs no other column."""

LEAST_TELLING = ("tokens each", PLOT, "FLOP/B", "of all", "buffers")
"""Columns that go first where there is no room for all."""

EIGHTHS = " ▏▎▍▌▋▊▉"


def routing_text(routed: Routed, columns: int) -> str:
    """The whole answer as text, `columns` wide."""
    lines: list[str] = []
    for pool in routed.pools:
        lines += [bold(line) for line in paragraph(heading(routed, pool), columns, "  ")]
        for said in answers(routed, pool):
            lines += paragraph(said, columns, "  ")
        lines += ["", *_plotted(routed, pool, columns), ""]
        if routed.ranks > 1:
            lines += paragraph(over_ranks(routed, pool), columns)
            lines += [*_fitted(rank_rows(routed, pool), columns), ""]
    for remark in remarks(routed):
        lines += [dim(line) for line in paragraph(remark, columns, "  ")]
    for warning in routed.warnings:
        lines += paragraph(f"warning: {warning}", columns, "  ")
    return "\n".join(lines)


def routing_markdown(routed: Routed) -> str:
    """The same as Markdown."""
    parts = []
    for pool in routed.pools:
        parts += [f"**{heading(routed, pool)}**", *answers(routed, pool)]
        parts.append(markdown_table([row[:-1] for row in expert_rows(routed, pool)]))
        if routed.ranks > 1:
            parts += [over_ranks(routed, pool), markdown_table(rank_rows(routed, pool))]
    return "\n\n".join([*parts, *remarks(routed), *(f"warning: {warning}" for warning in routed.warnings)])


def heading(routed: Routed, pool: PoolRouted) -> str:
    """Who chooses how many of what, and how."""
    one = pool.experts.pool
    null = f" and {one.null_experts:,} without weights" if one.null_experts else ""
    within = f", in {one.group_limit} of {one.groups} groups at most" if one.group_limit else ""
    layers = "1 layer chooses" if pool.experts.layers == 1 else f"{pool.experts.layers:,} layers choose"
    return (
        f"{routed.model}: {layers} {one.top_k:,} of {_experts(one.experts)}{null} for each token{within}; "
        f"{routed.skew.words} routing"
    )


def answers(routed: Routed, pool: PoolRouted) -> Iterable[str]:
    """From which batch on most experts are read; what stays uneven however many tokens come; groups."""
    reached = [(share, batch) for share, batch in pool.batch_for.items() if batch is not None]
    never = [f"{share:.0%}" for share, batch in pool.batch_for.items() if batch is None]
    if reached:
        marks = ", ".join(f"{share:.0%} from batch {batch:,}" for share, batch in reached)
        yield f"a step is expected to touch {marks} on" + (f"; {never[0]} of them never" if never else "")
    if pool.live_share < 1:
        yield f"{format_percent(1 - pool.live_share)} of the experts get no load"
    if routed.skew.law != "uniform":
        said = f"the hottest expert gets {pool.hottest_over_mean:.3g} times the mean load"
        if pool.hottest_rank_over_mean is not None:
            said += f", the hottest of {routed.ranks:,} ranks {pool.hottest_rank_over_mean:.3g} times"
        yield f"{said}, however many tokens come"
    if pool.groups_reached is not None:
        said = (
            f"a token's experts lie in {float(pool.groups_reached):.2f} of {pool.experts.pool.groups} groups"
        )
        if pool.groups_without_limit is not None:
            said += f"; without the limit in {float(pool.groups_without_limit):.2f}"
        yield f"{said} ({UNIFORM_GROUPS if pool.groups_without_limit is not None else 'uniform choice'})"


def expert_rows(routed: Routed, pool: PoolRouted, bar_columns: int = BARS[0]) -> list[list[str]]:
    """A header, and a row for each batch; the plot is the last column."""
    head = ["batch", "experts", "weights read", "of all", "tokens each", "FLOP/B", "fullest/mean"]
    dropped = routed.capacity_factor is not None
    rows = [[*head, *(["dropped"] if dropped else []), PLOT]]
    rows += [_expert_row(row, float(routed.stored_bytes), bar_columns) for row in pool.batches]
    return rows


def over_ranks(routed: Routed, pool: PoolRouted) -> str:
    """What stands on each rank."""
    held = float(pool.experts.stored_bytes) / routed.ranks
    number = pool.experts.pool.experts // routed.ranks
    return f"over {routed.ranks:,} ranks, each with {_experts(number)} of every layer, {format_bytes_decimal(held)}"


def rank_rows(routed: Routed, pool: PoolRouted) -> list[list[str]]:
    """A header, and a row for each batch: the fullest rank over the mean, and what it holds."""
    timed = routed.device is not None
    rows = [["batch", "tokens", "experts read", *([f"step on {routed.device}"] if timed else []), "buffers"]]
    rows += [_rank_row(row, timed) for row in pool.batches]
    return rows


def remarks(routed: Routed) -> Iterable[str]:
    """What the columns mean, and what was assumed."""
    yield (
        "experts: different ones that a layer reads, in expectation; weights read: a step of one token per sequence; "
        "tokens each: on an expert that is touched; FLOP/B: its arithmetic over its weights' bytes"
    )
    if routed.simulated:
        simulated = any(
            row.peaks is not None and row.peaks.expert.error is not None
            for pool in routed.pools
            for row in pool.batches
        )
        yield "fullest/mean: the expert with the most tokens over the mean, in expectation" + (
            "; ±: standard error of a seeded simulation" if simulated else ""
        )
    else:
        yield "fullest/mean is simulated, which needs numpy: pip install 'moecalc[arrays]'"
    if routed.ranks > 1:
        yield (
            "over ranks: the fullest over the mean, which is how much longer the experts' part of a step takes than on "
            "even ranks where arithmetic binds (tokens) or reading does (experts read); buffers: what the fullest rank "
            "holds beside its experts, one layer's inputs and outputs of every matrix in 16 bits; the batch is that "
            "of all ranks"
        )
    if routed.capacity_factor is not None:
        yield f"dropped: choices beyond ceil({routed.capacity_factor:g} x an even share) of an expert, per layer"
    drawn = ""
    if routed.skew.law == "dirichlet":
        layers = max(drawn_layers(pool.experts.pool.experts) for pool in routed.pools)
        drawn = f"; means over {layers:,} drawn layers"
    if routed.skew.law != "uniform":
        drawn = f"; {INCLUSION}{drawn}"
    weights = routed.precision if routed.quant == "released" else routed.quant
    yield f"assumed: {SAMPLING}{drawn}; weights {weights}; estimate"


def bar(share: float, columns: int = BARS[0]) -> str:
    """A share of the experts as a bar."""
    eighths = round(share * columns * 8)
    return ("█" * (eighths // 8) + EIGHTHS[eighths % 8]).rstrip()


def _expert_row(row: Batch, stored_bytes: float, bar_columns: int) -> list[str]:
    return [
        f"{row.tokens:,}",
        _count(row.experts_touched),
        format_bytes_decimal(row.weight_bytes_read),
        format_percent(row.weight_bytes_read / stored_bytes),
        _count(row.tokens_per_expert),
        _count(row.flops_per_byte),
        _peak(row.peaks.expert if row.peaks else None),
        *([] if row.dropped_share is None else [format_percent(row.dropped_share)]),
        bar(row.touched_share, bar_columns),
    ]


def _rank_row(row: Batch, timed: bool) -> list[str]:
    found = row.peaks
    assert found is not None
    return [
        f"{row.tokens:,}",
        _peak(found.rank_choices),
        _peak(found.rank_experts),
        *([_peak(found.rank_seconds)] if timed else []),
        "" if row.fullest_buffer_bytes is None else format_bytes_decimal(row.fullest_buffer_bytes),
    ]


def _plotted(routed: Routed, pool: PoolRouted, columns: int) -> list[str]:
    """The table by batch with the widest plot that leaves most columns."""
    tables = [expert_rows(routed, pool, size) for size in BARS]
    return _fitted(max(tables, key=lambda rows: len(_kept(rows, columns))), columns)


def _fitted(rows: Sequence[Sequence[str]], columns: int) -> list[str]:
    """The rows as a table, without the least telling columns where there is no room."""
    lines = _laid(rows, _kept(rows, columns))
    return [bold(lines[0]), *lines[1:]]


def _kept(rows: Sequence[Sequence[str]], columns: int) -> list[int]:
    """The columns that there is room for."""
    kept = list(range(len(rows[0])))
    leaving = [rows[0].index(name) for name in LEAST_TELLING if name in rows[0]]
    while leaving and max(map(len, _laid(rows, kept))) > columns:
        kept.remove(leaving.pop(0))
    return kept


def _laid(rows: Sequence[Sequence[str]], kept: Sequence[int]) -> list[str]:
    align = "".join("<" if rows[0][at] == PLOT else ">" for at in kept)
    return table([[row[at] for at in kept] for row in rows], align)


def _peak(peak: Peak | None) -> str:
    if peak is None:
        return "-"
    digits = 2 if peak.over_mean < 10 else 1
    if peak.error is None or peak.error == 0:
        return f"{peak.over_mean:.{digits}f}x"
    return f"{peak.over_mean:.{digits}f}x ±{max(peak.error, 10**-digits):.{digits}f}"


def _count(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.95 else f"{value:.2f}"


def _experts(number: int) -> str:
    return "1 expert" if number == 1 else f"{number:,} experts"
