"""What the choices of token after token say: their counts, how many experts stay, what a cache of experts would hit.

The arrays are [tokens, layers, top_k], mapped from a file and read in pieces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PIECE = 2**21
"""Choices that are read at once: their copies stay in the processor's cache or near it."""

LRU_WORK = 2**29
"""Comparisons that following a cache may take, about a second; longer recordings are followed as far as that goes."""


class Consecutive(msgspec.Struct, frozen=True):
    """Of `asked` choices that follow another token of their sequence, those that this token had made too."""

    kept: int
    asked: int


class CacheHits(msgspec.Struct, frozen=True, kw_only=True):
    """What a least-recently-used cache of `held` experts per layer hit, over the first `tokens` of the recording."""

    share: float
    held: int
    hits: int
    asked: int
    tokens: int


def counts_of(choices: NDArray[Any], experts: int) -> tuple[tuple[int, ...], ...]:
    """[layers][experts]: tokens that chose each; -1 counts nowhere."""
    import numpy as np

    _, layers, _ = choices.shape
    # One more place per layer takes the choices that were not made.
    places = experts + 1
    base = (np.arange(layers, dtype=np.int64) * places + 1)[None, :, None]
    total = np.zeros(layers * places, dtype=np.int64)
    for piece in _pieces(choices):
        total += np.bincount(np.add(piece, base, dtype=np.int64).ravel(), minlength=total.size)
    return tuple(map(tuple, total.reshape(layers, places)[:, 1:].tolist()))


def first_counts(choices: NDArray[Any], experts: int) -> tuple[tuple[int, ...], ...]:
    """[layers][experts]: tokens whose first choice each was."""
    return counts_of(choices[:, :, :1], experts)


def consecutive(choices: NDArray[Any], starts: Sequence[int] | None) -> Consecutive:
    """Choices that the token before them in the sequence had made in the same layer too."""
    import numpy as np

    tokens, layers, top_k = choices.shape
    begins = np.zeros(tokens, dtype=bool)
    begins[list(starts) if starts is not None else [0]] = True
    kept = asked = 0
    # Each choice in a row of its own: top_k^2 comparisons of rows that lie together.
    previous = np.full((top_k, 1, layers), -1, dtype=choices.dtype if choices.dtype.kind == "i" else np.int64)
    at = 0
    for piece in _pieces(choices):
        rows = np.ascontiguousarray(piece.transpose(2, 0, 1), dtype=previous.dtype)
        size = rows.shape[1]
        before = np.concatenate([previous, rows[:, :-1]], axis=1)
        follows = ~begins[at : at + size]
        for row in rows:
            same = np.zeros((size, layers), dtype=bool)
            for other in before:
                same |= row == other
            made = row >= 0
            made &= follows[:, None]
            asked += int(np.count_nonzero(made))
            same &= made
            kept += int(np.count_nonzero(same))
        previous = rows[:, -1:]
        at += size
    return Consecutive(kept, asked)


def cache_hits(choices: NDArray[Any], experts: int, shares: Sequence[float]) -> tuple[CacheHits, ...]:
    """What least-recently-used caches of these shares of a layer's experts hit, one cache per layer, empty at first.

    A choice hits where fewer other experts than the cache holds were chosen since its expert was chosen last; the
    choices of a token come one after the other, and sequences follow each other through the same cache. As Mattson et
    al. (IBM Systems Journal 9(2), 1970) found, one pass serves caches of every size.
    """
    import numpy as np

    held = [max(1, int(share * experts)) for share in shares]
    _, layers, top_k = choices.shape
    followed = min(len(choices), max(256, LRU_WORK // (layers * top_k * experts)))
    # The token and place at which each expert was chosen last; below 0: never.
    last = np.full((layers, experts), -1, dtype=np.int32)
    row = np.arange(layers)[:, None]
    earlier = np.tril(np.ones((top_k, top_k), dtype=bool), -1)[None]
    hits = np.zeros(len(held), dtype=np.int64)
    asked = 0
    place = np.arange(top_k, dtype=np.int32)
    limits = np.asarray(held)
    for token in range(followed):
        chosen = np.asarray(choices[token], dtype=np.int64)
        made = chosen >= 0
        own = last[row, chosen]
        since = np.count_nonzero(last[:, None, :] > own[:, :, None], axis=2)
        # Of this token's earlier choices, those that were not among the experts counted already.
        since += np.count_nonzero((own[:, None, :] < own[:, :, None]) & earlier & made[:, None, :], axis=2)
        met = since[made & (own >= 0)]
        hits += (met[:, None] < limits).sum(axis=0)
        asked += int(np.count_nonzero(made))
        at = np.broadcast_to(token * top_k + place, chosen.shape)
        last[row.repeat(top_k, 1)[made], chosen[made]] = at[made]
    return tuple(
        CacheHits(share=share, held=size, hits=int(hit), asked=asked, tokens=followed)
        for share, size, hit in zip(shares, held, hits.tolist(), strict=True)
    )


def _pieces(choices: NDArray[Any]) -> Any:
    tokens, layers, top_k = choices.shape
    size = max(1, PIECE // (layers * top_k))
    for start in range(0, tokens, size):
        yield choices[start : start + size]
