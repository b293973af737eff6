"""Mamba (selective state spaces, Gu & Dao 2023, arXiv 2312.00752).

Shapes, with inner width i, state_size n, dt_rank r: in [2 i, d] (input and gate), a causal convolution over i
channels, x [r + 2 n, i] (step size, B, C), dt [i, r] with bias, A [i, n], D [i], out [d, i]. With several heads each
has an x and a dt projection of its own part of i (Zamba). Every token updates a state [i, n] elementwise
(two multiply-accumulates) and reads it out with C (one), however many tokens a step brings.
"""

from collections.abc import Iterator

from moecalc.ir.blocks.base import Block, Size, norm_rows, require
from moecalc.ir.blocks.delta import short_convolution
from moecalc.ir.dims import Dim, axis, concat
from moecalc.ir.roles import Role
from moecalc.ir.rows import OpKind, Row, Slots, SlotsKind
from moecalc.ir.site import Site


class Mamba(Block, frozen=True, kw_only=True, tag="mamba"):
    """A recurrence with a decay per channel and state element."""

    intermediate_size: Size
    state_size: Size
    dt_rank: Size
    heads: Size = 1
    conv_kernel: Size = 4
    bias: bool = False
    conv_bias: bool = True
    parameter_norms: bool = False
    """RMSNorms on the step size, B and C (Jamba)."""
    state_dtype: str = "fp32"

    def __post_init__(self) -> None:
        require(
            self.intermediate_size % self.heads == 0,
            f"`heads` {self.heads} does not divide `intermediate_size` {self.intermediate_size}",
        )

    def lower(self, site: Site) -> Iterator[Row]:
        """Projections, convolution, selection of step size, B and C, the scan, states."""
        # One head is no head: then nothing ties the channels together, and ranks may split them.
        names = ("ssm_head", "ssm_channels") if self.heads == 1 else ("ssm_heads", "ssm_head_dim")
        heads, width = Dim(names[0], self.heads), Dim(names[1], self.intermediate_size // self.heads)
        rank, state_size = Dim("dt_rank", self.dt_rank), Dim("state_size", self.state_size)
        inner = axis(heads, width)
        bias = Role.RECURRENT_BIAS if self.bias else None
        yield from site.linear(Role.RECURRENT_IN, concat(inner, inner), site.hidden_axis, bias=bias)
        yield from short_convolution(
            Dim("conv_channels", inner.size), self.conv_kernel, site, bias=self.conv_bias
        )
        selection = concat(axis(rank), axis(state_size), axis(state_size))
        yield site.weight(Role.RECURRENT_PROJECTION, axis(heads), selection, axis(width))
        yield site.op(Role.RECURRENT_PROJECTION, heads, Dim("out", selection.size), width)
        if self.parameter_norms:
            norms = axis(rank), axis(state_size), axis(state_size)
            yield from norm_rows("rms", Role.RECURRENT_NORM, site, *norms)
        yield from site.linear(Role.RECURRENT_PROJECTION, inner, axis(rank), bias=Role.RECURRENT_BIAS)
        yield site.vector(Role.RECURRENT_PARAMETER, inner, axis(state_size))
        yield site.vector(Role.RECURRENT_PARAMETER, inner)
        yield site.op(Role.RECURRENT_SCAN, heads, width, state_size, kind=OpKind.SCAN, coefficient=4)
        yield site.op(Role.RECURRENT_SCAN, heads, width, state_size)
        yield from site.linear(Role.RECURRENT_OUT, site.hidden_axis, inner, bias=bias)
        yield site.state(
            Role.RECURRENT_STATE,
            heads,
            width,
            state_size,
            slots=Slots(SlotsKind.CONSTANT),
            stored_as=self.state_dtype,
        )
