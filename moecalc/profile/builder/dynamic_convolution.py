"""Causal convolutions whose taps are learned ones plus some that each token makes of its own input (Inkling 2).

Source of the formula: the reference implementation in transformers 5.23, models/inkling2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.ir.roles import Role
from moecalc.profile.builder.ran import record_flops
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor


class DynamicConvolution(Module):
    """Learned taps [kernel, channels], tap 0 of the token itself, and those that tokens make, shared within a head."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.taps = store.take(Role.RECURRENT_CONV)
        self.projection = store.take(Role.RECURRENT_PROJECTION)

    def forward(self, x: Tensor, by: Tensor, state: Tensor) -> Tensor:
        """What `x` [batch, new, channels] is convolved to, with itself added, over sqrt(2 kernel + 1).

        `by` [batch, new, hidden] is what taps are made of; `state` [batch, kernel - 1, heads, width] is read, and
        replaced.
        """
        kernel, channels = self.taps.shape
        heads, width = state.shape[-2:]
        whole = torch.cat([state.flatten(-2), x], 1)
        state.copy_(whole[:, whole.shape[1] - state.shape[1] :].view_as(state))
        made = functional.linear(by, self.projection).unflatten(-1, (heads, 1, kernel))
        taps = self.taps.T.view(heads, width, kernel) + made
        # windows[..., lag] is the token so many places back
        windows = whole.unfold(1, kernel, 1).flip(-1).unflatten(2, (heads, width))
        # A sum of products by token: no matmul has it, so nobody counts it but this.
        record_flops("moecalc.dynamic_convolution", 2 * x.shape[0] * x.shape[1] * channels * kernel)
        convolved = (windows * taps).sum(-1).flatten(-2)
        return (convolved + x) * (2 * kernel + 1) ** -0.5
