"""Mamba 2: one decay per head, by chunks and by steps (Dao & Gu 2024, arXiv 2405.21060, section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.ir.blocks.mamba2 import Mamba2
from moecalc.ir.roles import Role
from moecalc.profile.builder.cache import LayerCache
from moecalc.profile.builder.convolution import convolved
from moecalc.profile.builder.elementwise import Norm
from moecalc.profile.builder.ranges import named
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.step import Call


class StateSpace(Module):
    """State [batch, heads, head_dim, state_size]; B and C are shared by the heads of a group."""

    def __init__(self, block: Mamba2, store: Store, numerics: Numerics) -> None:
        super().__init__()
        self._block = block
        self.into, self.into_bias = (
            store.take(Role.RECURRENT_IN),
            store.take_if(block.bias, Role.RECURRENT_BIAS),
        )
        self.conv = store.take(Role.RECURRENT_CONV)
        self.conv_bias = store.take_if(block.conv_bias, Role.RECURRENT_BIAS)
        self.a_log, self.skip, self.dt_bias = (store.take(Role.RECURRENT_PARAMETER) for _ in range(3))
        # Of each group apart, so that groups can be split over devices (section 8.2).
        self.norm = Norm("rms", Role.RECURRENT_NORM, store, numerics, block.groups) if block.norm else None
        biased = block.bias if block.out_bias is None else block.out_bias
        self.out, self.out_bias = (
            store.take(Role.RECURRENT_OUT),
            store.take_if(biased, Role.RECURRENT_BIAS),
        )

    def forward(self, x: Tensor, call: Call, cache: LayerCache) -> Tensor:
        """[batch, new, hidden] from the normed residual stream, of the same shape."""
        with named("recurrent"):
            block = self._block
            inner, shared = block.heads * block.head_dim, block.groups * block.state_size
            gate, mixed, dt = functional.linear(x, self.into, self.into_bias).split(
                (inner, inner + 2 * shared, block.heads), -1
            )
            conv_state = cache[Role.RECURRENT_CONV_STATE]
            mixed = functional.silu(convolved(mixed, self.conv, self.conv_bias, conv_state)).float()
            values, b, c = mixed.split((inner, shared, shared), -1)
            values = values.unflatten(-1, (block.heads, -1)).transpose(1, 2)
            b, c = (part.unflatten(-1, (block.groups, -1)).transpose(1, 2) for part in (b, c))
            size = functional.softplus(dt.float() + self.dt_bias).transpose(1, 2)[..., None]
            decay = size * -self.a_log.float().exp()[:, None, None]
            run = self._step if call.decoding else self._chunks
            made = run(values * size, b, c, decay, cache[Role.RECURRENT_STATE])
            made = made + values * self.skip.float()[:, None, None]
            made = made.transpose(1, 2).flatten(-2).to(x.dtype) * functional.silu(gate)
            if self.norm is not None:
                made = self.norm(made)
            return functional.linear(made, self.out, self.out_bias)

    def _step(self, x: Tensor, b: Tensor, c: Tensor, decay: Tensor, state: Tensor) -> Tensor:
        """One token, elementwise."""
        shared = self._block.heads // self._block.groups
        b, c = (part.repeat_interleave(shared, 1) for part in (b, c))
        state.copy_(state * decay.exp() + x.transpose(-1, -2) * b)
        return (state * c).sum(-1)[:, :, None]

    def _chunks(self, x: Tensor, b: Tensor, c: Tensor, decay: Tensor, state: Tensor) -> Tensor:
        size = self._block.chunk_size
        parts = []
        for start in range(0, x.shape[2], size):
            here = slice(start, start + size)
            parts.append(self._chunk(x[:, :, here], b[:, :, here], c[:, :, here], decay[:, :, here], state))
        return torch.cat(parts, 2)

    def _chunk(self, x: Tensor, b: Tensor, c: Tensor, decay: Tensor, state: Tensor) -> Tensor:
        """Scores once per group, within the chunk; what enters it by the state; the state behind it."""
        shared = self._block.heads // self._block.groups
        since = decay.cumsum(2)
        later = torch.ones(x.shape[2], x.shape[2], dtype=torch.bool, device=x.device).triu(1)
        between = (since - since.transpose(-1, -2)).masked_fill(later, float("-inf")).exp()
        scores = (c @ b.transpose(-1, -2)).repeat_interleave(shared, 1)
        b, c = (part.repeat_interleave(shared, 1) for part in (b, c))
        made = (scores * between) @ x + (c * since.exp()) @ state.transpose(-1, -2)
        last = since[:, :, -1:]
        state.copy_(state * last.exp() + (x * (last - since).exp()).transpose(-1, -2) @ b)
        return made
