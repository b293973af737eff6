"""What a step reads of weights: all matrices, of experts those that its tokens choose, of tables the rows looked up.

Experts touched by T tokens of which each calls k of E: E (1 - (1 - k/E)^T) where every token chooses uniformly and
independently, an upper bound in expectation: correlated tokens share experts. `Routing.overlap` is the share of a
token that counts as a new draw: 1 is uniform, 0 is all tokens sharing their experts (k of E, the least there can be).
Over ints and arrays alike; exact where the bytes are.
"""

from collections.abc import Iterable

import msgspec

from moecalc.ir.numeric import Number, fraction, minimum, whole
from moecalc.ir.rows import Access, Pool, Weight


class Routing(msgspec.Struct, frozen=True):
    """How the tokens of a batch spread over the experts."""

    overlap: float = 1.0
    words: str = "uniform"

    def touched(self, pool: Pool, tokens: Number) -> Number:
        """Expected share of a pool's experts that `tokens` tokens touch."""
        return pool.distinct_share(1 + (tokens - 1) * self.overlap)


UNIFORM = Routing()
SHARED = Routing(0.0, "all tokens share their experts")
"""The least that any routing touches: what a bound without an assumption rests on."""


class Routed(msgspec.Struct, frozen=True):
    """Weights that one pool selects: bytes stored, and bytes read by a step that touches every expert."""

    pool: Pool
    stored: Number
    read: Number


class Table(msgspec.Struct, frozen=True):
    """A look-up table: bytes stored, and bytes of the rows of one token."""

    stored: Number
    per_token: Number


class Reads(msgspec.Struct, frozen=True, kw_only=True):
    """Weights summed once by how a step reads them, so that each batch costs little."""

    always: Number
    """Bytes that every step reads whatever its tokens: matrices once for each application."""
    routed: tuple[Routed, ...]
    tables: tuple[Table, ...]

    def weight_bytes(self, tokens: Number, expert_tokens: Number, routing: Routing = UNIFORM) -> Number:
        """Weights that a step reads on this rank.

        `tokens` pass through what every token uses; `expert_tokens` are those that choose among the rank's experts:
        more, where several copies of attention share them.
        """
        total: Number = self.always
        for part in self.routed:
            total = total + part.read * routing.touched(part.pool, expert_tokens)
        for table in self.tables:
            total = total + minimum(table.per_token * tokens, table.stored)
        return total

    def touched_share(self, tokens: Number, routing: Routing = UNIFORM) -> Number | None:
        """Share of the routed weights that a step of that many tokens reads; None for a dense model."""
        whole = sum(part.stored for part in self.routed)
        if not whole:
            return None
        return sum(routing.touched(part.pool, tokens) * part.stored for part in self.routed) / whole


def reads_of(rows: Iterable[tuple[Weight, Number]]) -> Reads:
    """The reads of rows, each beside the bytes that it stores (a tied head: those of the tensor it is tied to)."""
    always: Number = 0
    routed: dict[Pool, tuple[Number, Number]] = {}
    tables = []
    for weight, stored in rows:
        if weight.pool is not None:
            held, read = routed.get(weight.pool, (0, 0))
            routed[weight.pool] = held + stored, read + stored * weight.applications
        elif weight.access is Access.LOOKUP:
            tables.append(Table(stored, _ratio(stored * weight.rows, weight.shape[0].size)))
        else:
            always += stored * weight.applications
    parts = tuple(Routed(pool, held, read) for pool, (held, read) in routed.items())
    return Reads(always=always, routed=parts, tables=tuple(tables))


def _ratio(size: Number, rows: Number) -> Number:
    """Bytes of one of so many rows; an int where it can be: a sum of Fractions takes ten times as long."""
    if isinstance(size, float):
        return size / rows
    return whole(fraction(size, rows))
