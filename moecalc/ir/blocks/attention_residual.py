"""Attention residuals (Kimi 2026; Inkling 2): a sublayer reads a learned mix of the stream and earlier blocks of it.

Every `block_size` layers the stream is kept as one block state and begins anew. Each sublayer's input attends, per
token, over the kept states and the running one with a learned query [d]: 2 d FLOPs for each score and each mix.
Source: the reference implementation in transformers 5.23, models/inkling2/modeling_inkling2.py.
"""

from collections.abc import Iterator

import msgspec

from moecalc.ir.blocks.base import Block, Size
from moecalc.ir.dims import Dim, axis
from moecalc.ir.roles import Role
from moecalc.ir.rows import Row
from moecalc.ir.site import Site
from moecalc.ir.step import Form

# transformers runs this by a fused attention that torch's counter does not see.
NEEDED = (Form.CHUNK, Form.STEP)


class AttentionResidual(Block, frozen=True, kw_only=True):
    """Learned queries over block states, one set per sublayer and one behind the last layer."""

    block_size: Size

    def lower_layer(self, queries: int, site: Site) -> Iterator[Row]:
        """Before the mixer `queries` mixes (none in layer 0, which has one state only), before the feed-forward one."""
        block, behind_first = self.block_size, tuple(index for index in site.indices if index > 0)
        if behind_first:
            states = sum(-(-index // block) + 1 for index in behind_first)
            yield from self._attend(queries, states, behind_first, site)
        yield from self._attend(1, sum(index // block + 2 for index in site.indices), site.indices, site)

    def lower_final(self, layers: int, site: Site) -> Iterator[Row]:
        """The mix that the final norm reads."""
        yield from self._attend(1, -(-layers // self.block_size) + 1, (), site)

    def _attend(self, queries: int, states: int, indices: tuple[int, ...], site: Site) -> Iterator[Row]:
        here = msgspec.structs.replace(site, layers=len(indices) or 1, indices=indices)
        asked = Dim("queries", queries)
        yield here.vector(Role.RESIDUAL_MIX, axis(asked), site.hidden_axis)
        # The number of states differs by layer: one operation for all of them together.
        together = msgspec.structs.replace(site, layers=1)
        yield together.op(
            Role.RESIDUAL_MIX, asked, Dim("states", states), site.hidden, forms=NEEDED, coefficient=4
        )
