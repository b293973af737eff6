"""Gated DeltaNet and Kimi delta attention around the delta rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.ir.blocks.delta import GatedDeltaNet, KimiDelta
from moecalc.ir.roles import Role
from moecalc.profile.builder.cache import LayerCache
from moecalc.profile.builder.convolution import convolved
from moecalc.profile.builder.delta_rule import Inputs, run_rule
from moecalc.profile.builder.elementwise import Norm
from moecalc.profile.builder.ranges import named
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.step import Call


class DeltaNet(Module):
    """One decay per head; key heads are shared by several value heads."""

    def __init__(self, block: GatedDeltaNet, store: Store, numerics: Numerics) -> None:
        super().__init__()
        self._block = block
        self.into, self.gate = store.take(Role.RECURRENT_IN), store.take(Role.RECURRENT_GATE)
        self.rates = store.take(Role.RECURRENT_PROJECTION)
        self.conv = store.take(Role.RECURRENT_CONV)
        self.a_log, self.dt_bias = store.take(Role.RECURRENT_PARAMETER), store.take(Role.RECURRENT_PARAMETER)
        self.norm = Norm("rms", Role.RECURRENT_NORM, store, numerics)
        self.out = store.take(Role.RECURRENT_OUT)

    def forward(self, x: Tensor, call: Call, cache: LayerCache) -> Tensor:
        """[batch, new, hidden] from the normed residual stream, of the same shape."""
        block = self._block
        with named("recurrent"):
            mixed = functional.linear(x, self.into)
            mixed = functional.silu(convolved(mixed, self.conv, None, cache[Role.RECURRENT_CONV_STATE]))
            keys, values = block.key_heads * block.key_head_dim, block.value_heads * block.value_head_dim
            q, k, v = mixed.split((keys, keys, values), -1)
            shared = block.value_heads // block.key_heads
            q, k = (_heads(part, block.key_heads).repeat_interleave(shared, 1) for part in (q, k))
            rate, step_size = functional.linear(x, self.rates).float().chunk(2, -1)
            decay = -self.a_log.float().exp() * functional.softplus(step_size + self.dt_bias)
            inputs = Inputs(
                _unit(q) * block.key_head_dim**-0.5,
                _unit(k),
                _heads(v, block.value_heads),
                decay.transpose(1, 2)[..., None],
                torch.sigmoid(rate).transpose(1, 2)[..., None],
            )
            made = run_rule(inputs, cache[Role.RECURRENT_STATE], block.chunk_size, step=call.decoding)
            normed = self.norm(made.transpose(1, 2).to(x.dtype))
            gate = functional.linear(x, self.gate).view_as(normed)
            return functional.linear((normed * functional.silu(gate)).flatten(-2), self.out)


class KimiDeltaAttention(Module):
    """One decay per head and channel, from a low-rank pair or a full projection, as is the output gate."""

    def __init__(self, block: KimiDelta, store: Store, numerics: Numerics) -> None:
        super().__init__()
        self._block = block
        self.into, self.conv = store.take(Role.RECURRENT_IN), store.take(Role.RECURRENT_CONV)
        low = block.low_rank
        self.decay_a, self.gate_a = (
            store.take_if(low, Role.RECURRENT_PROJECTION),
            store.take_if(low, Role.RECURRENT_GATE),
        )
        self.decay, self.gate = store.take(Role.RECURRENT_PROJECTION), store.take(Role.RECURRENT_GATE)
        self.rate = store.take(Role.RECURRENT_PROJECTION)
        self.a_log, self.dt_bias = store.take(Role.RECURRENT_PARAMETER), store.take(Role.RECURRENT_PARAMETER)
        self.norm = Norm("rms", Role.RECURRENT_NORM, store, numerics)
        self.out = store.take(Role.RECURRENT_OUT)

    def forward(self, x: Tensor, call: Call, cache: LayerCache) -> Tensor:
        """[batch, new, hidden] from the normed residual stream, of the same shape."""
        block = self._block
        with named("recurrent"):
            mixed = functional.linear(x, self.into)
            mixed = functional.silu(convolved(mixed, self.conv, None, cache[Role.RECURRENT_CONV_STATE]))
            q, k, v = (_heads(part, block.heads) for part in mixed.chunk(3, -1))
            step_size = _heads(_pair(x, self.decay_a, self.decay).float() + self.dt_bias, block.heads)
            decay = -self.a_log.float().exp()[:, None, None] * functional.softplus(step_size)
            rate = torch.sigmoid(functional.linear(x, self.rate).float()).transpose(1, 2)[..., None]
            inputs = Inputs(_unit(q) * block.head_dim**-0.5, _unit(k), v, decay, rate)
            made = run_rule(inputs, cache[Role.RECURRENT_STATE], block.chunk_size, step=call.decoding)
            normed = self.norm(made.transpose(1, 2).to(x.dtype))
            gate = torch.sigmoid(_pair(x, self.gate_a, self.gate)).view_as(normed)
            return functional.linear((normed * gate).flatten(-2), self.out)


def _pair(x: Tensor, down: Tensor | None, up: Tensor) -> Tensor:
    return functional.linear(x if down is None else functional.linear(x, down), up)


def _heads(x: Tensor, heads: int) -> Tensor:
    """[batch, heads, tokens, width] in float32."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2).float()


def _unit(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + 1e-6)
