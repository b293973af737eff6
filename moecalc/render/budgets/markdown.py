"""`check` as Markdown, for pull requests and step summaries."""

from moecalc.checks.budgets.outcome import Checked
from moecalc.render.budgets.words import MARKS, details, held

_SIGNS = {"fail": "❌", "undetermined": "❓", "warn": "⚠️", "new": "🆕", "pass": "✅"}


def check_markdown(checked: Checked) -> str:
    """The summary, a table of every limit, and what is behind those that are not kept."""
    lines = [f"**moecalc: {checked.summary}**", ""]
    lines += ["| | model | limit | | counted |", "|---|---|---|---|---|"]
    for one in checked.outcomes:
        cells = [
            f"{_SIGNS[one.status]} {MARKS[one.status]}",
            one.model,
            f"`{one.name}`",
            held(one),
            one.figure.counted,
        ]
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    notes = [
        f"- {one.model}, `{one.name}` (`{checked.path}:{one.line}`): {_cell('; '.join(said))}"
        for one in checked.outcomes
        if (said := [*details(one)])
    ]
    if notes:
        lines += ["", *notes]
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Text that ends no cell and opens no tag."""
    for char, escaped in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), (">", "&gt;"), ("\n", " ")):
        text = text.replace(char, escaped)
    return text
