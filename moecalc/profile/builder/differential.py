"""Differential attention: heads in two groups of which one is subtracted from the other (arXiv 2410.05258)."""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

import torch

from moecalc.ir.blocks.attention import GQA
from moecalc.ir.roles import Role
from moecalc.profile.builder.refusal import refused
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.elementwise import Norm


class Difference(Module):
    """Head i of the first half minus lambda times head i of the second; each mixes the values of two heads.

    Lambda is learned around a number that grows with the layer's index: 0.8 - 0.6 exp(-0.3 index) (section 2.1 of the
    paper, which counts layers from 1).
    """

    def __init__(self, block: GQA, store: Store, norm: Norm | None) -> None:
        super().__init__()
        if block.kv_heads % 2:
            raise refused(f"`differential` attention with {block.kv_heads} `kv_heads`, an odd number")
        self.norm = norm
        self._around = 0.8 - 0.6 * exp(-0.3 * (store.index or 0))
        self.q_1, self.k_1 = store.take(Role.ATTENTION_OTHER), store.take(Role.ATTENTION_OTHER)
        self.q_2, self.k_2 = store.take(Role.ATTENTION_OTHER), store.take(Role.ATTENTION_OTHER)

    def values(self, v: Tensor) -> Tensor:
        """[batch, keys, kv_heads, 2 v_head_dim] of values [batch, keys, kv_heads, v_head_dim]: those of two heads."""
        return torch.cat(v.chunk(2, 2), -1).repeat(1, 1, 2, 1)

    def forward(self, mixed: Tensor) -> Tensor:
        """[batch, new, heads / 2, 2 v_head_dim] of what all heads mixed [batch, new, heads, 2 v_head_dim]."""
        first, second = mixed.chunk(2, 2)
        learned = [
            (q * k).sum(dtype=torch.float32).exp() for q, k in ((self.q_1, self.k_1), (self.q_2, self.k_2))
        ]
        factor = (learned[0] - learned[1] + self._around).to(mixed.dtype)
        made = first - factor * second
        return made if self.norm is None else (1 - self._around) * self.norm(made)
