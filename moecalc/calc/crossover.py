"""The context from which a decoded token spends more on attending than on everything else. Exact, by bisection."""

from collections.abc import Callable
from math import lcm

import msgspec

from moecalc.calc.flop_shares import PER_PAIR, component_of, shares
from moecalc.calc.flops import How, counted_rows
from moecalc.ir.numeric import Number
from moecalc.ir.rows import Ledger
from moecalc.ir.step import NO_MEDIA, KeysKind, Media, Step

LIMIT = 2**32
"""Contexts are looked at up to here (the longest that a workload may have)."""

SAWTOOTH = (KeysKind.CHUNK, KeysKind.TOP_K_BLOCKS, KeysKind.TOP_K_BLOCKS_TAIL)
"""Keys whose number falls back at the end of each block: within a block the work grows, from block to block too."""


class Crossover(msgspec.Struct, frozen=True):
    """The first context at which attention outweighs the rest; None with the reason where it never does."""

    context: int | None
    reason: str = ""


def crossover(ledger: Ledger, how: How, media: Media = NO_MEDIA) -> Crossover:
    """The first context at which scores, mix and indexer scores of a decoded token exceed its other FLOPs."""
    attending = [op for op in counted_rows(ledger, how) if component_of(op.role) in PER_PAIR]
    if not attending:
        return Crossover(None, "it has no attention over past tokens")

    def surplus(context: int) -> Number:
        parts = shares(ledger, Step.decode(context, media=media), how)
        attention = sum(value for name, value in parts.items() if name in PER_PAIR)
        return 2 * attention - sum(parts.values())

    keys = [op.extent.keys for op in attending]
    sizes = [key.size for key in keys if key.kind in SAWTOOTH]
    block = lcm(*sizes) if sizes else 1

    def outweighs_in(number: int) -> bool:
        # The most that a block reaches, it reaches with its last token or the one before.
        end = (number + 1) * block
        return surplus(end) > 0 or (block > 1 and surplus(end - 1) > 0)

    # From block to block both sides grow in proportion to the context, until a window or a top k is full. So the
    # difference is a chain of straight lines, and is positive somewhere only if it is so at an end of one.
    full = {-(-key.size * max(key.top_k, 1) // block) for key in keys} | {LIMIT // block}
    low = 0
    for high in sorted(number - 1 for number in full):
        if outweighs_in(high):
            break
        low = high
    else:
        return Crossover(None, _why_never(ledger, how))
    first = _first(outweighs_in, low, high)
    start, last = first * block + 1, (first + 1) * block
    if last > start and surplus(last - 1) > 0:
        return Crossover(_first(lambda context: surplus(context) > 0, start, last - 1))
    return Crossover(last)


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The first number from `low` to `high` that holds, where all above it hold and `high` does."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _why_never(ledger: Ledger, how: How) -> str:
    near, far = (shares(ledger, Step.decode(context), how) for context in (LIMIT // 2, LIMIT))
    if all(near.get(name) == far.get(name) for name in PER_PAIR):
        return "windows or a fixed number of keys bound its attention"
    return "what it does once per key grows with the context too, and is the larger part"
