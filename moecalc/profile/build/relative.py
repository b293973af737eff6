"""Relative position bias that is read off the query: a logit for each head and distance (Inkling).

Source of the formula: the reference implementation in transformers 5.23, models/inkling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from moecalc.ir.roles import Role
from moecalc.profile.build.refusal import check_fields
from moecalc.profile.build.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.ir.blocks.relative import RelativeBias


class DistanceLogits(Module):
    """Of each query a logit for every distance below `extent`, of which each key that it sees takes one."""

    def __init__(self, block: RelativeBias, heads: int, store: Store) -> None:
        super().__init__()
        check_fields(block, ("dim", "extent"))
        self._heads, self._extent = heads, block.extent
        self.into, self.table = store.take(Role.ATTENTION_RELATIVE), store.take(Role.ATTENTION_RELATIVE)

    def forward(self, x: Tensor, queries: Tensor, keys: Tensor) -> Tensor:
        """[batch, heads, new, keys] to add to scores, of positions `queries` [new] and `keys` [keys]; 0 beyond."""
        widths = functional.linear(x, self.into).unflatten(-1, (self._heads, -1))
        logits = (widths @ self.table).transpose(1, 2)
        apart = queries[:, None] - keys[None]
        taken = apart.clamp(0, self._extent - 1).expand(*logits.shape[:2], -1, -1)
        return logits.gather(-1, taken).masked_fill((apart < 0) | (apart >= self._extent), 0.0)
