"""Dense feed-forwards, plain and gated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from moecalc.ir.blocks.ffn import Dense, Gated
from moecalc.ir.roles import Role
from moecalc.profile.builder.elementwise import Norm, activated, xielu
from moecalc.profile.builder.ranges import named
from moecalc.profile.builder.refusal import check_fields
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.numerics import Numerics


class FeedForward(Module):
    """Gate (where there is one), up, activation, down."""

    def __init__(self, block: Dense | Gated, store: Store, numerics: Numerics) -> None:
        super().__init__()
        check_fields(block, ("intermediate_size", "bias", "norm", "xielu", "scale"))
        self._numerics = numerics
        gated, biased = isinstance(block, Gated), block.bias
        learned = isinstance(block, Dense) and block.xielu
        self.gate = store.take_if(gated, Role.FFN_GATE)
        self.gate_bias = store.take_if(gated and biased, Role.FFN_BIAS)
        self.up, self.up_bias = store.take(Role.FFN_UP), store.take_if(biased, Role.FFN_BIAS)
        self.alphas = store.take_if(learned, Role.FFN_OTHER)
        self.constants = store.take_if(learned, Role.FFN_OTHER)
        self.norm = Norm(block.norm, Role.FFN_NORM, store, numerics) if block.norm else None
        self.down, self.down_bias = store.take(Role.FFN_DOWN), store.take_if(biased, Role.FFN_BIAS)
        self.scale = store.take_if(isinstance(block, Gated) and block.scale, Role.FFN_OTHER)

    def forward(self, x: Tensor, adapter: Module | None = None) -> Tensor:
        """[batch, new, hidden], of the same shape. An `adapter` adds to gate and up what it makes of `x`."""
        with named("ffn"):
            up = functional.linear(x, self.up, self.up_bias)
            gate = None if self.gate is None else functional.linear(x, self.gate, self.gate_bias)
            if adapter is not None:
                beside, beside_up = adapter(x).chunk(2, -1)
                gate, up = None if gate is None else gate + beside, up + beside_up
            if self.alphas is not None and self.constants is not None:
                inner = xielu(up, self.alphas, self.constants)
            else:
                inner = (
                    activated(up, None, self._numerics)
                    if gate is None
                    else activated(gate, up, self._numerics)
                )
            if self.norm is not None:
                inner = self.norm(inner)
            made = functional.linear(inner, self.down, self.down_bias)
            return made if self.scale is None else made * self.scale
