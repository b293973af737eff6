"""Transformer blocks that several layers share (Zamba, arXiv 2405.16712; Zamba 2, arXiv 2411.15242).

Shapes, with hidden d: the block reads the layer input beside the token embedding [2 d], attends, runs its
feed-forward without residual branches, and a projection [d, d] of each layer's own carries the result into that
layer's mixer. Adapters are low-rank pairs of each layer's own: [r, 2 d] and [heads head_dim, r] on query, key and
value, [r, d] and [2 i, r] on the feed-forward's gate and up.
"""

from collections import Counter
from collections.abc import Iterator

import msgspec

from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.base import Block, Norm, Size, norm_rows, require
from moecalc.ir.blocks.ffn import Gated
from moecalc.ir.dims import Axis, Dim, axis, concat
from moecalc.ir.roles import Role
from moecalc.ir.rows import Row
from moecalc.ir.site import Site


class SharedBlocks(Block, frozen=True, kw_only=True):
    """`copies` stored blocks that the layers use in turn: the first layer the first, the second the second..."""

    attention: GQA
    ffn: Gated
    copies: Size = 1
    norm: Norm = "rms"
    attention_adapter_rank: Size | None = None
    ffn_adapter_rank: Size | None = None

    def __post_init__(self) -> None:
        require(self.attention.input_size, "the attention of shared blocks needs an `input_size`")

    def lower(self, site: Site) -> Iterator[Row]:
        """The stored blocks with their applications, then each layer's projection and adapters."""
        uses = Counter(layer % self.copies for layer in range(site.layers))
        for applications, copies in Counter(uses.values()).items():
            indices = tuple(
                index for layer, index in enumerate(site.indices) if uses[layer % self.copies] == applications
            )
            yield from self.lower_copies(
                msgspec.structs.replace(
                    site, layers=copies, applications=applications * site.applications, indices=indices
                )
            )
        yield from self.lower_own(site)

    def lower_own(self, site: Site) -> Iterator[Row]:
        """What each layer has of its own: its projection and adapters."""
        yield from site.linear(Role.RECURRENT_PROJECTION, site.hidden_axis, site.hidden_axis)
        if self.attention_adapter_rank is not None:
            head_dim = Dim("head_dim", self.attention.head_dim)
            for heads in (self.attention.heads, self.attention.kv_heads, self.attention.kv_heads):
                out = axis(Dim("heads", heads), head_dim)
                yield from _adapter(self.attention_adapter_rank, out, self._input(), site)
        if self.ffn_adapter_rank is not None:
            inner = axis(Dim("intermediate_size", self.ffn.intermediate_size))
            yield from _adapter(self.ffn_adapter_rank, concat(inner, inner), site.hidden_axis, site)

    def _input(self) -> Axis:
        return axis(Dim("input_size", self.attention.input_size))

    def lower_copies(self, site: Site) -> Iterator[Row]:
        """The stored blocks alone."""
        yield from norm_rows(self.norm, Role.NORM, site, self._input(), site.hidden_axis)
        yield from self.attention.lower(site)
        yield from self.ffn.lower(site)


def _adapter(rank: int, out: Axis, into: Axis, site: Site) -> Iterator[Row]:
    low = axis(Dim("adapter_rank", rank))
    yield from site.linear(Role.ADAPTER, low, into)
    yield from site.linear(Role.ADAPTER, out, low)
