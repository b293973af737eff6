"""Claims as text and Markdown: what was understood, then each statement with its verdict and arithmetic."""

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction

from moecalc.checks.claiming.catalogue import Convention
from moecalc.checks.claiming.claim import Claim
from moecalc.checks.claiming.figure import Figure
from moecalc.checks.claiming.finding import VERDICTS, Finding
from moecalc.checks.claiming.judging import Judged
from moecalc.checks.claiming.region import Region
from moecalc.render.layout import bold, dim, paragraph, table
from moecalc.render.markdown import markdown_table
from moecalc.units import format_parameters

LABELS = {
    "tokens_per_second": "tokens/s",
    "kv": "state/token",
    "vram": "memory",
    "ttft": "TTFT",
    "top_k": "top-k",
}


def claims_text(judged: Sequence[Judged], columns: int, source: str | None = None) -> str:
    """All claims, one below the other; with a source as `file:line`, and a summary."""
    blocks = ["\n".join(_claim_lines(one, columns, source)) for one in judged]
    if len(judged) > 1:
        blocks.append(summary(judged))
    return "\n\n".join(blocks)


def claims_markdown(judged: Sequence[Judged], source: str | None = None) -> str:
    """The same as tables."""
    parts = []
    for one in judged:
        parts.append(f"**{_heading(one, source)}**")
        parts.append("understood: " + ", ".join(f"{name} {words}" for name, words in parts_of(one.claim)))
        if one.not_understood:
            parts.append("not understood: " + ", ".join(f"`{word}`" for word in one.not_understood))
        if one.findings:
            rows = [["statement", "stated", "verdict", "arithmetic"]]
            rows += [
                [_label(f.part), f.stated, f.words, ". ".join([f.arithmetic, *f.remarks])]
                for f in one.findings
            ]
            parts.append(markdown_table(rows))
        parts += _region_lines(one.region)
    if len(judged) > 1:
        parts.append(summary(judged))
    return "\n\n".join(parts)


def parts_of(claim: Claim) -> Iterator[tuple[str, str]]:
    """What was understood, part by part, in words."""
    for name, value in claim.said.items():
        if name in ("priced", "peak_format"):
            continue
        words = (
            value.text
            if isinstance(value, Figure)
            else f"{value:,}"
            if isinstance(value, int)
            else str(value)
        )
        if name == "speculative":
            words = "yes"
        elif name == "tokens_per_second" and claim.per is None:
            words += " (of all sequences together)"
        elif name == "price":
            words = f"{value.text.split('/')[0]} per million {claim.priced} tokens"
        yield name.replace("_", " "), words


def summary(judged: Sequence[Judged]) -> str:
    """`of 12 statements in 4 claims, 1 impossible, 2 inconsistent`."""
    counted = Counter(finding.verdict for one in judged for finding in one.findings)
    named = {"holds": "hold", "holds under": "hold under a convention"}
    words = [
        f"{counted[verdict]:,} {named.get(verdict, verdict)}" for verdict in VERDICTS if counted[verdict]
    ]
    return f"of {counted.total():,} statements in {len(judged):,} claims: {', '.join(words)}"


def catalogue_text(found: Sequence[Convention]) -> str:
    """Every claim of the catalogue in a row."""
    lines = table(_catalogue_rows(found), "<<><<><<")
    return "\n".join([bold(lines[0]), *lines[1:], "", _catalogue_summary(found)])


def catalogue_markdown(found: Sequence[Convention]) -> str:
    """The same as a table."""
    return f"{markdown_table(_catalogue_rows(found))}\n\n{_catalogue_summary(found)}"


def _catalogue_rows(found: Sequence[Convention]) -> list[list[str]]:
    rows = [["model", "what", "figure", "by", "convention", "computed", "verdict", "reproduced by"]]
    return rows + [
        [
            one.model,
            one.verdict.what,
            one.verdict.claim.figure,
            one.verdict.claim.by,
            one.verdict.claim.convention,
            format_parameters(one.verdict.computed),
            "holds" if one.verdict.holds else "no",
            one.reproduced or "-",
        ]
        for one in found
    ]


def _catalogue_summary(found: Sequence[Convention]) -> str:
    held = sum(one.verdict.holds for one in found)
    ending = f"{len(found):,} claims, {held:,} hold under the convention they are filed under"
    unexpected = [one.model for one in found if not one.holds]
    return ending + (f"; not as the catalogue expects: {', '.join(unexpected)}" if unexpected else "")


def _claim_lines(one: Judged, columns: int, source: str | None) -> list[str]:
    lines = [bold(line) for line in paragraph(_heading(one, source), columns, "  ")]
    understood = [list(pair) for pair in parts_of(one.claim)]
    if one.model is not None:
        understood = [[name, one.model if name == "model" else words] for name, words in understood]
    lines += ["", "understood"]
    lines += [f"  {line}" for line in table(understood, "<<")]
    if one.not_understood:
        lines.append(f"not understood: {', '.join(f'`{word}`' for word in one.not_understood)}")
    if one.findings:
        lines.append("")
        width = max(len(_label(finding.part)) for finding in one.findings)
        for finding in one.findings:
            lines += _finding_lines(finding, width, columns)
    region = _region_lines(one.region)
    return [*lines, "", *region] if region else lines


def _finding_lines(finding: Finding, width: int, columns: int) -> list[str]:
    indent = " " * (width + 2)
    lines = [f"{_label(finding.part):<{width}}  {finding.stated}: {bold(finding.words)}"]
    for text in (finding.arithmetic, *finding.remarks):
        lines += [dim(indent + line) for line in paragraph(text, max(30, columns - len(indent)))]
    return lines


def _region_lines(region: Region | None) -> list[str]:
    if region is None:
        return []
    if region.is_empty:
        lines = ["no model is left by these statements: they contradict each other"]
    else:
        lines = [
            "what the statements leave: "
            + ", ".join(_range(what, *region.ends(what)) for what in ("total", "active"))
        ]
    lines += [
        f"  {limit.what} {'at most' if limit.at_most else 'at least'} {format_parameters(limit.value)}: {limit.why}"
        for limit in region.limits
    ]
    return lines


def _range(what: str, low: Fraction | None, high: Fraction | None) -> str:
    if low is None and high is None:
        return f"{what} anything"
    if low is None or high is None:
        end = format_parameters(high if high is not None else low or 0)
        return f"{what} {'at most' if low is None else 'at least'} {end}"
    return (
        f"{what} {format_parameters(low)} to {format_parameters(high)}"
        if low != high
        else f"{what} {format_parameters(low)}"
    )


def _heading(one: Judged, source: str | None) -> str:
    place = f"{source}:{one.line}: " if source and one.line else ""
    words = one.sentence or one.name or one.model or "a claim in parts"
    return f"{place}{one.name + ': ' if one.name and one.sentence else ''}{words}"


def _label(part: str) -> str:
    return LABELS.get(part, part.replace("_", " "))
