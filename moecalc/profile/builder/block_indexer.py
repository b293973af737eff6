"""Block indexers: small heads score keys, and a query attends to the whole blocks that hold the best (MiniMax-M3).

All keys are scored. In a prompt attention masks those of other blocks, as transformers 5.23 does it
(models/minimax_m3_vl), where MiniMax's kernels read the chosen blocks alone; so does a step of one token here.
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
from moecalc.profile.builder.indexer import QUERIES
from moecalc.profile.builder.refusal import check_fields, refused
from moecalc.profile.builder.selection import Chosen, best_kept, best_places, places_in_blocks
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.step import Call


class BlockScores(Module):
    """A block's score is its best key's; the query's own is always chosen.

    Each head chooses for its key heads, or for its share of the queries of one where heads are more than key heads.
    """

    def __init__(self, block: BlockIndexer, kv_heads: int, store: Store, numerics: Numerics) -> None:
        super().__init__()
        check_fields(block, ("heads", "head_dim", "block_size", "top_k", "norm"))
        if kv_heads % block.heads and block.heads % kv_heads:
            raise refused(f"`BlockIndexer` with {block.heads} `heads` over {kv_heads} `kv_heads`")
        self._block, self._numerics, self._shared = block, numerics, max(1, kv_heads // block.heads)
        self.q, self.k = store.take(Role.INDEXER_Q), store.take(Role.INDEXER_K)
        self.q_norm = Norm(block.norm, Role.INDEXER_NORM, store, numerics) if block.norm else None
        self.k_norm = Norm(block.norm, Role.INDEXER_NORM, store, numerics) if block.norm else None

    def forward(self, x: Tensor, call: Call, cache: LayerCache) -> Chosen:
        """The keys that take part, for each key head, or each of its own heads where these are more."""
        block = self._block
        q = functional.linear(x, self.q).unflatten(-1, (block.heads, -1))
        k = functional.linear(x, self.k)[:, :, None]
        q = q if self.q_norm is None else self.q_norm(q)
        k = k if self.k_norm is None else self.k_norm(k)
        if call.rotations is not None:
            turn = call.rotations.of(block.head_dim)
            q, k = rotated(q, turn, self._numerics), rotated(k, turn, self._numerics)
        seen = remember(Slots(), (cache[Role.INDEXER_KEY_STATE],), (k[:, :, 0],), call.past)
        keys = seen.tensors[0].transpose(1, 2)
        if call.decoding:
            scores = torch.bmm(q[:, 0], keys)
            places = self._places(scores, call.past)
            return Chosen(places=None if places is None else places.repeat_interleave(self._shared, 1))
        parts = []
        for start in range(0, call.new, QUERIES):
            some = q[:, start : start + QUERIES].transpose(1, 2)
            scores = torch.bmm(some.flatten(1, 2), keys).unflatten(1, some.shape[1:3])
            parts.append(self._chosen(seen.masked(scores, start), call.past + start))
        return Chosen(torch.cat(parts, 2).repeat_interleave(self._shared, 1))

    def _places(self, scores: Tensor, past: int) -> Tensor | None:
        """[batch, heads, kept] of the one new token's scores [batch, heads, keys]; None where it keeps all.

        The blocks before its own are whole, so that every head keeps equally many keys.
        """
        size, own = self._block.block_size, past // self._block.block_size
        before = scores[..., : own * size].unflatten(-1, (own, size)).amax(-1)
        best = best_places(before, self._block.top_k - 1)
        if best is None:
            return None
        tail = torch.arange(own * size, past + 1, device=scores.device).expand(*best.shape[:-1], -1)
        return torch.cat([places_in_blocks(best, size), tail], -1)

    def _chosen(self, scores: Tensor, past: int) -> Tensor:
        """[batch, heads, queries, keys] of scores of that shape, minus infinity for keys behind a query."""
        size, (queries, keys) = self._block.block_size, scores.shape[-2:]
        padded = functional.pad(scores, (0, -keys % size), value=float("-inf"))
        best = padded.unflatten(-1, (-1, size)).amax(-1)
        own = torch.arange(past, past + queries, device=scores.device)[:, None] // size
        blocks = torch.arange(best.shape[-1], device=scores.device)[None]
        best = best.masked_fill(blocks == own, float("inf"))
        kept = best_kept(best, torch.zeros_like(best), self._block.top_k)
        return kept.repeat_interleave(size, -1)[..., :keys].masked_fill(scores.isneginf(), float("-inf"))
