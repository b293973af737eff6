"""The matrix memory of xLSTM, by whole chunks and by steps (arXiv 2405.04517; xLSTM 7B, arXiv 2503.13427).

Tokens behind the last whole chunk of a prompt run step by step, as the release has it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.ir.blocks.mlstm import MLSTM
from moecalc.ir.roles import Role
from moecalc.profile.builder.ranges import named
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.cache import LayerCache
    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.step import Call

GATE_CAP = 15.0
"""What gates are bent to stay within (`gate_soft_cap` of the xLSTM 7B release)."""
EPSILON = 1e-6
"""Added to normalisers (`eps` of the same)."""


class MatrixMemory(Module):
    """States: matrix [batch, heads, key, value], normaliser [batch, heads, key], their exponent [batch, heads]."""

    def __init__(self, block: MLSTM, store: Store, numerics: Numerics) -> None:
        super().__init__()
        self._block, self._epsilon = block, numerics.norm_epsilon
        self.into, self.gate = store.take(Role.RECURRENT_IN), store.take(Role.RECURRENT_GATE)
        self.gates, self.gates_bias = store.take(Role.RECURRENT_PROJECTION), store.take(Role.RECURRENT_BIAS)
        self.norm, self.out = store.take(Role.RECURRENT_NORM), store.take(Role.RECURRENT_OUT)

    def forward(self, x: Tensor, call: Call, cache: LayerCache) -> Tensor:
        """[batch, new, hidden] from the normed residual stream, of the same shape."""
        with named("recurrent"):
            block = self._block
            keys, values = block.heads * block.key_head_dim, block.heads * block.value_head_dim
            made = functional.linear(x, self.into).split((keys, keys, values), -1)
            q, k, v = (part.unflatten(-1, (block.heads, -1)).transpose(1, 2).float() for part in made)
            gates = functional.linear(x, self.gates, self.gates_bias).float()
            gates = GATE_CAP * torch.tanh(gates / GATE_CAP)
            entry, forget = gates.transpose(1, 2).chunk(2, 1)
            forget = functional.logsigmoid(forget)
            q = q * block.key_head_dim**-0.5
            size, whole = block.chunk_size, call.new // block.chunk_size * block.chunk_size
            bounds = [*range(0, whole, size), *range(whole, call.new), call.new]
            states, parts = cache.every(Role.RECURRENT_STATE), []
            for start, end in pairwise(bounds):
                here = slice(start, end)
                run = self._step if end - start == 1 else self._chunk
                parts.append(
                    run(
                        q[:, :, here],
                        k[:, :, here],
                        v[:, :, here],
                        entry[..., here],
                        forget[..., here],
                        states,
                    )
                )
            mixed = torch.cat(parts, 2).transpose(1, 2)
            mixed = functional.layer_norm(mixed, mixed.shape[-1:], eps=self._epsilon)
            mixed = mixed.flatten(-2).to(x.dtype) * self.norm
            return functional.linear(torch.sigmoid(functional.linear(x, self.gate)) * mixed, self.out)

    def _step(
        self, q: Tensor, k: Tensor, v: Tensor, entry: Tensor, forget: Tensor, states: list[Tensor]
    ) -> Tensor:
        """One token: the memory decays, takes up key and value, and is read."""
        memory, normaliser, exponent = states
        top = torch.maximum(forget[..., 0] + exponent, entry[..., 0])
        old, own = (forget[..., 0] + exponent - top).exp(), (entry[..., 0] - top).exp()
        memory.copy_(old[..., None, None] * memory + own[..., None, None] * (k.transpose(-1, -2) @ v))
        normaliser.copy_(old[..., None] * normaliser + own[..., None] * k[:, :, 0])
        exponent.copy_(top)
        return normalised(q @ memory.float(), q @ normaliser.float()[..., None], top[..., None])

    def _chunk(
        self, q: Tensor, k: Tensor, v: Tensor, entry: Tensor, forget: Tensor, states: list[Tensor]
    ) -> Tensor:
        """What tokens read of each other within the chunk, and of what entered it; then the memory behind it."""
        memory, normaliser, exponent = states
        since = forget.cumsum(-1)
        later = torch.ones(q.shape[2], q.shape[2], dtype=torch.bool, device=q.device).triu(1)
        between = (since[..., None] - since[..., None, :] + entry[..., None, :]).masked_fill(
            later, float("-inf")
        )
        entered = since + exponent[..., None]
        top = torch.maximum(entered, between.amax(-1))
        scores = (q @ k.transpose(-1, -2)) * (between - top[..., None]).exp()
        reading = q * (entered - top).exp()[..., None]
        above = reading @ memory.float() + scores @ v
        below = reading @ normaliser.float()[..., None] + scores.sum(-1, keepdim=True)
        made = normalised(above, below, top)
        last = since[..., -1:]
        kept = last - since + entry
        behind = torch.maximum(last[..., 0] + exponent, kept.amax(-1))
        old, own = (last[..., 0] + exponent - behind).exp(), (kept - behind[..., None]).exp()
        weighted = k * own[..., None]
        memory.copy_(old[..., None, None] * memory + weighted.transpose(-1, -2) @ v)
        normaliser.copy_(old[..., None] * normaliser + weighted.sum(2))
        exponent.copy_(behind)
        return made


def normalised(above: Tensor, below: Tensor, exponent: Tensor) -> Tensor:
    """[batch, heads, tokens, value] by [..., 1], which is at least exp(-exponent)."""
    return above / (torch.maximum(below.abs(), (-exponent).exp()[..., None]) + EPSILON)
