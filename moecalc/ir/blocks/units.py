"""How often a part of a tower runs: for single patches or frames, for groups of them, or once."""

from collections.abc import Iterable, Iterator

import msgspec

from moecalc.ir.rows import Op, Row
from moecalc.ir.step import Domain, Extent

ONCE = Extent(Domain.SEQUENCES)
"""Once for each image, or each clip of sound."""


def in_units(rows: Iterable[Row], joined: int = 1, beside: int = 0) -> Iterator[Row]:
    """The rows with each operation run for every `joined` patches or frames, and `beside` times more an image."""
    for row in rows:
        if isinstance(row, Op):
            extent = msgspec.structs.replace(row.extent, joined=joined, beside=beside)
            yield msgspec.structs.replace(row, extent=extent)
        else:
            yield row
