"""The real-gated linear recurrent unit (Griffin, arXiv 2402.19427, section 2.4), token by token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.ir.blocks.rg_lru import RGLRU
from moecalc.ir.roles import Role
from moecalc.profile.builder.cache import LayerCache
from moecalc.profile.builder.convolution import convolved
from moecalc.profile.builder.ranges import named
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.step import Call

SHARPNESS = 8.0
"""The constant c of the decay a^(c r) (arXiv 2402.19427, equation 3)."""


class GatedRecurrence(Module):
    """One value per channel, decayed and added to by gates of the token."""

    def __init__(self, block: RGLRU, store: Store, _numerics: Numerics) -> None:
        super().__init__()
        self._block = block
        bias = Role.RECURRENT_BIAS
        self.gate, self.gate_bias = store.take(Role.RECURRENT_GATE), store.take(bias)
        self.into, self.into_bias = store.take(Role.RECURRENT_IN), store.take(bias)
        self.conv, self.conv_bias = store.take(Role.RECURRENT_CONV), store.take(bias)
        self.input, self.input_bias = store.take(Role.RECURRENT_PROJECTION), store.take(bias)
        self.decay, self.decay_bias = store.take(Role.RECURRENT_PROJECTION), store.take(bias)
        self.rate = store.take(Role.RECURRENT_PARAMETER)
        self.out, self.out_bias = store.take(Role.RECURRENT_OUT), store.take(bias)

    def forward(self, x: Tensor, call: Call, cache: LayerCache) -> Tensor:
        """[batch, new, hidden] from the normed residual stream, of the same shape."""
        with named("recurrent"):
            gate = functional.gelu(functional.linear(x, self.gate, self.gate_bias))
            mixed = functional.linear(x, self.into, self.into_bias)
            mixed = convolved(mixed, self.conv, self.conv_bias, cache[Role.RECURRENT_CONV_STATE])
            allowed = self._blockwise(mixed, self.input, self.input_bias)
            decay = -SHARPNESS * functional.softplus(self.rate.float())
            decay = decay * self._blockwise(mixed, self.decay, self.decay_bias)
            added = mixed.float() * allowed * (1 - (2 * decay).exp()).sqrt()
            kept, state, parts = decay.exp(), cache[Role.RECURRENT_STATE][:, None], []
            for token in range(call.new):
                state[:, 0] = state[:, 0] * kept[:, token] + added[:, token]
                parts.append(state.clone())
            made = torch.cat(parts, 1).to(x.dtype)
            return functional.linear(gate * made, self.out, self.out_bias)

    def _blockwise(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Sigmoid of each block of channels times its own matrix."""
        blocks = x.flatten(0, 1).unflatten(-1, (self._block.blocks, -1)).transpose(0, 1)
        made = torch.bmm(blocks, weight).transpose(0, 1).flatten(1).view_as(x)
        return torch.sigmoid((made + bias).float())
