"""Relative position bias that is read off the query: a logit for each head and distance (Inkling).

Source of the formula: the reference implementation in transformers 5.23, models/inkling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from moecalc.ir.roles import Role
from moecalc.profile.builder.elementwise import cut
from moecalc.profile.builder.refusal import check_fields
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.ir.blocks.relative import RelativeBias
    from moecalc.profile.builder.numerics import Numerics


class DistanceLogits(Module):
    """Of each query a logit for every distance below `extent`, of which each key that it sees takes one."""

    def __init__(self, block: RelativeBias, heads: int, store: Store, numerics: Numerics) -> None:
        super().__init__()
        check_fields(block, ("dim", "extent", "scales"))
        self._heads, self._extent, self._longest = heads, block.extent, numerics.longest_relative
        self.into = store.take(Role.ATTENTION_RELATIVE)
        self.scales = store.take_if(block.scales, Role.ATTENTION_RELATIVE)
        self.table = store.take(Role.ATTENTION_RELATIVE)

    def forward(self, x: Tensor, queries: Tensor, keys: Tensor, growth: Tensor | None = None) -> Tensor:
        """[batch, heads, new, keys] to add to scores, of positions `queries` [new] and `keys` [keys]; 0 beyond.

        What each distance is weighed by is scaled and cut to a length, where there are `scales`, and times `growth`
        [new] of its query's position.
        """
        widths = functional.linear(x, self.into).unflatten(-1, (self._heads, -1))
        if self.scales is not None:
            widths = cut(widths * self.scales, self._longest)
        if growth is not None:
            widths = widths * growth[:, None, None]
        logits = (widths @ self.table).transpose(1, 2)
        apart = queries[:, None] - keys[None]
        taken = apart.clamp(0, self._extent - 1).expand(*logits.shape[:2], -1, -1)
        return logits.gather(-1, taken).masked_fill((apart < 0) | (apart >= self._extent), 0.0)
