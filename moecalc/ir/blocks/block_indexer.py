"""Block indexer of MiniMax-M3 and Qwen4-Exp: chooses whole blocks of keys for block-sparse attention.

Shapes, with index heads I, index head_dim h: q [I h, d], k [h, d] with one norm each. MiniMax scores every key; a
block's score is its best key's, and the block of the query itself always counts among the chosen. Qwen (`pooled`)
scores one mean key per closed block; the open block always takes part, beside the chosen.
Source: the reference implementations in transformers 5.23, modeling_minimax_m3_vl.py and modeling_qwen4_exp.py.
"""

from collections.abc import Iterator

from moecalc.ir.blocks.base import Block, Norm, Size, norm_rows
from moecalc.ir.dims import Dim, axis
from moecalc.ir.roles import Role
from moecalc.ir.rows import Row, Slots, SlotsKind
from moecalc.ir.site import Site, per_pair
from moecalc.ir.step import ALL_PAIRS, Keys, KeysKind


class BlockIndexer(Block, frozen=True, kw_only=True):
    """Scores all keys with small heads; each query attends to the `top_k` best blocks of `block_size` keys."""

    heads: Size
    head_dim: Size
    block_size: Size
    top_k: Size
    norm: Norm | None = "rms"
    pooled: bool = False
    """Blocks have one key each, and the open block comes on top of the `top_k`."""

    @property
    def keys(self) -> Keys:
        """The tokens one query attends to."""
        kind = KeysKind.TOP_K_BLOCKS_TAIL if self.pooled else KeysKind.TOP_K_BLOCKS
        return Keys(kind, self.block_size, self.top_k)

    @property
    def read(self) -> Slots:
        """The keys and values one query reads."""
        return Slots(top_k=self.top_k * self.block_size + (self.block_size - 1 if self.pooled else 0))

    def lower(self, site: Site) -> Iterator[Row]:
        """Projections, norms, scores over all keys, index-key state."""
        heads, head_dim = Dim("index_heads", self.heads), Dim("index_head_dim", self.head_dim)
        yield from site.linear(Role.INDEXER_Q, axis(heads, head_dim), site.hidden_axis)
        yield from site.linear(Role.INDEXER_K, axis(head_dim), site.hidden_axis)
        if self.norm:
            yield from norm_rows(self.norm, Role.INDEXER_NORM, site, axis(head_dim), axis(head_dim))
        scored = Keys(KeysKind.BLOCKS_SEEN, self.block_size) if self.pooled else ALL_PAIRS
        yield site.op(Role.INDEXER_SCORES, heads, head_dim, extent=per_pair(scored))
        # The mean of a closed block never changes, so that an engine can keep it and read one key per block.
        read = Slots(SlotsKind.BLOCKS, self.block_size) if self.pooled else None
        yield site.state(Role.INDEXER_KEY_STATE, head_dim, slots=Slots(), read=read)
