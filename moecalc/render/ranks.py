"""`moecalc profile --tp N | --ep N`: what ranks hold and send, computed and counted, and how long their steps took."""

from fractions import Fraction

from moecalc.render.layout import bold, dim, paragraph, table
from moecalc.render.markdown import markdown_table
from moecalc.render.rates import duration, rate
from moecalc.specs.ranks_run import Exchanged, Held, RanksRun
from moecalc.specs.runs import Timing
from moecalc.units import format_bytes_binary, format_bytes_decimal, format_parameters, format_percent

Rows = list[list[str]]

NONE = "-"

REMARKS = (
    "all-reduces are counted as a ring sends them, 2 (n - 1) / n of the vector per rank; a backend may do otherwise",
    "the gather of logits and the choices of experts that go along are no part of what `moecalc speed` computes",
)

WATCHED = (
    "exchanges are timed in steps of their own, each by the rank that waited least for the others; at least: as many "
    "tiny ones, and their bytes at the rate of a large one, each by itself in this run; rates are of the bytes that a "
    "rank sends (NCCL-tests' bus bandwidth)"
)

EXPECTED = (
    "the all-to-all is computed for experts drawn uniformly; counted is what the tokens of this run chose, on the rank "
    "that sent the most"
)


def ranks_text(run: RanksRun, columns: int) -> str:
    """The whole answer as text, `columns` wide."""
    lines = [bold(line) for line in paragraph(heading(run), columns, "  ")]
    for rows, align in (
        (held_rows(run), "<>><"),
        (exchange_rows(run), "<<>>>><"),
        (time_rows(run), "<>><"),
        (exchange_time_rows(run), "<<>>>>"),
    ):
        laid = table(rows, align)
        if max(map(len, laid)) > columns:
            laid = table(
                [[*row[:2], row[3], row[5], row[6]] if len(row) == 7 else row[:3] for row in rows], "<<>><"
            )
        lines += ["", bold(laid[0]), *laid[1:]]
    lines.append("")
    for remark in remarks(run):
        lines += [dim(line) for line in paragraph(remark, columns, "  ")]
    return "\n".join(lines)


def ranks_markdown(run: RanksRun) -> str:
    """The same as Markdown."""
    every = (held_rows(run), exchange_rows(run), time_rows(run), exchange_time_rows(run))
    tables = [markdown_table(rows) for rows in every if len(rows) > 1]
    return "\n\n".join([f"**{heading(run)}**", *tables, *remarks(run)])


def heading(run: RanksRun) -> str:
    """What ran, where and when."""
    sequences = "1 sequence" if run.batch == 1 else f"{run.batch:,} sequences"
    return (
        f"{run.model} on {run.ranks} x {run.device}, {run.plan}, {run.backend}, {run.dtype}: {sequences}, prompts of "
        f"{run.prompt:,}, {run.context:,} keys; {run.date}"
    )


def held_rows(run: RanksRun) -> Rows:
    """A header, and what a rank holds."""
    return [
        ["each rank holds", "computed", "allocated", ""],
        _held_row("parameters", run.parameters, format_parameters),
        _held_row("weights", run.weight_bytes, format_bytes_binary),
        _held_row("state", run.state_bytes, format_bytes_binary),
    ]


def exchange_rows(run: RanksRun) -> Rows:
    """A header, and what a rank sends in a step."""
    rows = [["a rank sends in a step", "of", "times", "computed", "times", "counted", ""]]
    return rows + [_exchange_row(entry) for entry in run.exchanged]


def time_rows(run: RanksRun) -> Rows:
    """A header, and the steps' times."""
    rows = [["the slowest rank", "takes", "tokens/s", "fastest to slowest call"]]
    return [
        *rows,
        _time_row("prefill", run.prefill, run.batch * run.prompt),
        _time_row("decode step", run.decode, run.batch),
    ]


def exchange_time_rows(run: RanksRun) -> Rows:
    """A header, and what the exchanges of a step take; the header alone where they were not timed."""
    rows = [["exchanges of a step", "of", "at least", "take", "of the step", "a rank sends"]]
    return rows + [_exchange_time_row(run, entry) for entry in run.exchanged if entry.seconds]


def remarks(run: RanksRun) -> list[str]:
    """How it was counted and run."""
    said = [f"warning: {warning}" for warning in run.warnings]
    said += [f"note: {note}" for note in run.notes]
    if any(entry.expected for entry in run.exchanged):
        said.append(EXPECTED)
    if run.links:
        reached = ", ".join(
            f"{link.kind} {_rate(link.bytes_per_second)} and {duration(link.start_seconds)} to start"
            for link in run.links
        )
        said += [f"links of this run: {reached}", WATCHED]
    return [*said, *REMARKS, f"random weights, seed {run.seed}; routing {run.routing}; torch {run.torch}"]


def _held_row(label: str, held: Held, words: object) -> list[str]:
    shown = sorted(set(held.ranks))
    assert callable(words)
    allocated = words(shown[0]) if len(shown) == 1 else f"{words(shown[0])} to {words(shown[-1])}"
    return [label, words(held.computed), allocated, "equal" if held.equal else "DIFFERENT"]


def _exchange_row(entry: Exchanged) -> list[str]:
    verdict = {True: "equal", False: "DIFFERENT", None: "expected" if entry.expected else "not computed"}
    times = NONE if entry.computed_times is None else f"{entry.computed_times:g}"
    computed = NONE if entry.computed_bytes is None else _bytes(entry.computed_bytes)
    counted = [f"{entry.counted_times}", _bytes(entry.counted_bytes)]
    return [entry.name, entry.phase, times, computed, *counted, verdict[entry.equal]]


def _exchange_time_row(run: RanksRun, entry: Exchanged) -> list[str]:
    seconds, link = entry.seconds or 0.0, run.link(entry.kind)
    least = None if link is None else link.least_seconds(entry.counted_times, entry.counted_bytes)
    return [
        entry.name,
        entry.phase,
        NONE if least is None else duration(least),
        duration(seconds),
        format_percent(seconds / run.step(entry.phase).seconds),
        _rate(entry.counted_bytes / seconds),
    ]


def _rate(bytes_per_second: float) -> str:
    return f"{format_bytes_decimal(bytes_per_second)}/s"


def _time_row(label: str, timing: Timing, tokens: int) -> list[str]:
    span = f"{duration(timing.low_seconds)} to {duration(timing.high_seconds)}"
    return [label, duration(timing.seconds), rate(tokens / timing.seconds), span]


def _bytes(size: float) -> str:
    return format_bytes_binary(Fraction(size))
