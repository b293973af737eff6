"""Compressed attention of DeepSeek-V4: a window, and behind it entries of closed blocks; one head of keys and values.

All entries are scored. In a prompt those that an indexer leaves out are masked, as transformers 5.23 does it
(models/deepseek_v4), where DeepSeek's kernels gather the others; a step of one token gathers here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.ir.blocks.compressed import CompressedAttention
from moecalc.ir.blocks.mla import Indexer
from moecalc.ir.roles import Role
from moecalc.ir.rows import Slots, SlotsKind
from moecalc.profile.builder.cache import LayerCache, Seen, remember
from moecalc.profile.builder.compressor import Compressor, turned
from moecalc.profile.builder.elementwise import Norm
from moecalc.profile.builder.indexer import QUERIES
from moecalc.profile.builder.ranges import named
from moecalc.profile.builder.selection import Chosen, best_kept, best_places, gathered
from moecalc.profile.builder.softmax import attend
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.ir.blocks.base import Norm as NormKind
    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.step import Call


class WindowAndEntries(Module):
    """What is stored serves as key and value; its turned channels are turned back behind the mix."""

    def __init__(self, block: CompressedAttention, store: Store, numerics: Numerics) -> None:
        super().__init__()
        self._block, self._numerics = block, numerics
        self._slots = Slots(SlotsKind.WINDOW, block.window)
        self.q_a = store.take(Role.ATTENTION_Q_A)
        self.q_norm = Norm(block.latent_norm, Role.ATTENTION_LATENT_NORM, store, numerics)
        self.q_b, self.kv = store.take(Role.ATTENTION_Q_B), store.take(Role.ATTENTION_KV_A)
        self.kv_norm = Norm(block.latent_norm, Role.ATTENTION_LATENT_NORM, store, numerics)
        self.sinks = store.take(Role.ATTENTION_SINKS)
        self.compressor: Compressor | None = None
        self.indexer: EntryIndexer | None = None
        if block.rate is not None:
            series = 2 if block.indexer else 1
            self.compressor = Compressor(block.rate, series, block.latent_norm, store, numerics)
            if block.indexer is not None:
                self.indexer = EntryIndexer(block.indexer, block.rate, block.latent_norm, store, numerics)
        self.o_a, self.o_b = store.take(Role.ATTENTION_O_A), store.take(Role.ATTENTION_O_B)

    def forward(self, x: Tensor, call: Call, cache: LayerCache) -> Tensor:
        """[batch, new, hidden] from the normed residual stream, of the same shape."""
        with named("attention"):
            return self._attend(x, call, cache)

    def _attend(self, x: Tensor, call: Call, cache: LayerCache) -> Tensor:
        block, numerics = self._block, self._numerics
        query = self.q_norm(functional.linear(x, self.q_a))
        q = functional.linear(query, self.q_b).unflatten(-1, (block.heads, -1))
        q = functional.rms_norm(q, q.shape[-1:], eps=numerics.norm_epsilon)
        key = self.kv_norm(functional.linear(x, self.kv))[:, :, None]
        turn = None
        if call.rotations is not None:
            turn = call.rotations.of(min(numerics.compressed_rope, block.head_dim))
            q, key = turned(q, turn, numerics), turned(key, turn, numerics)
        seen = remember(self._slots, (cache[Role.ATTENTION_KEY_STATE],), (key[:, :, 0],), call.past)
        seen = self._with_entries(seen, x, query, call, cache)
        keys = seen.tensors[0][:, :, None]
        mixed = attend(q, keys, keys, seen, scale=block.head_dim**-0.5, sinks=self.sinks)
        if turn is not None:
            mixed = turned(mixed, turn, numerics, back=True)
        grouped = mixed.flatten(-2).unflatten(-1, (block.o_groups, -1)).flatten(0, 1).transpose(0, 1)
        matrices = self.o_a.unflatten(0, (block.o_groups, -1)).transpose(1, 2)
        made = torch.bmm(grouped, matrices).transpose(0, 1).flatten(1).view(*x.shape[:2], -1)
        return functional.linear(made, self.o_b)

    def _with_entries(self, seen: Seen, x: Tensor, query: Tensor, call: Call, cache: LayerCache) -> Seen:
        """Keys of the window, and behind them the entries that each query may see."""
        block = self._block
        if self.compressor is None or block.rate is None:
            return seen
        buffers = cache.every(Role.COMPRESSOR_BUFFER_STATE)
        entries = self.compressor(x, call, cache[Role.COMPRESSOR_STATE], buffers, 0)
        closed = closed_before(call, block.rate, entries.shape[1], x.device)
        if self.indexer is not None:
            added, places = self.indexer(x, query, call, cache, closed)
            if places is not None:
                entries = gathered(entries[:, :, None], places)[:, :, 0]
                closed = closed[:, : entries.shape[1]]
            elif added is not None:
                closed = (added == 0)[:, :, None]
        window = seen.masked(torch.zeros(call.new, seen.tensors[0].shape[1], device=x.device)) == 0
        window = window.expand(*closed.shape[:-2], -1, -1)
        return Seen(
            [torch.cat([seen.tensors[0], entries], 1)],
            causal=False,
            allowed=torch.cat([window, closed], -1),
        )


class EntryIndexer(Module):
    """Small heads that score entries of a compressor of their own; a query keeps the best."""

    def __init__(self, block: Indexer, rate: int, norm: NormKind, store: Store, numerics: Numerics) -> None:
        super().__init__()
        self._block, self._rate, self._numerics = block, rate, numerics
        self.compressor = Compressor(rate, 2, norm, store, numerics)
        self.q, self.weights = store.take(Role.INDEXER_Q), store.take(Role.INDEXER_WEIGHTS)

    def forward(self, x: Tensor, query: Tensor, call: Call, cache: LayerCache, closed: Tensor) -> Chosen:
        """The entries that take part, of those that are `closed` [new, entries]: for one token behind others, all."""
        block = self._block
        buffers = cache.every(Role.COMPRESSOR_BUFFER_STATE)
        keys = self.compressor(x, call, cache[Role.INDEXER_KEY_STATE], buffers, 2)
        q = functional.linear(query, self.q).unflatten(-1, (block.heads, -1))
        if call.rotations is not None:
            width = min(self._numerics.compressed_rope, block.head_dim)
            q = turned(q, call.rotations.of(width), self._numerics)
        weights = functional.linear(x, self.weights) * (block.heads * block.head_dim) ** -0.5
        parts = zip(q.split(QUERIES, 1), weights.split(QUERIES, 1), strict=True)
        scores = torch.cat([self._scores(some, weight, keys) for some, weight in parts], 1)
        if call.decoding:
            return Chosen(places=best_places(scores, block.top_k))
        scores = scores.masked_fill(~closed, float("-inf"))
        kept = best_kept(scores, torch.zeros_like(scores).masked_fill(~closed, float("-inf")), block.top_k)
        return Chosen(kept[:, None])

    def _scores(self, q: Tensor, weights: Tensor, keys: Tensor) -> Tensor:
        """[batch, queries, entries]; heads are weighed and added up elementwise, as the ledger has it."""
        each = torch.bmm(q.flatten(1, 2), keys.transpose(1, 2)).unflatten(1, (q.shape[1], -1))
        return (functional.relu(each) * weights[..., None]).sum(2)


def closed_before(call: Call, rate: int, entries: int, device: torch.device) -> Tensor:
    """[new, entries]: whether an entry's block ends at or before the token."""
    behind = torch.arange(call.past + 1, call.past + call.new + 1, device=device)[:, None]
    return torch.arange(entries, device=device)[None] < behind // rate
