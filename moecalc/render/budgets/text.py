"""`check` on a terminal: one aligned table for all models, and what is behind each limit that is broken."""

from moecalc.checks.budgets.outcome import Checked, Outcome
from moecalc.render.budgets.words import MARKS, details, held
from moecalc.render.layout import bold, dim, paragraph

NARROWEST = 30
"""Columns below which what was counted stands on a line of its own."""


def check_text(checked: Checked, columns: int) -> str:
    """Every limit: its mark, what was measured, the comparison, what was counted."""
    rows = [(MARKS[one.status], one.name, held(one), one) for one in checked.outcomes]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]  # type: ignore[arg-type] # texts
    indent = widths[0] + widths[1] + 4
    lines: list[str] = []
    previous = None
    for mark, name, comparison, outcome in rows:
        if outcome.model != previous:
            lines += ["", bold(outcome.model)] if previous else [bold(outcome.model)]
            previous = outcome.model
        shown = f"{mark:{widths[0]}}"
        start = f"{bold(shown) if outcome.status != 'pass' else shown}  {name:{widths[1]}}  "
        lines += _row(start, comparison, outcome, indent, widths[2], columns)
        below = [*details(outcome)]
        if outcome.status != "pass":
            below.append(f"{checked.path}:{outcome.line}")
        for text in below:
            lines += [dim(line) for line in _indented(text, columns, indent)]
    if checked.exit_code == 0:
        lines += ["", checked.summary]
    return "\n".join(lines)


def _row(start: str, comparison: str, outcome: Outcome, indent: int, width: int, columns: int) -> list[str]:
    counted = outcome.figure.counted
    room = columns - indent - width - 2
    if room >= NARROWEST and counted:
        first, *rest = paragraph(counted, room) or [""]
        beside = " " * (indent + width + 2)
        return [
            f"{start}{comparison:{width}}  {dim(first)}".rstrip(),
            *[dim(f"{beside}{line}") for line in rest],
        ]
    below = [dim(line) for line in _indented(counted, columns, indent)] if counted else []
    return [f"{start}{comparison}", *below]


def _indented(text: str, columns: int, indent: int) -> list[str]:
    pad = " " * indent
    return [f"{pad}{line}" for line in paragraph(text, max(NARROWEST, columns - indent), "  ")]
