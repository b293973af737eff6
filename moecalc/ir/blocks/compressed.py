"""Compressed attention of DeepSeek-V4: one shared key-value head, a sliding window, and compressed entries.

Each closed block of `rate` tokens is pooled into one entry that serves as key and value. Heavily compressed
attention (HCA) attends to all entries; compressed sparse attention (CSA) keeps the `top_k` that an indexer,
with a smaller compressor of its own, scores best, and pools over overlapping blocks (two series per token).
Source: the reference implementation in transformers 5.23, models/deepseek_v4/modeling_deepseek_v4.py.
"""

from collections.abc import Iterator

from moecalc.ir.blocks.base import Block, Norm, Size, norm_rows, require
from moecalc.ir.blocks.mla import Indexer
from moecalc.ir.dims import Dim, axis
from moecalc.ir.roles import Role
from moecalc.ir.rows import Row, Slots, SlotsKind
from moecalc.ir.site import Site, per_pair
from moecalc.ir.step import Keys, KeysKind

_FLOAT = "fp32"
"""How the one architecture with these blocks stores sinks and position biases (header of DeepSeek-V4-Pro)."""

ENTRIES_SERVED_AS = "fp8-rope64"
"""DeepSeek-V4 (arXiv 2606.19348) section 2.3.4: the 64 rotary dimensions of an entry in BF16, the others in FP8. vLLM
and SGLang have no other cache for it."""
_ENTRY_SERVED = 512
"""The width of an entry that those kernels are written for."""
KEYS_SERVED_AS = "mxfp4-row32"
"""Section 5.2.1: index queries and keys are \"cached, loaded, and multiplied entirely in FP4\". 132 bytes of FP8 a key,
in place of 68, is what vLLM keeps unless `use_fp4_indexer_cache` is set."""
_KEY_SERVED = 32


class CompressedAttention(Block, frozen=True, kw_only=True, tag="compressed"):
    """Multi-query attention over a window, plus compressed entries where `rate` is given."""

    heads: Size
    head_dim: Size
    q_lora_rank: Size
    o_groups: Size
    o_lora_rank: Size
    window: Size
    rate: Size | None = None
    """Tokens per compressed entry; None for a layer with the window only."""
    indexer: Indexer | None = None
    """Present in compressed sparse attention, which also overlaps its blocks."""
    latent_norm: Norm = "rms"

    def __post_init__(self) -> None:
        require(not (self.indexer and self.rate is None), "`indexer` needs a `rate`")

    def lower(self, site: Site) -> Iterator[Row]:
        """Query, shared key-value, compressor and indexer rows, grouped output projection, all states."""
        heads, head_dim = Dim("heads", self.heads), Dim("head_dim", self.head_dim)
        rank = axis(Dim("q_lora_rank", self.q_lora_rank))
        yield from site.linear(Role.ATTENTION_Q_A, rank, site.hidden_axis)
        yield from norm_rows(self.latent_norm, Role.ATTENTION_LATENT_NORM, site, rank)
        yield from site.linear(Role.ATTENTION_Q_B, axis(heads, head_dim), rank)
        yield from site.linear(Role.ATTENTION_KV_A, axis(head_dim), site.hidden_axis)
        yield from norm_rows(self.latent_norm, Role.ATTENTION_LATENT_NORM, site, axis(head_dim))
        yield site.vector(Role.ATTENTION_SINKS, axis(heads), stored_as=_FLOAT)
        yield from self._attend(Keys(KeysKind.WINDOW, self.window), heads, head_dim, site)
        # One tensor is key and value at once; transformers 5.23 stores it twice where the window is all there is.
        yield site.state(
            Role.ATTENTION_KEY_STATE,
            head_dim,
            slots=Slots(SlotsKind.WINDOW, self.window),
            served_as=self._entries_served_as,
            reserved_dims=() if self.rate else (Dim("key_and_value", 2), head_dim),
        )

        if self.rate is not None:
            top_k = self.indexer.top_k if self.indexer else None
            entries = Keys(KeysKind.BLOCKS, self.rate)
            if top_k is not None:
                entries = Keys(KeysKind.TOP_K, self.rate, top_k)
            series = 2 if self.indexer else 1
            yield from self._compress(
                self.rate, series, head_dim, top_k, site, served_as=self._entries_served_as
            )
            yield from self._attend(entries, heads, head_dim, site)
            if self.indexer:
                yield from self._index(self.rate, self.indexer, rank.size, site)

        groups = Dim("o_groups", self.o_groups)
        o_rank = Dim("o_lora_rank", self.o_lora_rank)
        per_group = Dim("heads*head_dim/o_groups", self.heads * self.head_dim // self.o_groups)
        yield site.weight(Role.ATTENTION_O_A, axis(groups, o_rank), axis(per_group))
        yield site.op(Role.ATTENTION_O_A, groups, o_rank, per_group)
        yield from site.linear(Role.ATTENTION_O_B, site.hidden_axis, axis(groups, o_rank))

    @property
    def _entries_served_as(self) -> str | None:
        return ENTRIES_SERVED_AS if self.head_dim == _ENTRY_SERVED else None

    def _attend(self, keys: Keys, heads: Dim, head_dim: Dim, site: Site) -> Iterator[Row]:
        operands = "fp8" if self._entries_served_as else None
        yield site.op(Role.ATTENTION_SCORES, heads, head_dim, extent=per_pair(keys), operands=operands)
        yield site.op(Role.ATTENTION_MIX, heads, head_dim, extent=per_pair(keys), operands=operands)

    def _compress(
        self,
        rate: int,
        series: int,
        width: Dim,
        top_k: int | None,
        site: Site,
        *,
        state: Role = Role.COMPRESSOR_STATE,
        served_as: str | None,
    ) -> Iterator[Row]:
        """Pools blocks of `rate` tokens into entries of `width`; `series` is 2 where blocks overlap."""
        side = axis(Dim("series", series), width)
        yield from site.linear(Role.COMPRESSOR_KV, side, site.hidden_axis)
        yield from site.linear(Role.COMPRESSOR_GATE, side, site.hidden_axis)
        yield site.vector(Role.COMPRESSOR_POSITION, axis(Dim("rate", rate)), side, stored_as=_FLOAT)
        yield from norm_rows(self.latent_norm, Role.COMPRESSOR_NORM, site, axis(width))
        read = Slots(SlotsKind.BLOCKS, rate, top_k) if top_k is not None else None
        yield site.state(
            state,
            width,
            slots=Slots(SlotsKind.BLOCKS, rate),
            read=read,
            served_as=served_as,
        )
        # Values and gates of the tokens whose block is still open, and of the last closed block if it overlaps.
        two = Dim("kv_and_gate", 2)
        yield site.state(
            Role.COMPRESSOR_BUFFER_STATE,
            two,
            Dim("series", series),
            width,
            slots=Slots(SlotsKind.REMAINDER, rate),
        )
        if series == 2:
            yield site.state(Role.COMPRESSOR_BUFFER_STATE, two, width, slots=Slots(SlotsKind.OVERLAP, rate))

    def _index(self, rate: int, indexer: Indexer, rank: int, site: Site) -> Iterator[Row]:
        heads, width = Dim("index_heads", indexer.heads), Dim("index_head_dim", indexer.head_dim)
        quantized = indexer.head_dim % _KEY_SERVED == 0
        yield from self._compress(
            rate,
            2,
            width,
            None,
            site,
            state=Role.INDEXER_KEY_STATE,
            served_as=KEYS_SERVED_AS if quantized else None,
        )
        yield from site.linear(Role.INDEXER_Q, axis(heads, width), axis(Dim("q_lora_rank", rank)))
        yield from site.linear(Role.INDEXER_WEIGHTS, axis(heads), site.hidden_axis)
        # The reference weights and sums the heads elementwise, so only the dot products are matmul FLOPs.
        yield site.op(
            Role.INDEXER_SCORES,
            heads,
            width,
            extent=per_pair(Keys(KeysKind.BLOCKS, rate)),
            operands="mxfp4" if quantized else None,
        )
