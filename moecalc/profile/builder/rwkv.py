"""RWKV-4: averages of values that decay by channel, and a feed-forward that reads the token before (arXiv 2305.13048).

A plain loop over tokens, as in transformers 5.23 without its CUDA kernel, which is faster on prompts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.ir.blocks.rwkv import WKV, ChannelMix
from moecalc.ir.roles import Role
from moecalc.profile.builder.ranges import named
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.cache import LayerCache
    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.step import Call

NOTHING = -1e38
"""The exponent of an average over no token."""


class TimeMix(Module):
    """State [batch, 3, channels]: numerator, denominator, and the exponent that both are scaled by."""

    def __init__(self, _block: WKV, store: Store, _numerics: Numerics) -> None:
        super().__init__()
        self.decay, self.first = store.take(Role.RECURRENT_PARAMETER), store.take(Role.RECURRENT_PARAMETER)
        self.mixes = torch.nn.ParameterList([store.take(Role.RECURRENT_PARAMETER) for _ in range(3)])
        self.key, self.value, self.receptance = (store.take(Role.RECURRENT_IN) for _ in range(3))
        self.out = store.take(Role.RECURRENT_OUT)

    def forward(self, x: Tensor, call: Call, cache: LayerCache) -> Tensor:
        """[batch, new, hidden] from the normed residual stream, of the same shape."""
        with named("recurrent"):
            before = shifted(x, cache[Role.RECURRENT_CONV_STATE])
            mixed = [x * mix + before * (1 - mix) for mix in self.mixes]
            keys = functional.linear(mixed[0], self.key).float()
            values = functional.linear(mixed[1], self.value)
            gate = torch.sigmoid(functional.linear(mixed[2], self.receptance))
            state = cache[Role.RECURRENT_STATE]
            if call.past == 0:
                state[:, 2] = NOTHING
            averages = torch.stack(
                [self._step(keys[:, at], values[:, at], state) for at in range(call.new)], 1
            )
            return functional.linear(gate * averages.to(x.dtype), self.out)

    def _step(self, key: Tensor, value: Tensor, state: Tensor) -> Tensor:
        """The average that one token reads [batch, channels], before it is one of those averaged."""
        above, below, exponent = state.float().unbind(1)
        top = torch.maximum(exponent, key + self.first)
        old, own = (exponent - top).exp(), (key + self.first - top).exp()
        made = (old * above + own * value) / (old * below + own)
        decayed = exponent - self.decay.float().exp()
        top = torch.maximum(decayed, key)
        old, own = (decayed - top).exp(), (key - top).exp()
        state.copy_(torch.stack([old * above + own * value, old * below + own, top], 1))
        return made


class ChannelMixing(Module):
    """Up, squared ReLU, down; gated by a projection of the stream."""

    def __init__(self, _block: ChannelMix, store: Store) -> None:
        super().__init__()
        self.mixes = torch.nn.ParameterList([store.take(Role.FFN_OTHER) for _ in range(2)])
        self.up, self.gate, self.down = (
            store.take(role) for role in (Role.FFN_UP, Role.FFN_GATE, Role.FFN_DOWN)
        )

    def forward(self, x: Tensor, cache: LayerCache) -> Tensor:
        """[batch, new, hidden], of the same shape."""
        with named("ffn"):
            before = shifted(x, cache[Role.RECURRENT_CONV_STATE])
            for_up, for_gate = (x * mix + before * (1 - mix) for mix in self.mixes)
            inner = functional.relu(functional.linear(for_up, self.up)).square()
            return torch.sigmoid(functional.linear(for_gate, self.gate)) * functional.linear(inner, self.down)


def shifted(x: Tensor, state: Tensor) -> Tensor:
    """Of each token [batch, new, hidden] the one before; `state` [batch, hidden] is the last one seen, and replaced."""
    made = torch.cat([state[:, None], x[:, :-1]], 1)
    state.copy_(x[:, -1])
    return made
