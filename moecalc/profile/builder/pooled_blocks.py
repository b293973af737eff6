"""Block indexers with one key per closed block, the mean of its tokens' (Qwen4-Exp).

Queries that see equally many closed blocks are scored at once, so that nothing is scored that is masked. In a prompt
attention masks the tokens of blocks left out, as transformers 5.23 does it (models/qwen4_exp); a step of one token
gathers the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.ir.blocks.block_indexer import BlockIndexer
from moecalc.ir.roles import Role
from moecalc.ir.rows import Slots
from moecalc.profile.builder.cache import LayerCache, remember
from moecalc.profile.builder.elementwise import Norm, rotated
from moecalc.profile.builder.refusal import check_fields
from moecalc.profile.builder.selection import Chosen, best_kept, best_places, places_in_blocks
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.step import Call


class PooledBlocks(Module):
    """The sum over heads of relu(q k): the score of a block. The open block's tokens take part beside the best."""

    def __init__(self, block: BlockIndexer, kv_heads: int, store: Store, numerics: Numerics) -> None:
        super().__init__()
        check_fields(block, ("heads", "head_dim", "block_size", "top_k", "norm", "pooled"))
        self._block, self._numerics, self._kv_heads = block, numerics, kv_heads
        self.q, self.k = store.take(Role.INDEXER_Q), store.take(Role.INDEXER_K)
        self.q_norm = Norm(block.norm, Role.INDEXER_NORM, store, numerics) if block.norm else None
        self.k_norm = Norm(block.norm, Role.INDEXER_NORM, store, numerics) if block.norm else None

    def forward(self, x: Tensor, call: Call, cache: LayerCache) -> Chosen:
        """The keys that take part, the same for all heads."""
        block, size = self._block, self._block.block_size
        q = functional.linear(x, self.q).unflatten(-1, (block.heads, -1))
        q = q if self.q_norm is None else self.q_norm(q)
        stored = (cache[Role.INDEXER_KEY_STATE],)
        seen = remember(Slots(), stored, (functional.linear(x, self.k),), call.past)
        total = call.past + call.new
        closed = total // size
        keys = seen.tensors[0][:, : closed * size].unflatten(1, (closed, size)).mean(2)[:, :, None]
        keys = keys if self.k_norm is None else self.k_norm(keys)
        if call.rotations is not None:
            q = rotated(q, call.rotations.of(block.head_dim), self._numerics)
            keys = rotated(keys, call.rotations.spaced(0, closed, size, block.head_dim), self._numerics)
        if call.decoding:
            best = best_places(self._scores(q, keys[:, :, 0])[:, 0], block.top_k)
            if best is None:
                return Chosen()
            tail = torch.arange(closed * size, total, device=x.device).expand(x.shape[0], -1)
            return Chosen(places=torch.cat([places_in_blocks(best, size), tail], -1)[:, None])
        parts, start = [], 0
        while start < call.new:
            visible = (call.past + start + 1) // size
            end = min(call.new, (visible + 1) * size - 1 - call.past)
            parts.append(self._chosen(q[:, start:end], keys[:, :visible, 0], total))
            start = end
        added = seen.masked(torch.cat(parts, 1))
        return Chosen(added[:, None].expand(-1, self._kv_heads, -1, -1))

    def _chosen(self, q: Tensor, keys: Tensor, total: int) -> Tensor:
        """[batch, queries, total]: 0 in the best blocks, by keys [batch, blocks, width], and behind all blocks."""
        scores = self._scores(q, keys)
        kept = best_kept(scores, torch.zeros_like(scores), self._block.top_k)
        kept = kept.repeat_interleave(self._block.block_size, -1)
        return functional.pad(kept, (0, total - kept.shape[-1]))

    def _scores(self, q: Tensor, keys: Tensor) -> Tensor:
        """[batch, queries, blocks] of keys [batch, blocks, width]."""
        each = torch.bmm(q.flatten(1, 2), keys.transpose(1, 2)).unflatten(1, q.shape[1:3])
        return functional.relu(each).sum(2)
