"""Manifold-constrained hyper-connections: the residual stream as several mixed streams (DeepSeek-V4, mHC)."""

from collections.abc import Iterator

from moecalc.ir.blocks.base import Block, Size
from moecalc.ir.dims import Dim, axis
from moecalc.ir.roles import Role
from moecalc.ir.rows import Row
from moecalc.ir.site import Site


class HyperConnections(Block, frozen=True, kw_only=True):
    """`streams` residual streams; every sublayer reads a learned mix of them and writes back to all."""

    streams: Size
    mix: bool = True
    """Streams also mix with each other; without, each keeps itself and a sublayer only reads and writes (Hy 4)."""
    rank: Size | None = None
    """Streams are normed, then gated channel by channel through a low-rank pair of this rank (Qwen4-Exp)."""
    stored_as: str | None = None

    def lower_sublayers(self, sublayers: int, site: Site) -> Iterator[Row]:
        """For each sublayer: the projection that yields the mixing weights, its offsets and scales, the mix."""
        streams = Dim("streams", self.streams)
        if self.rank is not None:
            for _ in range(sublayers):
                yield from self._gate(self.rank, site)
                yield from site.linear(Role.RESIDUAL_MIX, axis(streams), axis(streams, site.hidden))
            return
        # pre and post weights, one each per stream, and, where they mix, a streams x streams matrix
        mixed = self.streams * self.streams if self.mix else 0
        coefficients = axis(Dim("coefficients", 2 * self.streams + mixed))
        for _ in range(sublayers):
            yield from site.linear(
                Role.RESIDUAL_MIX, coefficients, axis(streams, site.hidden), stored_as=self.stored_as
            )
            yield site.vector(Role.RESIDUAL_SCALE, coefficients, stored_as=self.stored_as)
            scales = axis(Dim("pre_post_mix", 3 if self.mix else 2))
            yield site.vector(Role.RESIDUAL_SCALE, scales, stored_as=self.stored_as)
            if self.mix:
                yield site.op(Role.RESIDUAL_MIX, streams, streams, site.hidden)

    def lower_collapse(self, site: Site) -> Iterator[Row]:
        """Behind the last layer: the weights that collapse the streams into one."""
        if self.rank is not None:
            yield from self._gate(self.rank, site)
            return
        streams = axis(Dim("streams", self.streams))
        into = axis(Dim("streams", self.streams), site.hidden)
        yield from site.linear(Role.RESIDUAL_MIX, streams, into, stored_as=self.stored_as)
        yield site.vector(Role.RESIDUAL_SCALE, streams, stored_as=self.stored_as)
        yield site.vector(Role.RESIDUAL_SCALE, axis(Dim("scale", 1)), stored_as=self.stored_as)

    def _gate(self, rank: int, site: Site) -> Iterator[Row]:
        side, inner = axis(Dim("streams", self.streams), site.hidden), axis(Dim("hc_lowrank", rank))
        yield site.vector(Role.RESIDUAL_SCALE, side)
        yield from site.linear(Role.RESIDUAL_MIX, inner, side)
        yield from site.linear(Role.RESIDUAL_MIX, side, inner)
