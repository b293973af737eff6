"""Gated residual streams: each is normed, and a low-rank pair gates what of it a sublayer reads (Qwen4-Exp).

Source of the formulas: the reference implementation in transformers 5.23, models/qwen4_exp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.ir.roles import Role
from moecalc.profile.builder.hyper import Reading
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.ir.blocks.hyper import HyperConnections
    from moecalc.profile.builder.numerics import Numerics


class GatedReading(Module):
    """The mean over the streams of what their gates let through; `writes` where a sublayer's output goes back."""

    def __init__(self, block: HyperConnections, store: Store, numerics: Numerics, *, writes: bool) -> None:
        super().__init__()
        self._streams, self._epsilon = block.streams, numerics.norm_epsilon
        self.scale = store.take(Role.RESIDUAL_SCALE)
        self.narrow, self.wide = store.take(Role.RESIDUAL_MIX), store.take(Role.RESIDUAL_MIX)
        self.shares = store.take_if(writes, Role.RESIDUAL_MIX)

    def read(self, streams: Tensor) -> Reading:
        """Of streams [batch, new, streams, hidden]."""
        normed = functional.rms_norm(streams, streams.shape[-1:], eps=self._epsilon)
        normed = normed * self.scale.view(self._streams, -1)
        flat = normed.flatten(-2)
        inner = functional.silu(functional.linear(flat, self.narrow) / self._streams)
        gates = torch.sigmoid(functional.linear(inner, self.wide)).view_as(normed)
        post = streams[..., 0]
        if self.shares is not None:
            post = 2 * torch.sigmoid(functional.linear(flat, self.shares) / self._streams)
        return Reading((gates * normed).mean(2), post, streams)

    def spread(self, x: Tensor) -> Tensor:
        """[batch, new, streams, hidden] of [batch, new, hidden]."""
        return x[:, :, None].expand(-1, -1, self._streams, -1)

    def collapse(self, streams: Tensor) -> Tensor:
        """[batch, new, hidden] of [batch, new, streams, hidden]."""
        return self.read(streams).x
