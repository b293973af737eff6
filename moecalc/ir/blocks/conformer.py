"""Conformer encoders for sound (Gulati et al. 2020, arXiv 2005.08100) and the convolutions before them.

A layer is a feed-forward, attention with relative positions, a convolution module and another feed-forward.
Shapes, with width d, heads H, feed-forward i, kernel k:
feed-forwards up [i, d] (and gate [i, d]) and down [d, i]; query, key, value and output [d, d]; the module's
input [2 d, d] (a gated linear unit), depthwise taps [d, k], pointwise matrices [d, d].
Sources: the reference implementations in transformers 5.23, models/gemma4 and models/phi4_multimodal.
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from moecalc.ir.blocks.base import Block, Count, Norm, Size, norm_rows, require
from moecalc.ir.blocks.units import ONCE, in_units
from moecalc.ir.dims import Axis, Dim, axis
from moecalc.ir.roles import Role
from moecalc.ir.rows import Op, Row
from moecalc.ir.site import Site, per_pair
from moecalc.ir.step import ALL_PAIRS, Keys, KeysKind


class Subsampling(Block, frozen=True, kw_only=True, tag="subsampling"):
    """Strided convolutions over time and frequency, then one matrix over what is left of a frame."""

    channels: Annotated[list[Size], Meta(min_length=1)]
    """Output channels of each convolution; the first reads one channel."""
    kernel: Size = 3
    separable: bool = False
    """From the second on, a depthwise convolution and a pointwise matrix."""
    input_frequencies: Size
    """Frequency bins of an input frame. Each convolution halves them, and the frames, rounded up."""
    hidden_size: Size
    bias: bool = False
    norm: Norm | None = None
    """Over the channels, behind each convolution."""

    def lower(self, site: Site) -> Iterator[Row]:
        """The convolutions, their norms, the matrix, which reads the bins that are left for every channel.

        A convolution runs for every second frame, and there for every second bin that reaches it.
        """
        kernel = Dim("kernel", self.kernel), Dim("kernel", self.kernel)
        bias = Role.TOWER_PATCHES if self.bias else None
        before, frames, bins = 1, 1, Dim("frequencies", self.input_frequencies)
        for channels in self.channels:
            frames, bins = 2 * frames, Dim("frequencies", -(-int(bins.size) // 2))
            out = axis(Dim("channels", channels))
            if self.separable and before > 1:
                inputs = [axis(*kernel), axis(Dim("in", before))]
            else:
                inputs = [axis(Dim("in", before), *kernel)]
            for into in inputs:
                rows = site.linear(Role.TOWER_PATCHES, out, into, bias=bias)
                for row in in_units(rows, joined=frames):
                    yield msgspec.structs.replace(row, dims=(*row.dims, bins)) if isinstance(row, Op) else row
            if self.norm:
                yield from norm_rows(self.norm, Role.TOWER_PATCHES, site, out)
            before = channels
        wide, left = axis(Dim("hidden_size", self.hidden_size)), axis(Dim("channels", before), bins)
        yield from in_units(site.linear(Role.TOWER_PATCHES, wide, left, bias=bias), joined=frames)


class Conformer(Block, frozen=True, kw_only=True, tag="conformer"):
    """`layers` conformer layers of the same shape."""

    layers: Size
    hidden_size: Size
    heads: Size
    intermediate_size: Size
    gated: bool = False
    conv_kernel: Size
    pointwise_convs: Size = 1
    """Matrices [d, d] behind the depthwise taps."""
    norm: Norm = "rms"
    norms: Size
    """Norms of a layer, all over its width."""
    bias: bool = False
    """On every matrix and on the depthwise taps."""
    glu_bias: bool = False
    """One more bias on either half of the gated linear unit."""
    relative_projection: bool = False
    """Relative positions go through a matrix [d, d] of each layer, and queries are scaled per channel (Gemma)."""
    relative_positions: Count = 0
    """Rows of one table of relative positions, a bias for each head, which all layers share (Phi)."""
    clipped_linears: bool = False
    """Every matrix but those of positions stores the bounds of its input and output: 4 numbers, no parameters."""
    joined: Size
    """Input frames that one of its frames stands for."""
    segment: Size | None = None
    """Longer sound is cut into segments of this many frames, each of which sees itself only (Phi)."""
    block: Size | None = None
    """Queries are taken in blocks of this many frames, and score the frames that any of them may see (Gemma)."""
    window: Size | None = None
    """With `block`: a frame sees this many, itself included."""

    def __post_init__(self) -> None:
        require(bool(self.block) == bool(self.window), "`block` and `window` go together")
        require(not (self.block and self.segment), "`block` and `segment` exclude each other")

    def lower(self, site: Site) -> Iterator[Row]:
        """The rows of all layers."""
        yield from in_units(self._rows(site), joined=self.joined)

    def _rows(self, site: Site) -> Iterator[Row]:
        here = msgspec.structs.replace(site, hidden=Dim("hidden_size", self.hidden_size), layers=self.layers)
        wide, inner = here.hidden_axis, axis(Dim("intermediate_size", self.intermediate_size))
        heads = Dim("heads", self.heads)
        if self.relative_positions:
            table = axis(Dim("relative_positions", self.relative_positions)), axis(heads)
            yield site.vector(Role.TOWER_POSITIONS, *table)
        for _ in range(self.norms):
            yield from norm_rows(self.norm, Role.NORM, here, wide)
        ffn, attention = (Role.FFN_BIAS, Role.ATTENTION_BIAS) if self.bias else (None, None)
        for _ in ("first", "last"):
            if self.gated:
                yield from here.linear(Role.FFN_GATE, inner, wide, bias=ffn)
            yield from here.linear(Role.FFN_UP, inner, wide, bias=ffn)
            yield from here.linear(Role.FFN_DOWN, wide, inner, bias=ffn)
        for role in (Role.ATTENTION_Q, Role.ATTENTION_K, Role.ATTENTION_V, Role.ATTENTION_O):
            yield from here.linear(role, wide, wide, bias=attention)
        keys, head_dim = self._keys(), Dim("head_dim", self.hidden_size // self.heads)
        for role in (Role.ATTENTION_SCORES, Role.ATTENTION_MIX):
            yield here.op(role, heads, head_dim, extent=per_pair(keys))
        if self.relative_projection:
            # Every distance within half of what a block scores is projected once, and met by every query.
            distances = Dim("distances", keys.size // 2 + 1)
            projected = here.linear(Role.ATTENTION_RELATIVE, wide, wide, extent=ONCE)
            yield from (
                msgspec.structs.replace(row, dims=(*row.dims, distances)) if isinstance(row, Op) else row
                for row in projected
            )
            yield here.op(Role.ATTENTION_RELATIVE, heads, head_dim, distances)
            yield here.vector(Role.ATTENTION_OTHER, axis(Dim("head_dim", self.hidden_size // self.heads)))
        yield from self._convolution(here, wide)
        if self.clipped_linears:
            matrices = 2 * (2 + self.gated) + 4 + 1 + self.pointwise_convs
            yield here.buffer(Role.TOWER_OTHER, axis(Dim("matrices", matrices), Dim("bounds", 4)))

    def _keys(self) -> Keys:
        if self.block is not None and self.window is not None:
            # The window of a block's first query, and the rest of the block.
            return Keys(KeysKind.BLOCK_CONTEXT, self.block + self.window, self.window)
        return ALL_PAIRS if self.segment is None else Keys(KeysKind.SCAN_CHUNK, self.segment)

    def _convolution(self, here: Site, wide: Axis) -> Iterator[Row]:
        bias = Role.TOWER_OTHER if self.bias else None
        both = axis(Dim("halves", 2), here.hidden)
        yield from here.linear(Role.TOWER_OTHER, both, wide, bias=bias)
        if self.glu_bias:
            yield here.vector(Role.TOWER_OTHER, both)
        yield from here.linear(Role.TOWER_OTHER, wide, axis(Dim("conv_kernel", self.conv_kernel)), bias=bias)
        for _ in range(self.pointwise_convs):
            yield from here.linear(Role.TOWER_OTHER, wide, wide, bias=bias)


class FeatureNorm(Block, frozen=True, kw_only=True, tag="feature_norm"):
    """A stored mean and inverse deviation for each input frequency, no parameters."""

    frequencies: Size

    def lower(self, site: Site) -> Iterator[Row]:
        """Two buffers."""
        for _ in ("mean", "inverse deviation"):
            yield site.buffer(Role.TOWER_OTHER, axis(Dim("frequencies", self.frequencies)))
