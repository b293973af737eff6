"""A router that is an MLP, and hands what it reads on to the next layer's (ZAYA, arXiv 2511.17127).

Source of the wiring: the reference implementation in transformers 5.23, models/zaya.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from moecalc.ir.blocks.moe import Router
from moecalc.ir.roles import Role
from moecalc.profile.builder.elementwise import Norm
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.step import Handed


class RouterMLP(Module):
    """Down, the state of the router before it, norm, and two layers; the scores are projected from the last."""

    def __init__(self, block: Router, store: Store, numerics: Numerics) -> None:
        super().__init__()
        other, bias = Role.ROUTER_OTHER, Role.ROUTER_BIAS
        self.down, self.down_bias = store.take(other), store.take(bias)
        self.first, self.first_bias = store.take(other), store.take(bias)
        self.second, self.second_bias = store.take(other), store.take(bias)
        self.norm = Norm("rms", other, store, numerics)
        self.carried = store.take_if(block.carry, other)
        for scale in (self.norm.scale, self.carried):
            if scale is not None and not scale.is_meta:
                scale.fill_(1)

    def forward(self, x: Tensor, handed: Handed) -> Tensor:
        """[tokens, width] of the tokens [tokens, hidden]; where no router came before it, it adds nothing."""
        state = functional.linear(x, self.down, self.down_bias)
        if self.carried is not None and handed.routed is not None:
            state = state + handed.routed * self.carried
        handed.routed = state
        inner = functional.gelu(functional.linear(self.norm(state), self.first, self.first_bias))
        return functional.gelu(functional.linear(inner, self.second, self.second_bias))
