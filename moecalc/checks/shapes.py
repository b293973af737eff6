"""When a stored shape is that of rows: side by side, with the ways of writing a shape that change nothing."""

from collections.abc import Iterable, Sequence
from itertools import product as combinations
from math import prod

import msgspec

from moecalc.checks.expected import Row
from moecalc.ir.dims import Axis, concat
from moecalc.ir.rows import Weight
from moecalc.sources.layouts.layout import Reading

Shape = tuple[int, ...]


def fits(stored: Sequence[int], rows: Sequence[Row], reading: Reading) -> bool:
    """Whether a tensor of that shape is the rows, joined along the outputs, as the reading says it may lie.

    Sides of 1 are kept or dropped at will, and a side that is a product of sizes may be written out ([heads, head
    dim] for one side of both).
    """
    if not joined(rows):
        return False
    own = without_ones(stored)
    for expected in _written_out(rows):
        for shape in (expected, _turned(expected)) if reading.turned else (expected,):
            if own == without_ones(shape):
                return True
            if reading.flat and len(shape) > 2 and own == without_ones((shape[0] * shape[1], *shape[2:])):
                return True
    return reading.led and _is_led(stored, rows[0])


def without_ones(shape: Sequence[int]) -> Shape:
    """A shape without its sides of 1."""
    return tuple(side for side in shape if side != 1)


def is_cut(pieces: Sequence[Shape], row: Row, turned: Sequence[bool]) -> bool:
    """Whether the pieces, laid end to end along one side, are the row; those turned may also be [in, out]."""
    ways = [{shape, _turned(shape)} if may else {shape} for shape, may in zip(pieces, turned, strict=True)]
    if len(set(pieces)) == 1:  # a list of many, all alike
        ways = [{pieces[0]}] * len(pieces)
    return any(
        _make_up(chosen, without_ones(whole))
        for chosen in combinations(*ways)
        for whole in _written_out([row])
    )


def _make_up(pieces: Sequence[Shape], whole: Shape) -> bool:
    """With the sides of 1 or without them; a piece of one row may have dropped the side along which it is laid."""
    own, bare = [without_ones(piece) for piece in pieces], without_ones(whole)
    for shapes, expected in ((pieces, whole), (own, bare)):
        if any(end_to_end(shapes, expected, side) for side in range(len(expected))):
            return True
    return end_to_end([(1, *piece) for piece in own], bare, 0)


def end_to_end(pieces: Sequence[Shape], whole: Shape, side: int) -> bool:
    """Whether the pieces laid end to end along that side have the whole's shape."""
    if {len(piece) for piece in pieces} != {len(whole)}:
        return False
    rest = (*whole[:side], *whole[side + 1 :])
    if any((*piece[:side], *piece[side + 1 :]) != rest for piece in pieces):
        return False
    return sum(piece[side] for piece in pieces) == whole[side]


def joined(rows: Sequence[Row]) -> Shape:
    """The shape of rows that are stored joined along the outputs; empty where they cannot be."""
    if len(rows) == 1:
        return rows[0].shape
    shapes = [row.shape for row in rows]
    if len({len(shape) for shape in shapes}) != 1:
        return ()
    side = _output_side(rows[0])
    rest = {(shape[:side], shape[side + 1 :]) for shape in shapes}
    if len(rest) != 1:
        return ()
    return (*shapes[0][:side], sum(shape[side] for shape in shapes), *shapes[0][side + 1 :])


def fused(rows: Sequence[Row]) -> Weight:
    """Rows joined along the outputs as one weight: what a quantizer stores per matrix, it stores once for them."""
    first = rows[0].one
    side = _output_side(rows[0])
    sides = [row.weight.shape[side] for row in rows]
    outputs = sides[0] if len(rows) == 1 else concat(*sides)
    return msgspec.structs.replace(first, shape=(*first.shape[:side], outputs, *first.shape[side + 1 :]))


def _output_side(row: Row) -> int:
    return len(row.shape) - (2 if row.is_matrix else 1)


def _written_out(rows: Sequence[Row]) -> Iterable[Shape]:
    """The rows' shape, then with each side that is a product written out."""
    yield joined(rows)
    if len(rows) == 1:
        ways = [_ways(side) for side in rows[0].weight.shape]
        if any(len(way) > 1 for way in ways):
            for chosen in combinations(*ways):
                yield tuple(side for sides in chosen for side in sides)


def _ways(side: Axis) -> list[Shape]:
    whole: Shape = (int(side.size),)
    if side.parts or len(side.dims) < 2:
        return [whole]
    return [whole, tuple(int(dim.size) for dim in side.dims)]


def _turned(shape: Shape) -> Shape:
    return (*shape[:-2], shape[-1], shape[-2]) if len(shape) > 1 else shape


def _is_led(stored: Sequence[int], row: Row) -> bool:
    """[n, out / n, in] or [n, out, in / n] for a row of [out, in]."""
    if len(stored) != 3 or len(row.shape) != 2:
        return False
    count, outputs, inputs = stored
    return (
        row.shape in {(count * outputs, inputs), (outputs, count * inputs)} and prod(stored) == row.elements
    )
