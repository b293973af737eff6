"""N-gram embeddings: hashed look-ups of the last few tokens, gated by the streams that they are added to (Qwen4-Exp).

Source of the formulas: the reference implementation in transformers 5.23, models/qwen4_exp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.ir.blocks.ngram import NGramEmbedding
from moecalc.ir.roles import Role
from moecalc.profile.builder.cache import LayerCache
from moecalc.profile.builder.convolution import convolved
from moecalc.profile.builder.elementwise import Norm
from moecalc.profile.builder.ranges import named
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from moecalc.ir.rows import Row
    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.step import Call

FACTORS = 0x9E3779B97F4A7C15 >> 2
"""From which a table's own hash factors are made: the golden ratio's bits, which spread neighbouring tokens."""


class NGramCache(LayerCache):
    """The convolution's state, and beside it the last tokens: engines hold these anyway, the ledger has no row."""

    def __init__(
        self,
        block: NGramEmbedding,
        rows: Iterable[Row],
        batch: int,
        slots: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        super().__init__(rows, batch, slots, dtype, device)
        self.last = torch.zeros(batch, block.ngram_size - 1, dtype=torch.int64, device=device)
        """[batch, ngram_size - 1]."""


class NGrams(Module):
    """What is added to each stream: values of the token's n-grams, and a convolution of them over tokens."""

    def __init__(self, block: NGramEmbedding, store: Store, numerics: Numerics) -> None:
        super().__init__()
        self._block, self._end = block, numerics.sequence_end
        self.table = store.take(Role.EMBEDDING_PER_LAYER)
        self.factors = store.take(Role.EMBEDDING_OTHER)
        self.sizes, self.offsets = store.take(Role.EMBEDDING_OTHER), store.take(Role.EMBEDDING_OTHER)
        if not self.table.is_meta:
            self._fill()
        self.key, self.value = store.take(Role.EMBEDDING_PROJECTION), store.take(Role.EMBEDDING_PROJECTION)
        self.key_norm, self.query_norm, self.conv_norm = (
            Norm("rms", Role.NORM, store, numerics, block.streams) for _ in range(3)
        )
        self.conv = store.take(Role.RECURRENT_CONV)

    def forward(self, streams: Tensor, call: Call, cache: NGramCache) -> Tensor:
        """[batch, new, streams, hidden], from streams of that shape."""
        with named("embedding"):
            looked_up = functional.embedding(self._rows(call, cache), self.table).flatten(-2)
            key = self.key_norm(functional.linear(looked_up, self.key)).view_as(streams)
            query = self.query_norm(streams.flatten(-2)).view_as(streams)
            score = (key * query).sum(-1, keepdim=True) * streams.shape[-1] ** -0.5
            gate = torch.sigmoid(score.abs().clamp(min=1e-6).sqrt() * score.sign())
            gated = gate * functional.linear(looked_up, self.value)[:, :, None]
            state = cache[Role.RECURRENT_CONV_STATE]
            spread = convolved(
                self.conv_norm(gated.flatten(-2)), self.conv, None, state, dilation=self._block.ngram_size
            )
            return gated + functional.silu(spread).view_as(gated)

    def _rows(self, call: Call, cache: NGramCache) -> Tensor:
        """[batch, new, heads]: the row of each head's n-gram that ends in each new token.

        An n-gram reaches no further back than the last token that ends a sequence, and repeats it instead.
        """
        if call.past == 0:
            cache.last.fill_(self._end)
        count, new = self._block.ngram_size, call.new
        whole = torch.cat([cache.last, call.ids], 1)
        cache.last.copy_(whole[:, new:])
        mixed = call.ids * self.factors[0]
        grams: list[Tensor] = []
        behind = call.ids
        for back in range(1, count):
            further = whole[:, count - 1 - back : count - 1 - back + new]
            behind = further if back == 1 else torch.where(behind == self._end, behind, further)
            mixed = mixed ^ (behind * self.factors[back])
            grams.append(mixed)
        heads = torch.stack(grams, -1).repeat_interleave(self._block.heads // (count - 1), -1)
        return heads % self.sizes + self.offsets

    def _fill(self) -> None:
        """Give every head an equal part of the table, and every place in an n-gram an odd factor of its own."""
        size = self._block.rows // self._block.heads
        self.sizes.fill_(size)
        self.offsets.copy_(torch.arange(self._block.heads, device=self.offsets.device) * size)
        places = torch.arange(self._block.ngram_size, device=self.factors.device)
        self.factors.copy_((places + 1) * FACTORS | 1)
