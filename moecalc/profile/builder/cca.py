"""Compressed convolutional attention: queries and keys convolved over the last tokens, half of a value from the last.

Source of the formulas: Figliolia et al. 2025, arXiv 2510.04476, and the reference implementation in transformers 5.23,
models/zaya.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.ir.blocks.cca import CCA
from moecalc.ir.roles import Role
from moecalc.ir.rows import Slots, SlotsKind
from moecalc.profile.builder.cache import LayerCache, remember
from moecalc.profile.builder.convolution import convolved
from moecalc.profile.builder.elementwise import rotated
from moecalc.profile.builder.ranges import named
from moecalc.profile.builder.softmax import attend
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.step import Call


class ConvolvedAttention(Module):
    """Attention over keys and values of fewer channels than the stream has."""

    def __init__(self, block: CCA, store: Store, numerics: Numerics) -> None:
        super().__init__()
        self._block, self._numerics = block, numerics
        bias = Role.ATTENTION_BIAS
        self.q, self.q_bias = store.take(Role.ATTENTION_Q), store.take_if(block.bias, bias)
        self.k, self.k_bias = store.take(Role.ATTENTION_K), store.take_if(block.bias, bias)
        self.v, self.v_bias = store.take(Role.ATTENTION_V), store.take_if(block.bias, bias)
        self.late, self.late_bias = store.take(Role.ATTENTION_V), store.take_if(block.bias, bias)
        self.depthwise, self.grouped = store.take(Role.RECURRENT_CONV), store.take(Role.RECURRENT_CONV)
        self.depthwise_bias = store.take(Role.RECURRENT_BIAS)
        self.grouped_bias = store.take(Role.RECURRENT_BIAS)
        self.temperature = store.take(Role.ATTENTION_QK_NORM)
        self.o, self.o_bias = store.take(Role.ATTENTION_O), store.take_if(block.bias, bias)
        self._slots = Slots(SlotsKind.WINDOW, block.window) if block.window else Slots()

    def forward(self, x: Tensor, call: Call, cache: LayerCache) -> Tensor:
        """[batch, new, hidden] from the normed residual stream, of the same shape."""
        with named("attention"):
            block = self._block
            q, k = self._queries_and_keys(x, call, cache)
            if call.rotations is not None:
                turn = call.rotations.of(block.head_dim)
                q, k = rotated(q, turn, self._numerics), rotated(k, turn, self._numerics)
            stored = cache[Role.ATTENTION_KEY_STATE], cache[Role.ATTENTION_VALUE_STATE]
            seen = remember(self._slots, stored, (k, self._values(x, call, cache)), call.past)
            keys, values = seen.tensors
            mixed = attend(q, keys, values, seen, scale=block.head_dim**-0.5)
            return functional.linear(mixed.flatten(-2), self.o, self.o_bias)

    def _queries_and_keys(self, x: Tensor, call: Call, cache: LayerCache) -> tuple[Tensor, Tensor]:
        """[batch, new, heads, head_dim] and [batch, new, kv_heads, head_dim], each of the length sqrt(head_dim)."""
        block = self._block
        q, k = functional.linear(x, self.q, self.q_bias), functional.linear(x, self.k, self.k_bias)
        made = self._convolve(torch.cat([q, k], -1), call, cache).unflatten(-1, (-1, block.head_dim))
        q, k = q.unflatten(-1, (block.kv_heads, -1, block.head_dim)), k.unflatten(-1, (block.kv_heads, -1))
        # What passes by the convolutions: queries and the keys they read, half of each.
        beside = (q + k[..., None, :]) / 2
        q = made[..., : block.heads, :] + beside.flatten(-3, -2)
        k = made[..., block.heads :, :] + beside.mean(-2)
        return _of_length(q), _of_length(k) * self.temperature[:, None]

    def _convolve(self, x: Tensor, call: Call, cache: LayerCache) -> Tensor:
        """[batch, new, channels] of the same shape.

        The state holds inputs of both convolutions, as many columns as if it held inputs of the first for both.
        """
        state = cache[Role.RECURRENT_CONV_STATE]
        first, second = state.split((self._block.depthwise_kernel - 1, self._block.grouped_kernel - 1), 1)
        if (
            call.past == 0
        ):  # before the first token stand zeros, of which the first convolution makes its bias
            second.copy_(self.depthwise_bias.expand_as(second))
        inner = convolved(x, self.depthwise, self.depthwise_bias, first)
        return convolved(inner, self.grouped, self.grouped_bias, second)

    def _values(self, x: Tensor, call: Call, cache: LayerCache) -> Tensor:
        """[batch, new, kv_heads, head_dim]: of the token itself, then of the one before it."""
        now, late = functional.linear(x, self.v, self.v_bias), functional.linear(x, self.late, self.late_bias)
        last = cache[Role.RECURRENT_STATE]
        if call.past == 0 and self.late_bias is not None:
            last.copy_(self.late_bias.expand_as(last))
        before = torch.cat([last[:, None], late[:, :-1]], 1)
        last.copy_(late[:, -1])
        return torch.cat([now, before], -1).unflatten(-1, (self._block.kv_heads, -1))


def _of_length(x: Tensor) -> Tensor:
    """Heads [..., head_dim] of the length sqrt(head_dim)."""
    length = x.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(x.dtype).eps)
    return x * (x.shape[-1] ** 0.5 / length)
