"""Compressed entries of DeepSeek-V4: each closed block of tokens pooled into one, channel by channel.

Source of the formulas: DeepSeek-V4, arXiv 2606.19348, section 2.3, and the reference implementation in transformers
5.23, models/deepseek_v4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from msgspec.structs import replace
from torch.nn import functional

from moecalc.ir.roles import Role
from moecalc.profile.builder.elementwise import Norm, rotated
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.ir.blocks.base import Norm as NormKind
    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.step import Call


class Compressor(Module):
    """Softmax pooling over blocks of `rate` tokens; with two series over each block and the one before it."""

    def __init__(self, rate: int, series: int, norm: NormKind, store: Store, numerics: Numerics) -> None:
        super().__init__()
        self._rate, self._series, self._numerics = rate, series, numerics
        self.values, self.gates = store.take(Role.COMPRESSOR_KV), store.take(Role.COMPRESSOR_GATE)
        self.positions = store.take(Role.COMPRESSOR_POSITION)
        self.norm = Norm(norm, Role.COMPRESSOR_NORM, store, numerics)

    def forward(self, x: Tensor, call: Call, entries: Tensor, buffers: list[Tensor], at: int) -> Tensor:
        """The entries [batch, closed blocks, width] of all tokens so far.

        `entries` [batch, blocks, width] is written; of the `buffers` the one `at` holds the tokens of the open block
        [batch, tokens, 2, series, width], and the next the last closed block's first series. Both are replaced.
        """
        rate = self._rate
        new = torch.stack([functional.linear(x, self.values), functional.linear(x, self.gates)], 2)
        new = new.unflatten(-1, (self._series, -1))
        whole = torch.cat([buffers[at][:, : call.past % rate], new], 1)
        first, closed = call.past // rate, whole.shape[1] // rate
        buffers[at] = whole[:, closed * rate :].clone()
        if closed:
            blocks = whole[:, : closed * rate].unflatten(1, (closed, rate))
            values, gates = blocks.unbind(3)
            gates = gates + self.positions.unflatten(-1, (self._series, -1))
            if self._series == 2:
                values, gates = self._overlapping(values, gates, first, buffers, at + 1)
            pooled = (
                values * gates.flatten(3).softmax(2, dtype=torch.float32).to(values.dtype).view_as(values)
            ).sum(2)
            made = self.norm(pooled.flatten(2))
            if call.rotations is not None:
                width = min(self._numerics.compressed_rope, made.shape[-1])
                turn = call.rotations.spaced(first * rate, closed, rate, width)
                made = turned(made[:, :, None], turn, self._numerics)[:, :, 0]
            entries[:, first : first + closed] = made
        return entries[:, : first + closed]

    def _overlapping(
        self, values: Tensor, gates: Tensor, first: int, buffers: list[Tensor], at: int
    ) -> tuple[Tensor, Tensor]:
        """[batch, blocks, 2 rate, width]: the block before by its first series, the block itself by its second."""
        if first:
            before, before_gates = (part[:, None] for part in buffers[at].to(gates.dtype).unbind(2))
        else:
            before = torch.zeros_like(gates[:, :1, :, 0])
            before_gates = torch.full_like(before, float("-inf"))
        buffers[at] = torch.stack([values[:, -1, :, 0], gates[:, -1, :, 0].to(values.dtype)], 2)
        before = torch.cat([before.to(values.dtype), values[:, :-1, :, 0]], 1)
        before_gates = torch.cat([before_gates, gates[:, :-1, :, 0]], 1)
        return torch.cat([before, values[:, :, :, 1]], 2), torch.cat([before_gates, gates[:, :, :, 1]], 2)


def turned(x: Tensor, turn: tuple[Tensor, Tensor], numerics: Numerics, *, back: bool = False) -> Tensor:
    """The last channels of [batch, new, heads, width] turned by their positions, neighbours together; or `back`."""
    cos, sin = turn
    still, turning = x[..., : -2 * cos.shape[-1]], x[..., -2 * cos.shape[-1] :]
    made = rotated(turning, (cos, -sin if back else sin), replace(numerics, rope_interleaved=True))
    return torch.cat([still, made], -1)
