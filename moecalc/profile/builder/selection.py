"""Which keys a query keeps, where attention is sparse: the best by their scores.

In a prompt every key is scored and those left out are masked, as transformers 5.23 does it. A step of one token
gathers the keys that it keeps, as the kernels of engines do, and attends to those alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor


class Chosen(NamedTuple):
    """The keys that take part, one way or the other; all of them where neither is there.

    For each of `choices` parts of the query heads: 1, or a multiple of kv_heads.
    """

    added: Tensor | None = None
    """[batch, choices, new, keys] to add to scores: minus infinity where a key takes no part."""
    places: Tensor | None = None
    """[batch, choices, kept]: where the keys stand that the one new token keeps."""

    @property
    def choices(self) -> int:
        """Parts of the query heads that choose apart."""
        return max((part.shape[1] for part in self if part is not None), default=1)


def best_kept(scores: Tensor, added: Tensor, top_k: int) -> Tensor:
    """What is added to the scores of attention [..., queries, keys], minus infinity but for the `top_k` best `scores`.

    Of equal scores the first are kept, by a stable sort, where `topk` takes any: keys that no head of an indexer sees
    score 0 alike, and a token that occurs twice has equal values in the first layer.
    """
    if scores.shape[-1] <= top_k:
        return added
    return added.scatter(-1, _ranked(scores)[..., top_k:], float("-inf"))


def best_places(scores: Tensor, top_k: int) -> Tensor | None:
    """Where the keys that `best_kept` leaves stand, [..., top_k] of scores [..., keys]; None where it leaves all."""
    return None if scores.shape[-1] <= top_k else _ranked(scores)[..., :top_k]


def _ranked(scores: Tensor) -> Tensor:
    return scores.sort(dim=-1, descending=True, stable=True).indices


def gathered(tensor: Tensor, places: Tensor) -> Tensor:
    """[batch, kept, kv_heads, width] of [batch, keys, kv_heads, width], at places [batch, kv_heads or 1, kept]."""
    batch, heads = (torch.arange(tensor.shape[axis], device=tensor.device) for axis in (0, 2))
    return tensor[batch[:, None, None], places.transpose(1, 2), heads]


def places_in_blocks(blocks: Tensor, size: int) -> Tensor:
    """The places [..., blocks * size] of the keys in those blocks of `size`."""
    return (blocks[..., None] * size + torch.arange(size, device=blocks.device)).flatten(-2)
