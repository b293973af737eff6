"""Dynamic masks: what attention adds to its scores, and which keys it keeps, read off the values of all keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.ir.blocks.dynamic_mask import DynamicMask
from moecalc.ir.roles import Role
from moecalc.profile.builder.cache import Seen
from moecalc.profile.builder.selection import Chosen, best_kept, best_places
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.step import Call


class KeyScores(Module):
    """A score per key and key head, exp(a softplus(projection)); a query keeps the best `top_k` that it may see.

    Source of the formula: Shi et al. 2025, arXiv 2508.02124, and transformers 5.23, models/doge.
    """

    def __init__(self, block: DynamicMask, store: Store) -> None:
        super().__init__()
        self._top_k = block.top_k
        self.weight = store.take(Role.ATTENTION_OTHER)
        self.bias = store.take_if(block.bias, Role.ATTENTION_BIAS)
        self.scale = store.take(Role.ATTENTION_OTHER)

    def forward(self, values: Tensor, seen: Seen, call: Call) -> Chosen:
        """The keys that take part, and what is added to the scores of each, also where places name them."""
        projected = functional.linear(values.flatten(-2), self.weight, self.bias)
        scores = torch.exp(self.scale * functional.softplus(projected)).transpose(1, 2)
        if call.decoding:
            places = best_places(scores, self._top_k)
            kept = scores if places is None else scores.gather(-1, places)
            return Chosen(kept[:, :, None], places)
        added = seen.masked(scores[:, :, None].expand(-1, -1, call.new, -1))
        return Chosen(best_kept(added, added, self._top_k))
