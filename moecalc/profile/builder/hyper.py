"""Hyper-connections: several residual streams, of which a sublayer reads a mix and to all of which it writes back.

Source of the formulas: DeepSeek-V4, arXiv 2606.19348, section 2.2, and the reference implementation in transformers
5.23, models/deepseek_v4. Engines fuse what is here a run of small operations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional

from moecalc.ir.blocks.hyper import HyperConnections
from moecalc.ir.roles import Role
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.numerics import Numerics

ROUNDS = 20
"""Times that rows and columns of the mix are made to add up to 1 (`hc_sinkhorn_iters` of DeepSeek-V4's releases)."""
EPSILON = 1e-6
"""`hc_eps` of the same."""


class Reading(NamedTuple):
    """What a sublayer reads of the streams, and how its output goes back."""

    x: Tensor
    """[batch, new, hidden]."""
    post: Tensor
    """[batch, new, streams]: the share of the output that each stream gets."""
    kept: Tensor
    """[batch, new, streams, hidden]: the streams mixed with each other."""

    def written(self, made: Tensor) -> Tensor:
        """The streams [batch, new, streams, hidden] behind a sublayer that made [batch, new, hidden]."""
        return self.post.to(made.dtype)[..., None] * made[:, :, None] + self.kept


class Connection(Module):
    """Around one sublayer: weights to read, to write and to mix the streams, projected from all of them."""

    def __init__(self, block: HyperConnections, store: Store, numerics: Numerics) -> None:
        super().__init__()
        self._streams, self._epsilon, self._mixes = block.streams, numerics.norm_epsilon, block.mix
        self.projection = store.take(Role.RESIDUAL_MIX)
        self.offsets, self.scales = store.take(Role.RESIDUAL_SCALE), store.take(Role.RESIDUAL_SCALE)

    def read(self, streams: Tensor) -> Reading:
        """Of streams [batch, new, streams, hidden]."""
        count = self._streams
        sizes = (count, count, count * count * self._mixes)
        made = projected(streams, self.projection, self._epsilon)
        pre, post, mix = made.split(sizes, -1)
        own_pre, own_post, own_mix = self.offsets.split(sizes)
        weights = torch.sigmoid(pre * self.scales[0] + own_pre) + EPSILON
        x = (weights[..., None] * streams).sum(2).to(streams.dtype)
        post = 2 * torch.sigmoid(post * self.scales[1] + own_post)
        if not self._mixes:  # Hy 4, which adds the epsilon here too
            return Reading(x, post + EPSILON, streams)
        square = (mix * self.scales[2] + own_mix).unflatten(-1, (count, count))
        kept = balanced(square).to(streams.dtype).transpose(-1, -2) @ streams
        return Reading(x, post, kept)


class Streams(Module):
    """Copies of the embedding at first, and behind the last layer one stream of all."""

    def __init__(self, block: HyperConnections, store: Store, numerics: Numerics) -> None:
        super().__init__()
        self._streams, self._epsilon = block.streams, numerics.norm_epsilon
        self.projection = store.take(Role.RESIDUAL_MIX)
        self.offsets, self.scale = store.take(Role.RESIDUAL_SCALE), store.take(Role.RESIDUAL_SCALE)

    def spread(self, x: Tensor) -> Tensor:
        """[batch, new, streams, hidden] of [batch, new, hidden]."""
        return x[:, :, None].expand(-1, -1, self._streams, -1)

    def collapse(self, streams: Tensor) -> Tensor:
        """[batch, new, hidden] of [batch, new, streams, hidden]."""
        made = projected(streams, self.projection, self._epsilon)
        weights = torch.sigmoid(made * self.scale + self.offsets) + EPSILON
        return (weights[..., None] * streams).sum(2).to(streams.dtype)


def projected(streams: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """All streams end to end, normed without a scale, times [out, streams x hidden]."""
    flat = streams.flatten(-2).to(weight.dtype)
    return functional.linear(functional.rms_norm(flat, flat.shape[-1:], eps=epsilon), weight)


def balanced(square: Tensor) -> Tensor:
    """Softmax over rows [..., streams, streams], then columns and rows in turn brought to a sum of 1 (Sinkhorn)."""
    made = square.softmax(-1) + EPSILON
    made = made / (made.sum(-2, keepdim=True) + EPSILON)
    for _ in range(ROUNDS - 1):
        made = made / (made.sum(-1, keepdim=True) + EPSILON)
        made = made / (made.sum(-2, keepdim=True) + EPSILON)
    return made
