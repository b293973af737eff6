"""Whether rows are stored in the format that the config gives them: dtypes, scales, bytes."""

from collections.abc import Sequence
from fractions import Fraction

from moecalc.checks.expected import Row, format_at
from moecalc.checks.findings import Findings, sides
from moecalc.checks.shapes import fused, joined, without_ones
from moecalc.checks.stored_types import BLOCK_SCALES, PLAIN, admitted
from moecalc.ir.numeric import Number
from moecalc.sources.layouts.bundles import Bundle
from moecalc.sources.layouts.lift import Part
from moecalc.specs.formats import Format, Precision
from moecalc.specs.storage import Count


def compare(
    rows: Sequence[Row], bundles: Sequence[Bundle], precision: Precision, found: Findings, bits: int | None
) -> None:
    """Find what is stored otherwise than the config says, of rows and bundles that hold the same values."""
    formats = {format_at(precision, row) for row in rows}
    names = {format_.name for format_ in formats}
    parts = [part for each in bundles for part in (*each.values, *each.companions)]
    odd = [part for part in parts if not _is_admitted(part, formats)]
    is_plain = names <= PLAIN.keys() and not any(each.companions for each in bundles)
    if is_plain:
        agrees = not odd
        found.agreeing += agrees
        dtypes = {part.dtype for part in parts}
        if not agrees and len(dtypes) == 1:
            for row in rows:
                found.place(row, min(dtypes))
    else:
        agrees = not odd and _size(rows, bundles, precision) == sum(each.bytes for each in bundles)
    if not agrees:
        for each in bundles:
            found.add("other dtype", each, each.elements(bits), "/".join(sorted(names)), _said(each, odd))
    elif len(bundles) == 1 and len(formats) == 1 and joined(rows):
        _compare_scales(rows, bundles[0], min(formats, key=lambda format_: format_.name), found)


def _is_admitted(part: Part, formats: set[Format]) -> bool:
    sets = [admitted(format_, part) for format_ in formats]
    return any(dtypes is None or part.dtype in dtypes for dtypes in sets)


def _said(each: Bundle, odd: Sequence[Part]) -> str:
    """The dtypes of the values, those of companions where they are the fault."""
    wrong = {part.companion.lstrip("_"): part.dtype for part in each.companions if part in odd}
    return each.dtypes + "".join(f", {name} in {dtype}" for name, dtype in wrong.items())


def _size(rows: Sequence[Row], bundles: Sequence[Bundle], precision: Precision) -> Number:
    """Bytes that the config's formats give the rows, those of one matrix together; of the experts that are stored."""
    formats = [format_at(precision, row) for row in rows]
    if len(bundles) == 1 and len(set(formats)) == 1 and joined(rows):
        size = formats[0].bytes_of(fused(rows))
        pool = rows[0].weight.pool
        if bundles[0].numbers and pool is not None:
            size = Fraction(size * len(bundles[0].numbers), int(pool.experts))
        return size
    return sum(format_.bytes_of(row.one) for format_, row in zip(formats, rows, strict=True))


def _compare_scales(rows: Sequence[Row], each: Bundle, format_: Format, found: Findings) -> None:
    """Block scales lie as the blocks do: as many bytes in another shape scale other values."""
    for part in each.companions:
        block: tuple[Count, Count] | None = format_.block
        for tensor in format_.tensors:
            if tensor.name in {part.companion, "weight_scale"} and tensor.is_block_scale:
                block = tensor.block
        if block is None or part.companion not in BLOCK_SCALES or not rows[0].is_matrix:
            continue
        weight = fused(rows)
        counts = [
            -(-int(side.size) // (per or int(side.size)))
            for side, per in zip(weight.shape[-2:], block, strict=True)
        ]
        lead = [int(side.size) for side in weight.shape[:-2]] if part.experts is None else []
        expected = without_ones((*lead, *counts))
        stored = without_ones(part.shape)
        turned = without_ones((*lead, *reversed(counts)))
        if stored != expected and not (part.companion == "scales" and stored == turned):
            found.add_part("other shape", part, sides((*lead, *counts)), sides(part.shape))
