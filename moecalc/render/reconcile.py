"""`moecalc reconcile`: what config and header say, where they differ, and what every stored element is."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from moecalc.checks.findings import Finding, FindingKind, ranges
from moecalc.checks.reconcile import Reconciliation
from moecalc.render.layout import bold, dim, paragraph, table
from moecalc.sources.layouts.breakdown import Breakdown
from moecalc.units import format_bytes_decimal, format_counted, format_int

SCHEMA = "moecalc/reconcile/1"

SHOWN = 30
"""Lines of one kind of finding in a terminal."""

HEADINGS: dict[FindingKind, str] = {
    "missing": "missing: the config has them, the checkpoint does not",
    "unexpected": "unexpected: the checkpoint has them, the config does not",
    "unknown name": "names no layout knows: counted, not classified",
    "duplicate": "duplicates: one name, two tensors that differ",
    "index": "the index: it says otherwise than the files",
    "other shape": "other shape",
    "other dtype": "other dtype: the header is right about the bytes",
    "copy": "copies of other tensors: stored twice, counted once",
    "buffer": "buffers: stored, no parameters",
    "beside": "beside the language model",
    "total size": "the index's total_size: false, but of no tensor, so that nothing disagrees",
    "by sum": "held by the sum of their elements alone, not tensor by tensor",
}

_WORDS = (
    ("parameters", "parameters of the language model"),
    ("buffers", "its buffers"),
    ("copies", "copies of its tensors"),
    ("mtp", "MTP modules"),
    ("vision", "vision tower"),
    ("audio", "audio tower"),
    ("scales", "block scales"),
    ("others", "zero points, orders, look-up tables"),
    ("unknown", "tensors no layout knows"),
)


def reconcile_text(name: str, source: str, found: Reconciliation, columns: int) -> str:
    """The whole answer as text."""
    header = found.header
    files = format_counted(len(header.files), "file")
    tensors = format_counted(len(header.tensors), "tensor")
    lines = [bold(line) for line in paragraph(f"{name}: {found.against} against header", columns)]
    about = f"{source}; {tensors} in {files}, {found.layout} names"
    lines += [*(dim(line) for line in paragraph(about, columns)), ""]
    lines += _amount_lines(list(_breakdown_rows(found.breakdown)), columns)
    for kind, heading in HEADINGS.items():
        of_kind = [finding for finding in found.findings if finding.kind == kind]
        if of_kind:
            lines += ["", *paragraph(heading, columns)]
            lines += _finding_lines(of_kind[:SHOWN], found.against, columns)
            if len(of_kind) > SHOWN:
                lines.append(f"  and {len(of_kind) - SHOWN:,} more: `--json` has them all")
    said = (*header.contradictions, *header.misstatements)
    notes = [note for note in header.notes if note not in said]
    if notes:
        lines.append("")
    for note in notes:
        lines += paragraph(f"note: {note}", columns, "  ")
    lines += ["", *paragraph(f"{found.summary}.", columns)]
    return "\n".join(lines)


def reconcile_json(name: str, source: str, found: Reconciliation) -> str:
    """The same for programs: versioned, sizes in bytes and elements."""
    made: dict[str, Any] = {
        "schema": SCHEMA,
        "name": name,
        "source": source,
        "agrees": found.agrees,
        "summary": found.summary,
        "layout": found.layout,
        "tensors": len(found.header.tensors),
        "files": list(found.header.files),
        "bytes": found.header.total_bytes,
        "elements": found.breakdown.total.elements,
        "breakdown": {field: getattr(found.breakdown, field) for field, _ in _WORDS},
        "findings": [
            {"disagrees": finding.disagrees, **msgspec.to_builtins(finding)} for finding in found.findings
        ],
        "notes": list(found.header.notes),
    }
    return msgspec.json.format(msgspec.json.encode(made), indent=2).decode()


def _breakdown_rows(breakdown: Breakdown) -> Iterable[Sequence[str]]:
    for field, words in _WORDS:
        amount = getattr(breakdown, field)
        if amount.tensors:
            copies = ""
            if field == "mtp" and breakdown.mtp_copies.tensors:
                copies = ", with their copies of embedding and head"
            yield words + copies, format_int(amount.elements), format_bytes_decimal(amount.bytes)
    total = breakdown.total
    yield (
        "stored elements, packed values counted singly",
        format_int(total.elements),
        format_bytes_decimal(total.bytes),
    )


def _amount_lines(rows: Sequence[Sequence[str]], columns: int) -> Iterable[str]:
    """A table where it is narrow enough; else the figures under what they are of."""
    lines = table(rows, "<>>")
    if max(map(len, lines)) <= columns:
        return lines
    figures = table([row[1:] for row in rows], ">>")
    return [
        line
        for (words, *_), own in zip(rows, figures, strict=True)
        for line in (*paragraph(words, columns, "  "), f"  {own}")
    ]


def _finding_lines(findings: Sequence[Finding], against: str, columns: int) -> Iterable[str]:
    """A table where it is narrow enough; else the facts of each finding under its name."""
    rows = [("  " + _name(f), f"{f.tensors:,}" if f.tensors else "", _what(f, against)) for f in findings]
    lines = table(rows, "<><")
    if max(map(len, lines)) <= columns:
        return lines
    made = []
    for name, tensors, what in rows:
        made += textwrap.wrap(name, columns, initial_indent="  ", subsequent_indent="    ")
        count = f"{tensors} tensor{'' if tensors == '1' else 's'}: " if tensors else ""
        if what:
            made += paragraph(f"    {count}{what}", columns, "    ")
    return made


def _name(finding: Finding) -> str:
    if not finding.layers:
        return finding.name
    return finding.name.replace("{}", ranges(finding.layers), 1)


def _what(finding: Finding, against: str) -> str:
    if finding.kind in {"other shape", "other dtype", "beside"} or (finding.expected and finding.stored):
        return f"stored {finding.stored}, {against} {finding.expected}"
    return finding.stored or finding.expected
