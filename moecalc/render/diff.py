"""`diff` as text and Markdown: changed keys with what they move, lines, rows."""

import json
from collections.abc import Iterable
from fractions import Fraction

from moecalc.checks.difference import Consequence, Difference, LineDifference, RowDifference
from moecalc.render.budgets.words import amount, signed
from moecalc.render.layout import bold, dim, paragraph, table
from moecalc.render.markdown import markdown_table
from moecalc.render.values import short
from moecalc.report import Line
from moecalc.units import format_int, format_percent

NOTHING = "no difference"

_DECIMAL_LINES = ("weights.", "checkpoint.")
"""Lines whose bytes are shown in GB, as `show` does: files are sold so."""


def diff_text(found: Difference, columns: int) -> str:
    """What differs, the causes first."""
    lines = [
        f"old: {found.old.name}  {dim(found.old.source)}",
        f"new: {found.new.name}  {dim(found.new.source)}",
        "",
    ]
    if found.is_empty:
        return "\n".join([*lines, NOTHING])
    moving = [one for one in found.consequences if one.moves or not one.is_known]
    if moving:
        lines.append(bold("changed"))
        for one in moving:
            lines += paragraph(one.change, columns, "  ")
            lines += paragraph(f"    {_moves(one)}", columns, "    ")
        if found.together:
            lines += paragraph(f"together: {_listed(found.together)}", columns, "    ")
        lines.append("")
    still = [one.change for one in found.consequences if one.is_known and not one.moves]
    if still:
        lines += [*paragraph(f"changed, and move no line: {'; '.join(still)}", columns, "  "), ""]
    if found.lines:
        rows = [["", "old", "new", "change"], *[_line(one) for one in found.lines]]
        header, *body = table(rows, "<>>>")
        lines += [bold(header), *body, *_same(found), ""]
    if found.rows:
        lines.append(bold("rows"))
        for row in found.rows:
            lines += paragraph(_row(row), columns, "    ")
        lines.append("")
    if found.defaults:
        lines.append(dim(f"assumed: {_defaults(found)}"))
    return "\n".join(lines).rstrip()


def diff_markdown(found: Difference) -> str:
    """The same as tables."""
    parts = [f"**{_plain(found.old.name)} -> {_plain(found.new.name)}**"]
    if found.is_empty:
        return "\n\n".join([*parts, NOTHING])
    if found.consequences:
        parts.append(
            markdown_table(
                [["changed", "moves"], *[[_plain(c.change), _moves(c)] for c in found.consequences]]
            )
        )
    if found.together:
        parts.append(f"together: {_listed(found.together)}")
    if found.lines:
        parts.append(markdown_table([["line", "old", "new", "change"], *[_line(one) for one in found.lines]]))
        parts += _same(found)
    if found.rows:
        rows = [["row", "", "old", "new"]]
        rows += [
            [_plain(f"{r.of}: {r.role}"), _rounded(r), _plain(r.old or "-"), _plain(r.new or "-")]
            for r in found.rows
        ]
        parts.append(markdown_table(rows))
    if found.defaults:
        parts.append(f"assumed: {_defaults(found)}")
    parts += [f"warning: {_plain(warning)}" for warning in found.warnings]
    return "\n\n".join(parts)


def diff_json(found: Difference) -> str:
    """All of it, numbers in base units; its schema is `diff.schema.json` beside this file."""
    return json.dumps(found.to_dict(), indent=2, ensure_ascii=False)


def _line(line: LineDifference) -> list[str]:
    cells = [_value(value, side, line) for value, side in zip((line.old, line.new), line.sides, strict=True)]
    if cells[0] == cells[1] and line.old is not None and line.new is not None:
        cells = [format_int(side) for side in (line.old, line.new)]
    change = line.change
    if change is None:
        return [line.label, *cells, ""]
    share = f" ({'-' if change < 0 else '+'}{format_percent(abs(change / line.old))})" if line.old else ""
    return [line.label, *cells, f"{signed(change, line.unit, _typed(line.id))}{share}"]


def _value(value: Fraction | None, side: Line | None, line: LineDifference) -> str:
    """The figure, else the range; with whose word it is where it is a statement."""
    if side is None:
        return "-"
    words = short(side) if value is None else amount(value, line.unit, _typed(line.id))
    said = side.provenance or ""
    return words if said in words else f"{words} {said}"


def _typed(id_: str) -> str:
    """The base that bytes of a line are shown in."""
    return "1 GB" if id_.startswith(_DECIMAL_LINES) else ""


def _moves(one: Consequence) -> str:
    if not one.is_known:
        return "no model can have this alone: it counts in what the changes do together"
    return _listed(one.moves) if one.moves else "no line"


def _listed(moves: Iterable[tuple[str, str, Fraction]]) -> str:
    return ", ".join(f"{id_} {signed(change, unit, _typed(id_))}" for id_, unit, change in moves)


def _row(row: RowDifference) -> str:
    sides = f"{row.old or 'none'}  ->  {row.new or 'none'}"
    return f"  {row.of}: {row.role}  {_rounded(row)}  {sides}"


def _rounded(row: RowDifference) -> str:
    return signed(row.change, "bytes" if row.of == "state" else "parameters")


def _same(found: Difference) -> list[str]:
    return [f"{found.same_lines:,} lines are the same"] if found.same_lines else []


def _defaults(found: Difference) -> str:
    return ", ".join(f"{name} {value:,}" for name, value in found.defaults.items())


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
