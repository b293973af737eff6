"""Markdown tables, for pull requests and documents."""

from collections.abc import Sequence

from moecalc.calc.comparing.comparison import ComparisonData
from moecalc.render.compare import assumed, figure_rows, provenance_remarks
from moecalc.render.cost_curve import cell_text, cost_notes, cost_unit
from moecalc.render.values import exact, short
from moecalc.report import Report


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """The first row as header; the first column to the left, the others to the right."""
    header, *body = rows
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(cell.strip() for cell in row) + " |" for row in [header, rule, *body])


def report_markdown(report: Report) -> str:
    """Every line of every model."""
    parts = []
    for model in report.models:
        rows = [["", model.name, "exact", "basis"]]
        rows += [
            [line.label, short(line), exact(line), _basis(line.basis, line.note)] for line in model.lines
        ]
        parts.append(markdown_table(rows))
    parts += [f"warning: {warning}" for warning in report.warnings]
    if report.defaults:
        parts.append(f"assumed: {', '.join(f'{name} {value}' for name, value in report.defaults.items())}")
    return "\n\n".join(parts)


def comparison_markdown(comparison: ComparisonData) -> str:
    """The figures, the cost curve, the sentences and what was assumed."""
    parts = [markdown_table(_padded(figure_rows(comparison)))]
    if comparison.columns:
        header = [f"{cost_unit(comparison)}, at batch", *[f"{batch:,}" for batch in comparison.columns]]
        rows = [[e.name, *map(cell_text, e.cells)] for e in comparison.entries if e.cells]
        if rows:
            parts += [markdown_table([header, *rows]), cost_notes(comparison)]
    parts += [*comparison.sentences, *provenance_remarks(comparison)]
    parts += [f"warning: {warning}" for warning in comparison.warnings]
    parts.append(f"assumed: {assumed(comparison)}")
    return "\n\n".join(parts)


def _padded(rows: list[list[str]]) -> list[list[str]]:
    width = len(rows[0])
    return [[*row, *[""] * (width - len(row))] for row in rows]


def _basis(basis: str, note: str) -> str:
    return f"{basis}; {note}" if note else basis
