"""Which keys a query keeps, where attention is sparse: the best by their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def best_kept(scores: Tensor, added: Tensor, top_k: int) -> Tensor:
    """What is added to the scores of attention [..., queries, keys], minus infinity but for the `top_k` best `scores`.

    Of equal scores the first are kept, by a stable sort, where `topk` takes any: keys that no head of an indexer sees
    score 0 alike, and a token that occurs twice has equal values in the first layer.
    """
    if scores.shape[-1] <= top_k:
        return added
    left_out = scores.sort(dim=-1, descending=True, stable=True).indices[..., top_k:]
    return added.scatter(-1, left_out, float("-inf"))
