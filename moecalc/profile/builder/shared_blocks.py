"""Transformer blocks that several layers share, run on the way into a layer's own mixer (Zamba).

Source of the wiring: arXiv 2405.16712, 2411.15242 (adapters), and transformers 5.23, models/zamba and models/zamba2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.ir.blocks.shared import SharedBlocks
from moecalc.ir.roles import Role
from moecalc.profile.builder.attention import Attention
from moecalc.profile.builder.elementwise import Norm
from moecalc.profile.builder.feed_forward import FeedForward
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.cache import LayerCache
    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.step import Call


class Adapter(Module):
    """A low-rank pair beside a shared matrix."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.down, self.up = store.take(Role.ADAPTER), store.take(Role.ADAPTER)

    def forward(self, x: Tensor) -> Tensor:
        """What is added to the matrix's output."""
        return functional.linear(functional.linear(x, self.down), self.up)


class SharedTransformer(Module):
    """One stored copy: attention on the stream beside the embedding, then a feed-forward, no residual between."""

    def __init__(self, block: SharedBlocks, store: Store, numerics: Numerics) -> None:
        super().__init__()
        self.into = Norm(block.norm, Role.NORM, store, numerics)
        self.between = Norm(block.norm, Role.NORM, store, numerics)
        self.attention = Attention(block.attention, store, numerics)
        self.ffn = FeedForward(block.ffn, store, numerics)


class Entry(Module):
    """A layer's own way through a shared copy: adapters, and the projection of its output."""

    def __init__(self, block: SharedBlocks, store: Store, shared: SharedTransformer) -> None:
        super().__init__()
        self._shared = (shared,)  # no submodule of this one: its parameters are counted where they are stored
        self.projection = store.take(Role.RECURRENT_PROJECTION)
        adapted = block.attention_adapter_rank is not None
        self.attention = torch.nn.ModuleList([Adapter(store) for _ in range(3 * adapted)])
        self.ffn = Adapter(store) if block.ffn_adapter_rank is not None else None

    def forward(self, x: Tensor, call: Call, cache: LayerCache) -> Tensor:
        """[batch, new, hidden], added to what the layer's mixer reads."""
        (shared,) = self._shared
        both = shared.into(torch.cat([x, call.embedded], -1))
        made = shared.between(shared.attention(both, call, cache, self.attention))
        return functional.linear(shared.ffn(made, self.ffn), self.projection)
