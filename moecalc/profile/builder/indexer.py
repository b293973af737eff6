"""The lightning indexer of sparse attention: few small heads score every key, and a query keeps the best.

All keys are scored. In a prompt attention masks those left out, as transformers 5.23 does it (models/deepseek_v32),
where DeepSeek's kernels gather the others; a step of one token gathers here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from msgspec.structs import replace
from torch.nn import functional

from moecalc.ir.blocks.mla import Indexer
from moecalc.ir.roles import Role
from moecalc.ir.rows import Slots
from moecalc.profile.builder.cache import LayerCache, remember
from moecalc.profile.builder.elementwise import Norm, rotated
from moecalc.profile.builder.selection import Chosen, best_kept, best_places
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.step import Call

QUERIES = 128
"""Queries that are scored at once: the scores of all heads are held in memory."""


class LightningIndexer(Module):
    """sum over heads of w relu(q k / sqrt(head_dim)): the score of a key for a query (DeepSeek-V3.2)."""

    def __init__(self, block: Indexer, rope_width: int, store: Store, numerics: Numerics) -> None:
        super().__init__()
        self._block, self._rope = block, rope_width
        # Its rotary channels stand first and turn in halves, whatever those of the attention beside it do.
        self._numerics = replace(numerics, rope_interleaved=False)
        self.q, self.k = store.take(Role.INDEXER_Q), store.take(Role.INDEXER_K)
        self.norm = Norm(block.norm, Role.INDEXER_NORM, store, numerics)
        self.weights = store.take(Role.INDEXER_WEIGHTS)

    def forward(self, x: Tensor, query: Tensor, call: Call, cache: LayerCache) -> Chosen:
        """The keys that take part, the same for all heads.

        `query` [batch, new, width] is what queries are projected from; keys and weights come from `x`.
        """
        block = self._block
        q = functional.linear(query, self.q).unflatten(-1, (block.heads, -1))
        k = self.norm(functional.linear(x, self.k))[:, :, None]
        q, k = self._turned(q, call), self._turned(k, call)
        seen = remember(Slots(), (cache[Role.INDEXER_KEY_STATE],), (k[:, :, 0],), call.past)
        keys = seen.tensors[0].transpose(1, 2)
        weights = functional.linear(x, self.weights) * (block.heads * block.head_dim) ** -0.5
        parts = zip(q.split(QUERIES, 1), weights.split(QUERIES, 1), strict=True)
        scores = torch.cat([self._scores(some, weight, keys) for some, weight in parts], 1)
        if call.decoding:
            return Chosen(places=best_places(scores, block.top_k))
        scores = seen.masked(scores)
        added = torch.zeros_like(scores).masked_fill(scores.isneginf(), float("-inf"))
        return Chosen(best_kept(scores, added, block.top_k)[:, None])

    def _turned(self, x: Tensor, call: Call) -> Tensor:
        if call.rotations is None:
            return x
        turning, rest = x[..., : self._rope], x[..., self._rope :]
        return torch.cat([rotated(turning, call.rotations.of(self._rope), self._numerics), rest], -1)

    def _scores(self, q: Tensor, weights: Tensor, keys: Tensor) -> Tensor:
        """[batch, queries, keys]."""
        each = torch.bmm(q.flatten(1, 2), keys).unflatten(1, (q.shape[1], -1))
        return torch.matmul(weights[:, :, None], functional.relu(each))[:, :, 0]
