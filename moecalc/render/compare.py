"""`moecalc compare`: figures side by side, cost over batch, and the sentences that follow."""

from moecalc.calc.comparing.comparison import ComparisonData
from moecalc.ir.numeric import Number
from moecalc.render import values
from moecalc.render.cost_curve import curve_text
from moecalc.render.layout import bold, dim, paragraph, table
from moecalc.render.typed import can_be_typed, typed
from moecalc.report import Line, ModelReport
from moecalc.units import format_percent, format_ratio

ROWS = (
    "params.total",
    "params.active.all",
    "active_share",
    "weights.bytes",
    "state.bytes_per_token",
    "state.bytes",
    "flops.decode_per_token",
    "fit.gpus",
    "fit.max_sequences",
)

ALWAYS = ("params.total", "params.active.all", "weights.bytes")
"""Rows that stand even where all models are undisclosed."""


def compare_text(comparison: ComparisonData, columns: int) -> str:
    """The whole comparison as text, `columns` wide."""
    lines = [*_figures(comparison, columns), ""]
    if comparison.columns and any(entry.cells for entry in comparison.entries):
        lines += [*curve_text(comparison, columns), ""]
    for sentence in comparison.sentences:
        lines += paragraph(sentence, columns)
    if comparison.sentences:
        lines.append("")
    for remark in [*provenance_remarks(comparison), *(f"warning: {text}" for text in comparison.warnings)]:
        lines += paragraph(remark, columns, "  ")
    lines += paragraph(f"assumed: {assumed(comparison)}", columns, "  ")
    known = [
        entry.report
        for entry in comparison.entries
        if entry.report["params.total"].basis == "exact"
        and entry.report["flops.prefill"].value is not None
        and can_be_typed(entry.report)
    ]
    if known:
        lines.append(dim(f"`moecalc explain {typed(known[0])}` shows the working"))
    return "\n".join(lines)


def figure_rows(comparison: ComparisonData) -> list[list[str]]:
    """A header and one row per figure: label, then value (and ratio to the first) of each model."""
    entries = comparison.entries
    pair = len(entries) == 2
    header = ["", *[entry.name for entry in entries], *(["ratio"] if pair else [])]
    rows = [header]
    for row_id in ROWS:
        if row_id == "active_share":
            rows.append(_share_row(comparison))
            continue
        lines = [entry.report[row_id] for entry in entries]
        unknown = all(line.value is None and line.low is None for line in lines)
        if unknown and row_id not in ALWAYS:
            continue
        cells = [values.short(line) for line in lines]
        first = lines[0].value
        if pair:
            cells.append(_ratio(first, lines[1].value))
        else:
            cells[1:] = [
                f"{cell} ({_ratio(first, line.value)})" if _ratio(first, line.value) else cell
                for cell, line in zip(cells[1:], lines[1:], strict=True)
            ]
        rows.append([_label(row_id, lines[0], comparison), *cells])
    return rows


def _figures(comparison: ComparisonData, columns: int) -> list[str]:
    rows = figure_rows(comparison)
    notes = _row_notes(comparison)
    noted = [[*row, notes.get(row[0], "")] for row in rows]
    align = "<" + ">" * (len(rows[0]) - 1) + "<"
    lines = table(noted, align)
    if max(map(len, lines)) > columns:
        lines = table(rows, align[:-1])
    if max(map(len, lines)) > columns:
        return _stacked(rows, len(comparison.entries))
    return [bold(lines[0]), *lines[1:]]


def _stacked(rows: list[list[str]], models: int) -> list[str]:
    """One block per model, where the columns do not fit beside each other."""
    lines = []
    names = rows[0][1 : 1 + models]
    for number, name in enumerate(names, start=1):
        values_of = [["  " + row[0], row[number]] for row in rows[1:] if len(row) > number]
        lines += [bold(name), *table(values_of, "<>")]
    return lines


def _row_notes(comparison: ComparisonData) -> dict[str, str]:
    words = [entry.subject.attention for entry in comparison.entries]
    label = _label("state.bytes_per_token", comparison.entries[0].report["state.bytes_per_token"], comparison)
    return {label: " against ".join(words)} if len(words) == 2 else {}


def _label(row_id: str, line: Line, comparison: ComparisonData) -> str:
    context, device = comparison.workload.context, comparison.device.name
    batched = f" x {comparison.workload.batch:,}" if comparison.workload.batch > 1 else ""
    shipped = ", as shipped" if comparison.equal_kv else ""
    return {
        "params.active.all": "  " + line.label,
        "weights.bytes": "weights" if _formats_differ(comparison) else line.label,
        "state.bytes": f"state at {context:,} tokens{batched}{shipped}",
        "state.bytes_per_token": f"state per token{shipped}",
        "flops.decode_per_token": f"FLOPs per token, decode ({comparison.workload.convention})",
        "fit.gpus": f"fewest {device} that hold it{batched}",
        "fit.max_sequences": f"sequences that {comparison.named_gpus:,} hold"
        if comparison.named_gpus
        else "  sequences they hold",
    }.get(row_id, line.label)


def _formats_differ(comparison: ComparisonData) -> bool:
    return len({entry.report["weights.bytes"].label for entry in comparison.entries}) > 1


def _share_row(comparison: ComparisonData) -> list[str]:
    return ["  active share", *[_share(entry.report) for entry in comparison.entries]]


def _share(report: ModelReport) -> str:
    total, active = report["params.total"], report["params.active.all"]
    if active.value is None or not (total.value or (total.low and total.high)):
        return values.UNDISCLOSED
    if total.value:
        return format_percent(active.value / total.value)
    return f"{format_percent(active.value / total.high)}-{format_percent(active.value / total.low)}"


def _ratio(first: Number | None, value: Number | None) -> str:
    return format_ratio(value / first) if first and value is not None else ""


def provenance_remarks(comparison: ComparisonData) -> list[str]:
    """For each undisclosed model, which of its figures rest on whose word."""
    remarks = []
    for entry in comparison.entries:
        words: dict[str, list[str]] = {}
        for line in entry.report.lines:
            if line.provenance:
                words.setdefault(line.provenance, []).append(line.label.removeprefix("parameters, "))
        said = "; ".join(f"{provenance}: {', '.join(labels)}" for provenance, labels in words.items())
        if said:
            remarks.append(
                f"{entry.name}: its shapes are not published; {said} (`moecalc show {entry.name}`)"
            )
    return remarks


def _without_peak(comparison: ComparisonData) -> bool:
    deployments = [entry.subject.smallest for entry in comparison.entries if entry.subject.smallest]
    return any(deployment.device.peak is None for deployment in deployments)


def assumed(comparison: ComparisonData) -> str:
    """The defaults in force, in words."""
    workload = comparison.workload
    peaks = dict.fromkeys(entry.peak_format for entry in comparison.entries if entry.peak_format)
    parts = [
        f"context {workload.context:,}",
        f"{comparison.device.name} {comparison.device.usable_note}",
        f"memory filled to {format_percent(comparison.utilization)}",
        f"dense {' and '.join(peaks)} peaks" if peaks else "",
        "no published peak: bandwidth alone bounds the cost" if _without_peak(comparison) else "",
        "ideal sharding, no communication",
    ]
    if comparison.equal_kv:
        parts.append(f"every model with the state of {comparison.entries[0].name}")
    return "; ".join(filter(None, parts))
