"""`moecalc show`: one model, the answer first, then what was assumed and what to type next."""

from collections.abc import Sequence

from moecalc.checks.claims import Verdict
from moecalc.render import values
from moecalc.render.layout import bold, dim, paragraph, shorten, table
from moecalc.render.typed import can_be_typed, typed
from moecalc.report import Line, ModelReport, Report
from moecalc.specs.statement import Statement
from moecalc.units import format_parameters, format_percent

LEFT_TO_JSON = {"state.elements"}
"""Lines whose bytes say the same to a reader."""

HIDDEN_AT_ZERO = {"params.routed", "params.buffers", "params.mtp"}
"""Lines that say nothing in a terminal where they are 0; JSON has them always."""

ROOM_FOR_REMARKS = 96
"""Columns from which a remark stands behind each figure; below, its digits matter more."""

INDENTED = ("params.active.", "params.routed")


def show_text(
    report: Report,
    title: str,
    columns: int,
    verdicts: Sequence[Verdict] = (),
    pins: Sequence[str] = (),
    statements: Sequence[Statement] = (),
) -> str:
    """The whole answer as text, `columns` wide."""
    model = report.models[0]
    lines = [bold(model.name) + (f"  {title}" if title != model.name else "")]
    lines += [dim(model.source), ""] if model.source != model.name else [""]
    lines += _figures(model, columns)
    remarks = [_pin_words(pins, report), *_claim_words(verdicts), *map(statement_sentence, statements)]
    remarks += [held["summary"] for held in report.extra.get("reconciliations", ()) if held["agrees"]]
    remarks += [f"warning: {warning}" for warning in report.warnings]
    if report.defaults:
        remarks.append(f"assumed: {_assumed(report)}")
    lines.append("")
    for remark in filter(None, remarks):
        lines += paragraph(remark, columns, "  ")
    if (
        can_be_typed(model)
        and model["flops.prefill"].value is not None
        and model["params.total"].basis == "exact"
    ):
        lines.append(dim(f"`moecalc explain {typed(model)}` shows the working"))
    return "\n".join(lines)


def _figures(model: ModelReport, columns: int) -> list[str]:
    total = model["params.total"].value
    rows = []
    for line in model.lines:
        if line.id in LEFT_TO_JSON or (line.id in HIDDEN_AT_ZERO and line.value == 0):
            continue
        share = ""
        if line.id.startswith("params.active.") and line.value is not None and total:
            share = f"{format_percent(line.value / total)} of the total"
        label = f"  {line.label}" if line.id.startswith(INDENTED) else line.label
        rows.append((label, values.short(line), values.exact(line), _remark(line, share)))
    lines = table(rows, "<>><")
    if columns < ROOM_FOR_REMARKS:
        lines = table([row[:3] for row in rows], "<>>")
    if max(map(len, lines)) > columns and columns < ROOM_FOR_REMARKS:
        lines = table([row[:2] for row in rows], "<>")
    return [shorten(line, columns) for line in lines]


def _remark(line: Line, share: str) -> str:
    if line.value is None and line.low is None and line.provenance is None:
        return ""
    # A convention's name, the share, or whose word it is says more than the basis.
    basis = "" if line.basis == "convention" or line.provenance else line.basis
    return ", ".join(filter(None, [share, basis, line.note]))


def _pin_words(pins: Sequence[str], report: Report) -> str:
    if (
        not report.models[0].source.startswith("catalogue")
        or report.models[0]["params.total"].basis != "exact"
    ):
        return ""
    return f"pinned: total equals {pins[0]}" if pins else "unpinned: no exact outside count known"


def _claim_words(verdicts: Sequence[Verdict]) -> list[str]:
    return [claim_sentence(verdict) for verdict in verdicts]


def claim_sentence(verdict: Verdict) -> str:
    """A claim and its verdict in one line: figure, convention, computed, whose word, where read."""
    claim = verdict.claim
    outcome = "holds" if verdict.holds else "does not hold"
    return (
        f"claim: {verdict.what} {claim.figure} {outcome} ({claim.convention}: {format_parameters(verdict.computed)}), "
        f"{claim.by}, {claim.source}, checked {claim.checked}" + (f"; {claim.note}" if claim.note else "")
    )


def statement_sentence(statement: Statement) -> str:
    """What is said about an undisclosed model, in the words it was said in, and where."""
    ends = [figure for figure in (statement.figure, statement.low, statement.high) if figure]
    figure = f" {'-'.join(ends)}" if ends else ""
    words = f': "{statement.verbatim}"' if statement.verbatim else ""
    what = statement.what.replace("_", " ")
    return f"{statement.provenance}: {what}{figure}{words}, {statement.source}, checked {statement.checked}"


def _assumed(report: Report) -> str:
    return ", ".join(
        f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}"
        for name, value in report.defaults.items()
    )
