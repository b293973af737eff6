"""`moecalc flops`: a step to a column, a component to a row, then the crossover and the rules of thumb."""

from fractions import Fraction

from moecalc.calc.flop_count import FlopCount, Rule
from moecalc.render.layout import bold, dim, paragraph, table
from moecalc.render.markdown import markdown_table
from moecalc.report import Report
from moecalc.units import format_flops, format_percent

SMALLEST_SHARE = Fraction(1, 10_000)
"""Shares below this are told as below it."""


def flops_text(count: FlopCount, report: Report, title: str, columns: int) -> str:
    """The whole answer as text, `columns` wide."""
    model = report.models[0]
    lines = [bold(model.name) + (f"  {title}" if title != model.name else ""), dim(model.source), ""]
    rows = breakdown_rows(count)
    laid = table(_joined(rows), "<" + ">" * len(count.steps))
    if max(map(len, laid)) > columns:
        laid = _stacked(rows)
    else:
        laid[0] = bold(laid[0])
    lines += [*laid, *tower_lines(count), "", *paragraph(f"convention: {conventions(count)}", columns, "  ")]
    lines += paragraph(crossover_sentence(count), columns, "  ")
    lines += ["", *table(rule_rows(count), "<>><")]
    assumed = ", ".join(f"{name} {value:,}" for name, value in report.defaults.items())
    remarks = [f"warning: {warning}" for warning in report.warnings] + (
        [f"assumed: {assumed}"] if assumed else []
    )
    lines += ["", *[line for remark in remarks for line in paragraph(remark, columns, "  ")]]
    lines.append(dim(f"`moecalc explain {model.name} flops` shows the rows"))
    return "\n".join(lines)


def flops_markdown(count: FlopCount, report: Report) -> str:
    """The same as Markdown tables."""
    rows = breakdown_rows(count)
    rows[0][0] = f"{report.models[0].name}, {rows[0][0]}"
    parts = [
        markdown_table(rows),
        *map(markdown_table, tower_tables(count)),
        f"convention: {conventions(count)}",
        crossover_sentence(count),
    ]
    parts += [markdown_table([["rule of thumb", "says", "error", "against"], *rule_rows(count)[1:]])]
    parts += [f"warning: {warning}" for warning in report.warnings]
    return "\n\n".join(parts)


def tower_tables(count: FlopCount) -> list[list[list[str]]]:
    """For each tower a header, a row per component (FLOPs and share), and the sums."""
    tables = []
    for tower in count.towers:
        rows = [[f"FLOPs, {tower.label}", "", ""]]
        rows += [
            [name, format_flops(value), _share(Fraction(value) / Fraction(tower.total))]
            for name, value in tower.parts.items()
            if value
        ]
        rows.append(["sum, beside the prompt", format_flops(tower.total), ""])
        if count.batch > 1:
            rows.append([f"all {count.batch:,} sequences", format_flops(count.batch * tower.total), ""])
        tables.append(rows)
    return tables


def tower_lines(count: FlopCount) -> list[str]:
    """The same as lines of text."""
    lines = []
    for (heading, *_), *rows in tower_tables(count):
        lines += ["", bold(heading), *table([["  " + row[0], *row[1:]] for row in rows], "<>>")]
    return lines


def breakdown_rows(count: FlopCount) -> list[list[str]]:
    """A header, a row per component (FLOPs per token and share, for each step), the sums, and the whole steps."""
    rows = [["FLOPs per token", *[cell for step in count.steps for cell in (step.label, "")]]]
    for name in count.components:
        row = [name]
        for step in count.steps:
            value = step.parts.get(name, 0)
            per_token = Fraction(value) / step.tokens
            row += [format_flops(per_token), _share(step.share(name))] if value else ["-", ""]
        rows.append(row)
    rows.append(["sum", *[cell for step in count.steps for cell in (format_flops(step.per_token), "")]])
    if count.steps[1].tokens > 1 or count.batch > 1:
        sequences = "one sequence" if count.batch == 1 else f"all {count.batch:,} sequences"
        whole = [cell for step in count.steps for cell in (format_flops(count.batch * step.total), "")]
        rows.append([f"the step, {sequences}", *whole])
    return rows


def conventions(count: FlopCount) -> str:
    """The choices in force, said once where the steps agree."""
    words = [step.how for step in count.steps]
    if len(set(words)) == 1:
        return words[0]
    return "; ".join(f"{step.id}: {step.how}" for step in count.steps)


def crossover_sentence(count: FlopCount) -> str:
    """From which context attention is the larger part of decode."""
    found = count.crossover
    if found.context is None:
        return (
            f"crossover: none; attention never outweighs the other matmuls of a decoded token: {found.reason}"
        )
    return (
        f"crossover: from {found.context:,} keys on, attention (scores, mix, indexer scores) outweighs all else "
        "of a decoded token"
    )


def rule_rows(count: FlopCount) -> list[list[str]]:
    """A header and each rule of thumb with what it says and how far that is off."""
    labels = {step.id: step.label for step in count.steps}
    header = ["rule of thumb", "says", "error", ""]
    return [
        header,
        *[
            [rule.name, format_flops(rule.value), _error(rule), f"of {labels[rule.step]}"]
            for rule in count.rules
        ],
    ]


def _error(rule: Rule) -> str:
    sign = "-" if rule.error < 0 else "+"
    return sign + format_percent(abs(rule.error))


def _share(share: Fraction) -> str:
    return format_percent(share) if share >= SMALLEST_SHARE else f"<{format_percent(SMALLEST_SHARE)}"


def _joined(rows: list[list[str]]) -> list[list[str]]:
    """Value and share in one cell, so that a step's heading may stand over both."""
    wide = max(len(share) for row in rows for share in row[2::2])
    heading, *body = rows
    return [
        [heading[0], *heading[1::2]],
        *[[row[0], *[f"{a} {b:>{wide}}" for a, b in zip(row[1::2], row[2::2], strict=True)]] for row in body],
    ]


def _stacked(rows: list[list[str]]) -> list[str]:
    """One block per step, where the columns do not fit beside each other."""
    lines: list[str] = []
    for column in range(1, len(rows[0]), 2):
        lines += [bold(f"{rows[0][0]}, {rows[0][column]}")]
        body = [["  " + row[0], *row[column : column + 2]] for row in rows[1:] if row[column] != "-"]
        lines += table(body, "<>>")
    return lines
