"""Bytes that one step moves on one rank: weights touched by its tokens, state read. Over ints and arrays alike."""

from collections.abc import Iterable, Iterator

import msgspec

from moecalc.calc import memory
from moecalc.calc.deploy.shares import share_bytes
from moecalc.calc.speed.reads import SHARED, UNIFORM, Reads, Routing, reads_of
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger, Weight
from moecalc.specs.formats import Precision


class Traffic(Reads, frozen=True, kw_only=True):
    """The weights and state of one rank (or of a whole model), summed once by how a step reads them."""

    rank: Ledger
    kv_dtype: str

    def state_bytes(self, context: Number) -> Number:
        """State that one decoded token of one sequence reads on this rank, with `context` keys."""
        return memory.state_bytes_read(self.rank, context, self.kv_dtype)


def traffic(
    rank: Ledger, weights: Iterable[tuple[Weight, Weight]], precision: Precision, kv_dtype: str
) -> Traffic:
    """The traffic of a rank: its rows for the state, and each whole weight beside the rank's share of it."""
    reads = reads_of(_stored(weights, precision))
    return Traffic(
        rank=rank, kv_dtype=kv_dtype, always=reads.always, routed=reads.routed, tables=reads.tables
    )


def _stored(weights: Iterable[tuple[Weight, Weight]], precision: Precision) -> Iterator[tuple[Weight, float]]:
    for whole, share in weights:
        if whole.component is not Component.LANGUAGE:
            continue
        # A tied head stores nothing of its own and is read all the same.
        untied = msgspec.structs.replace(whole, tied_to=None) if whole.tied_to else whole
        own = untied if share is whole else msgspec.structs.replace(share, tied_to=None)
        yield own, float(share_bytes(precision, untied, own))


__all__ = ["SHARED", "UNIFORM", "Routing", "Traffic", "traffic"]
