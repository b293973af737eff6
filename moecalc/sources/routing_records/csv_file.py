"""Tables of counts or choices as text: a matrix, SGLang's `layer_id,expert_id,count`, or choices by token and layer."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from moecalc.errors import InputError
from moecalc.sources.routing_records.fields import CHOICES, COUNTS, check_cells
from moecalc.specs.recordings import MAX_EXPERTS

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 2**28
"""Of text; more is read from npy files, thirty times faster."""

COUNT_HEADS = (("layer_id", "expert_id", "count"), ("layer", "expert", "count"))
"""The first as SGLang's recorder wrote it before it wrote `.pt`: one file a rank, without experts that nobody chose."""

HINT = "rows of counts (a layer each), `layer_id,expert_id,count`, or `token,layer,expert,expert,...`: docs/routing.md"


def read_csv(file: Path) -> dict[str, Any]:
    """The fields of the table. Raises InputError with the line that is wrong."""
    size = file.stat().st_size
    if size > MAX_BYTES:
        raise InputError(
            f"{size:,} bytes of text", hint="store so many choices as `.npy`: it is mapped, not read"
        )
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = [(number, row) for number, row in enumerate(csv.reader(stream), 1) if row]
    except (UnicodeDecodeError, csv.Error):
        raise InputError("it is no table of text", hint=HINT) from None
    if not rows:
        raise InputError("it is empty", hint=HINT)
    head = tuple(cell.strip().lower() for cell in rows[0][1])
    if head in COUNT_HEADS:
        return _counted(rows[1:])
    if head[:2] in (("token", "layer"), ("token_id", "layer_id")):
        return _chosen(rows[1:])
    if any(cell and not cell.lstrip("+-").isdigit() for cell in head):
        raise InputError(
            f"a table with the columns {', '.join(f'`{cell[:40]}`' for cell in head[:6])}", hint=HINT
        )
    return {COUNTS[0]: [_numbers(number, row) for number, row in rows]}


def _numbers(line: int, row: list[str]) -> list[int]:
    try:
        return [int(cell) for cell in row]
    except ValueError:
        wrong = next(cell for cell in row if not cell.strip().lstrip("+-").isdecimal())
        raise InputError(f"line {line}: `{wrong[:40]}` is no whole number", hint=HINT) from None


def _counted(rows: list[tuple[int, list[str]]]) -> dict[str, Any]:
    found: dict[int, dict[int, int]] = {}
    for line, row in rows:
        values = _numbers(line, row)
        if len(values) != 3:
            raise InputError(f"line {line} has {len(values)} columns of 3", hint=HINT)
        layer, expert, count = values
        if layer < 0 or not 0 <= expert < MAX_EXPERTS:
            raise InputError(f"line {line}: layer {layer}, expert {expert}", hint="both count from 0")
        if count < 0:
            raise InputError(f"line {line}: a count is {count:,}", hint="counts are not negative")
        of_layer = found.setdefault(layer, {})
        of_layer[expert] = of_layer.get(expert, 0) + count
    if not found:
        raise InputError("the table has a head and no rows", hint="record while tokens run through the model")
    width = max(max(counts) for counts in found.values()) + 1
    check_cells(len(found) * width)
    layers = sorted(found)
    return {
        COUNTS[0]: [[found[layer].get(expert, 0) for expert in range(width)] for layer in layers],
        "layers": layers,
        "notes": (f"{width:,} experts: the highest that was counted",),
    }


def _chosen(rows: list[tuple[int, list[str]]]) -> dict[str, Any]:
    found: dict[tuple[int, int], list[int]] = {}
    for line, row in rows:
        token, layer, *chosen = _numbers(line, row)
        if token < 0 or layer < 0 or not chosen:
            raise InputError(f"line {line}: token {token}, layer {layer}, {len(chosen)} experts", hint=HINT)
        found.setdefault((token, layer), []).extend(chosen)
    if not found:
        raise InputError("the table has a head and no rows", hint="record while tokens run through the model")
    layers = sorted({layer for _, layer in found})
    tokens = sorted({token for token, _ in found})
    lengths = {len(chosen) for chosen in found.values()}
    if len(lengths) > 1 or len(found) != len(layers) * len(tokens):
        raise InputError(
            "not every token has the same number of choices in every layer",
            hint="-1 stands for a choice that was not made",
        )
    return {CHOICES[0]: [[found[token, layer] for layer in layers] for token in tokens], "layers": layers}
