"""The gated short convolution of LFM2 (arXiv 2511.23404)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from moecalc.ir.blocks.short_conv import ShortConv
from moecalc.ir.roles import Role
from moecalc.profile.builder.cache import LayerCache
from moecalc.profile.builder.convolution import convolved
from moecalc.profile.builder.ranges import named
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.step import Call


class GatedConvolution(Module):
    """A convolution between two gates."""

    def __init__(self, block: ShortConv, store: Store, _numerics: Numerics) -> None:
        super().__init__()
        bias = Role.RECURRENT_BIAS
        self.into, self.into_bias = store.take(Role.RECURRENT_IN), store.take_if(block.bias, bias)
        self.conv, self.conv_bias = store.take(Role.RECURRENT_CONV), store.take_if(block.bias, bias)
        self.out, self.out_bias = store.take(Role.RECURRENT_OUT), store.take_if(block.bias, bias)

    def forward(self, x: Tensor, _call: Call, cache: LayerCache) -> Tensor:
        """[batch, new, hidden] from the normed residual stream, of the same shape."""
        with named("recurrent"):
            first, second, values = functional.linear(x, self.into, self.into_bias).chunk(3, -1)
            made = convolved(first * values, self.conv, self.conv_bias, cache[Role.RECURRENT_CONV_STATE])
            return functional.linear(second * made, self.out, self.out_bias)
