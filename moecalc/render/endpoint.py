"""`moecalc profile --endpoint`: what was measured at each concurrency, then that against what is computed."""

from collections.abc import Sequence

from moecalc.errors import printable
from moecalc.render.layout import bold, dim, paragraph, table
from moecalc.render.markdown import markdown_table
from moecalc.render.rates import digits, duration, rate
from moecalc.specs.endpoint_run import Bound, EndpointRun, Level, Spread, Verdict

NONE = "-"

VERDICTS: dict[Verdict, str] = {
    "inside": "inside",
    "faster": "faster than 9 in 10",
    "slower": "slower than 9 in 10",
    "beyond the ceiling": "beyond the ceiling",
}

BEYOND = (
    "beyond the ceiling: other weights or devices than named, tokens drafted or prompts cached, or fewer requests "
    "decoding at once than were under way"
)

DEFINED = (
    "TTFT: from a request to its first token. TPOT: from the first token to the last, over the tokens behind the "
    "first. tokens/s: output of all requests together, until the last request has ended."
)

Rows = list[list[str]]


def endpoint_text(run: EndpointRun, columns: int) -> str:
    """The whole answer as text, `columns` wide."""
    lines = [bold(line) for line in paragraph(heading(run), columns, "  ")]
    lines += ["", *_laid(measured_rows(run), "<>>>><><", (5, 7), columns)]
    if any(level.against for level in run.levels):
        lines += ["", *paragraph(against_words(run), columns, "  ")]
        lines += _laid(against_rows(run), "<>>><><", (4,), columns)
    lines.append("")
    for remark in remarks(run):
        lines += [dim(line) for line in paragraph(remark, columns, "  ")]
    return "\n".join(lines)


def endpoint_markdown(run: EndpointRun) -> str:
    """The same as Markdown."""
    parts = [f"**{heading(run)}**", markdown_table(measured_rows(run))]
    if any(level.against for level in run.levels):
        parts += [against_words(run), markdown_table(against_rows(run))]
    return "\n\n".join([*parts, *remarks(run)])


def heading(run: EndpointRun) -> str:
    """What was measured, where and when."""
    sizes = f"prompts of about {run.prompt:,} tokens, answers of {run.output:,}"
    return f"{_name(run.model)} at {run.url}, measured {run.date}: {sizes}"


def measured_rows(run: EndpointRun) -> Rows:
    """A header, and each concurrency: how many requests, tokens per second, TTFT and TPOT with their extremes."""
    rows = [["concurrency", "requests", "tokens/s", "per request", "TTFT", "", "TPOT", ""]]
    for level in run.levels:
        all_together, tpot = level.tokens_per_second, level.tpot
        rows.append(
            [
                f"{level.concurrency}",
                _ended(level),
                NONE if all_together is None else rate(all_together),
                NONE if tpot is None else rate(1 / tpot.median),
                *_times(level.ttft),
                *_times(tpot),
            ]
        )
    return rows


def against_words(run: EndpointRun) -> str:
    """What it is held against."""
    plan = "" if run.plan in {None, "1 device"} else f", {run.plan}"
    return f"against {run.like} ({run.precision}) on {run.fleet}{plan}:"


def against_rows(run: EndpointRun) -> Rows:
    """A header, and the medians beside the ceiling and what is expected."""
    rows = [["", "ceiling", "expected", "measured", "8 in 10", "ratio", ""]]
    for level in run.levels:
        if level.against is not None:
            rows += _held(f"TPOT at {level.concurrency}", level.tpot, level.against.tpot)
    for level in run.levels:
        if level.against is not None:
            rows += _held(f"TTFT at {level.concurrency}", level.ttft, level.against.ttft)
    return rows


def remarks(run: EndpointRun) -> list[str]:
    """What was counted how, what is missing and why."""
    said = []
    if run.stopped is not None:
        missing = [f"{level}" for level in run.asked[len(run.levels) :]]
        beyond = f"; not measured: concurrency {', '.join(missing)}" if missing else ""
        said.append(f"stopped {printable(run.stopped)}{beyond}")
    said += [*_lengths(run), *run.notes]
    if any(level.count("cut") for level in run.levels):
        said.append(
            "cut: still under way when a level's time was up; their tokens count, as far as they came"
        )
    said += _no_expectations(run)
    if any(VERDICTS["beyond the ceiling"] in row for row in against_rows(run)):
        said.append(BEYOND)
    return [*said, DEFINED]


def _ended(level: Level) -> str:
    parts = [f"{level.count('done')}"]
    parts += [f"{count} {name}" for name in ("cut", "failed") if (count := level.count(name))]
    return ", ".join(parts)


def _times(spread: Spread | None) -> list[str]:
    if spread is None:
        return [NONE, ""]
    return [duration(spread.median), f"{duration(spread.low)} to {duration(spread.high)}"]


def _held(label: str, spread: Spread | None, bound: Bound) -> Rows:
    if spread is None or (bound.ceiling_seconds is None and bound.expected_seconds is None):
        return []
    verdict = bound.verdict(spread.median)
    expected, interval, ratio = NONE, "", ""
    if (
        bound.expected_seconds is not None
        and bound.low_seconds is not None
        and bound.high_seconds is not None
    ):
        expected = duration(bound.expected_seconds)
        interval = f"{duration(bound.low_seconds)} to {duration(bound.high_seconds)}"
        ratio = f"{digits(spread.median / bound.expected_seconds)}x"
    ceiling = NONE if bound.ceiling_seconds is None else duration(bound.ceiling_seconds)
    words = VERDICTS[verdict] if verdict else ""
    return [[label, ceiling, expected, duration(spread.median), interval, ratio, words]]


def _lengths(run: EndpointRun) -> list[str]:
    """How long prompts and answers were, where that is not what was asked for."""
    said = []
    for words, asked, found in (
        ("prompts", run.prompt, [level.prompt_length for level in run.levels]),
        ("answers", run.output, [level.output_length for level in run.levels]),
    ):
        known = [length for length in found if length is not None]
        if known and (min(known) != asked or max(known) != asked):
            lengths = f"{min(known):,}" if min(known) == max(known) else f"{min(known):,} to {max(known):,}"
            said.append(f"median {words}: {lengths} tokens")
    if any(level.counted == "chunks" for level in run.levels):
        said.append("tokens of some answers are counted by the pieces that were sent")
    return said


def _no_expectations(run: EndpointRun) -> list[str]:
    """Why nothing is expected, once for each reason, with the concurrencies that it is about."""
    reasons: dict[str, list[str]] = {}
    for level in run.levels:
        if level.against is not None:
            for name, bound in (("TPOT", level.against.tpot), ("TTFT", level.against.ttft)):
                if bound.reason:
                    reasons.setdefault(f"no expectation of {name} at {{}}: {bound.reason}", []).append(
                        f"{level.concurrency}"
                    )
    return [words.replace("{}", ", ".join(levels), 1) for words, levels in reasons.items()]


def _name(model: str) -> str:
    return printable(model).replace("\n", "\\n")


def _laid(rows: Rows, align: str, droppable: Sequence[int], columns: int) -> list[str]:
    """The rows as a table, without the columns that can be spared where it would be too wide."""
    lines = table(rows, align)
    if max(map(len, lines)) > columns:
        kept = [place for place in range(len(align)) if place not in droppable]
        lines = table([[row[place] for place in kept] for row in rows], "".join(align[p] for p in kept))
    return [bold(lines[0]), *lines[1:]]
