"""Lightning attention: linear attention whose decay is a constant of the head (arXiv 2401.04658)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.ir.blocks.lightning import LightningAttention
from moecalc.ir.roles import Role
from moecalc.profile.builder.cache import LayerCache
from moecalc.profile.builder.elementwise import Norm
from moecalc.profile.builder.ranges import named
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.step import Call


class LinearAttention(Module):
    """State [batch, heads, head_dim, head_dim]. Decays are made here; stored tables of them are only stored."""

    def __init__(self, block: LightningAttention, store: Store, numerics: Numerics) -> None:
        super().__init__()
        self._block = block
        self.into = store.take(Role.RECURRENT_IN)
        tables = [store.take(Role.RECURRENT_PARAMETER) for _ in range(4 * block.decay_buffers)]
        self.tables = torch.nn.ParameterList(tables)
        self.norm = Norm("rms", Role.RECURRENT_NORM, store, numerics)
        self.gate, self.out = store.take(Role.RECURRENT_GATE), store.take(Role.RECURRENT_OUT)

    def forward(self, x: Tensor, call: Call, cache: LayerCache) -> Tensor:
        """[batch, new, hidden] from the normed residual stream, of the same shape."""
        block = self._block
        with named("recurrent"):
            mixed = functional.silu(functional.linear(x, self.into)).float()
            q, k, v = (part.unflatten(-1, (block.heads, -1)).transpose(1, 2) for part in mixed.chunk(3, -1))
            # ALiBi's slopes for a power of two of heads, as the paper takes them: 2^(-8 h / H).
            head = torch.arange(1, block.heads + 1, device=x.device, dtype=torch.float32)
            rate = -(2 ** (-8 * head / block.heads))[:, None, None]
            stored = cache[Role.RECURRENT_STATE]
            if call.decoding:
                state = stored.float() * rate.exp() + k.transpose(-1, -2) @ v
                made = q @ state
            else:
                parts, state = [], stored.float()
                for start in range(0, call.new, block.block_size):
                    here = slice(start, start + block.block_size)
                    part, state = _chunk(q[:, :, here], k[:, :, here], v[:, :, here], rate, state)
                    parts.append(part)
                made = torch.cat(parts, 2)
            stored.copy_(state)
            normed = self.norm(made.transpose(1, 2).flatten(-2).to(x.dtype))
            return functional.linear(normed * torch.sigmoid(functional.linear(x, self.gate)), self.out)


def _chunk(q: Tensor, k: Tensor, v: Tensor, rate: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    size = q.shape[2]
    at = torch.arange(1, size + 1, device=q.device, dtype=torch.float32)[:, None]
    distance = at - at.transpose(0, 1)
    between = (distance * rate).masked_fill(distance < 0, float("-inf")).exp()
    made = ((q @ k.transpose(-1, -2)) * between) @ v + (q * (at * rate).exp()) @ state
    behind = state * (size * rate).exp() + (k * ((size - at) * rate).exp()).transpose(-1, -2) @ v
    return made, behind
