"""Multi-head latent attention, plain and with a lightning indexer (DeepSeek-V2 arXiv 2405.04434; V3.2).

Shapes, with hidden d, heads H, nope n, rope r, v_head_dim v, latent c = kv_lora_rank:
kv_a [c + r, d] gives the cached latent and one rotary key; kv_b [H (n + v), c] expands a latent to keys and
values. Two forms execute the same mathematics:
naive     expands every cached key (2 c H (n + v) FLOPs each), then 2 H (n + r) + 2 H v per query-key pair;
absorbed  folds kv_b into the query and the output (2 H n c + 2 H c v per query), then
          2 H (c + r) + 2 H c per pair, on the latent itself.
"""

from collections.abc import Iterator
from typing import Literal

from moecalc.ir.blocks.base import Block, Norm, Size, norm_rows, require
from moecalc.ir.dims import Dim, axis, concat
from moecalc.ir.roles import Role
from moecalc.ir.rows import Row, Slots, SlotsKind
from moecalc.ir.site import KEYS, Site, per_pair
from moecalc.ir.step import ALL_PAIRS, Domain, Extent, Form, Keys, KeysKind

NAIVE = (Form.NAIVE,)
ABSORBED = (Form.ABSORBED,)

KEYS_SERVED_AS = "fp8-row128"
"""Index keys as DeepSeek's own code keeps them, E4M3 with one float32 scale per 128 values, whatever the rest of the
cache is: deepseek-ai/DeepSeek-V3.2-Exp@3b99a53 inference/model.py, class Indexer (`k_cache`, `k_scale_cache`). vLLM
(DeepseekV32IndexerCache) and SGLang (index_k_with_scale_buffer) do the same."""
_QUANTIZED = 128
"""Values that share a scale there: no kernel quantizes keys of another width."""
_SCORED_IN = "fp8"
"""inference/kernel.py of the same, `fp8_index`: both operands of the scores are E4M3."""


class Indexer(Block, frozen=True, kw_only=True):
    """Lightning indexer: scores every key with a few small heads; attention keeps the best `top_k` keys."""

    heads: Size
    head_dim: Size
    top_k: Size
    norm: Norm = "layer"


class MLA(Block, frozen=True, kw_only=True, tag="mla"):
    """Attention whose cache is one latent and one rotary key per token, whatever the number of heads."""

    heads: Size
    kv_lora_rank: Size
    qk_nope_head_dim: Size
    qk_rope_head_dim: Size
    v_head_dim: Size
    q_lora_rank: Size | None = None
    """Rank of the query's low-rank pair; None for one full query projection."""
    bias: bool = False
    """Biases on q_a, kv_a and o (the config's `attention_bias`)."""
    latent_norm: Norm = "rms"
    indexer: Indexer | None = None
    top_k: Size | None = None
    """Attention keeps this many keys, chosen by the indexer of an earlier layer."""
    gate: Literal["elementwise", "headwise"] | None = None
    """Output gate projected from the layer input."""
    query_gate: bool = False
    """An elementwise output gate, fused with q_b; both read the query latent before and behind its norm (A.X K2)."""
    sinks: bool = False
    """One learned logit per head that takes part in the softmax."""
    window: Size | None = None
    """Sliding window: a token sees this many tokens, itself included."""
    rope_key_norm: Norm | None = None
    """A norm on the rotary key (dots.3)."""

    def __post_init__(self) -> None:
        require(not (self.window and (self.indexer or self.top_k)), "`window` excludes sparse attention")
        require(not (self.indexer and self.top_k), "`top_k` belongs to a layer without an `indexer`")
        require(not self.query_gate or self.q_lora_rank, "`query_gate` needs a `q_lora_rank`")

    def lower(self, site: Site) -> Iterator[Row]:
        """Projections, both execution forms, latent state, and the indexer where there is one."""
        heads = Dim("heads", self.heads)
        latent = Dim("kv_lora_rank", self.kv_lora_rank)
        nope, rope = (
            Dim("qk_nope_head_dim", self.qk_nope_head_dim),
            Dim("qk_rope_head_dim", self.qk_rope_head_dim),
        )
        v_head_dim = Dim("v_head_dim", self.v_head_dim)
        qk_head_dim = Dim("qk_head_dim", self.qk_nope_head_dim + self.qk_rope_head_dim)
        latent_and_rope = Dim("kv_lora_rank+qk_rope_head_dim", self.kv_lora_rank + self.qk_rope_head_dim)
        nope_and_v = Dim("qk_nope_head_dim+v_head_dim", self.qk_nope_head_dim + self.v_head_dim)
        bias = Role.ATTENTION_BIAS if self.bias else None

        if self.q_lora_rank is None:
            yield from site.linear(Role.ATTENTION_Q, axis(heads, qk_head_dim), site.hidden_axis)
        else:
            rank = axis(Dim("q_lora_rank", self.q_lora_rank))
            yield from site.linear(Role.ATTENTION_Q_A, rank, site.hidden_axis, bias=bias)
            yield from norm_rows(self.latent_norm, Role.ATTENTION_LATENT_NORM, site, rank)
            if self.query_gate:
                query_and_gate = Dim("qk_head_dim+v_head_dim", qk_head_dim.size + self.v_head_dim)
                both = axis(Dim("before_and_behind_norm", 2), *rank.dims)
                yield from site.linear(Role.ATTENTION_Q_B, axis(heads, query_and_gate), both)
            else:
                yield from site.linear(Role.ATTENTION_Q_B, axis(heads, qk_head_dim), rank)
        yield from site.linear(
            Role.ATTENTION_KV_A, concat(axis(latent), axis(rope)), site.hidden_axis, bias=bias
        )
        yield from norm_rows(self.latent_norm, Role.ATTENTION_LATENT_NORM, site, axis(latent))
        if self.rope_key_norm:
            yield from norm_rows(self.rope_key_norm, Role.ATTENTION_LATENT_NORM, site, axis(rope))
        yield site.weight(Role.ATTENTION_KV_B, axis(heads, nope_and_v), axis(latent))

        if self.sinks:
            yield site.vector(Role.ATTENTION_SINKS, axis(heads))

        top_k = self.indexer.top_k if self.indexer else self.top_k
        keys = Keys(KeysKind.TOP_K, 1, top_k) if top_k else ALL_PAIRS
        expanded, slots = KEYS, Slots()
        if self.window:
            keys = Keys(KeysKind.WINDOW, self.window)
            expanded, slots = Extent(Domain.KEYS, keys), Slots(SlotsKind.WINDOW, self.window)
        pairs = per_pair(keys)
        yield site.op(Role.ATTENTION_KV_B, heads, nope_and_v, latent, extent=expanded, forms=NAIVE)
        yield site.op(Role.ATTENTION_SCORES, heads, qk_head_dim, extent=pairs, forms=NAIVE)
        yield site.op(Role.ATTENTION_MIX, heads, v_head_dim, extent=pairs, forms=NAIVE)
        yield site.op(Role.ATTENTION_KV_B, heads, nope, latent, forms=ABSORBED)
        yield site.op(Role.ATTENTION_SCORES, heads, latent_and_rope, extent=pairs, forms=ABSORBED)
        yield site.op(Role.ATTENTION_MIX, heads, latent, extent=pairs, forms=ABSORBED)
        yield site.op(Role.ATTENTION_KV_B, heads, v_head_dim, latent, forms=ABSORBED)

        if self.gate:
            gate_axis = axis(heads, v_head_dim) if self.gate == "elementwise" else axis(heads)
            yield from site.linear(Role.ATTENTION_GATE, gate_axis, site.hidden_axis)
        yield from site.linear(Role.ATTENTION_O, site.hidden_axis, axis(heads, v_head_dim), bias=bias)
        read = Slots(SlotsKind.FULL, top_k=top_k) if top_k else None
        yield site.state(Role.ATTENTION_LATENT_STATE, latent, slots=slots, read=read)
        yield site.state(Role.ATTENTION_ROPE_KEY_STATE, rope, slots=slots, read=read)
        if self.indexer:
            yield from self._lower_indexer(self.indexer, site)

    def _lower_indexer(self, indexer: Indexer, site: Site) -> Iterator[Row]:
        heads = Dim("index_heads", indexer.heads)
        head_dim = Dim("index_head_dim", indexer.head_dim)
        query_input = (
            site.hidden_axis if self.q_lora_rank is None else axis(Dim("q_lora_rank", self.q_lora_rank))
        )
        yield from site.linear(Role.INDEXER_Q, axis(heads, head_dim), query_input)
        yield from site.linear(Role.INDEXER_K, axis(head_dim), site.hidden_axis)
        yield from norm_rows(indexer.norm, Role.INDEXER_NORM, site, axis(head_dim))
        yield from site.linear(Role.INDEXER_WEIGHTS, axis(heads), site.hidden_axis)
        quantized = indexer.head_dim % _QUANTIZED == 0
        operands = _SCORED_IN if quantized else None
        yield site.op(Role.INDEXER_SCORES, heads, head_dim, extent=per_pair(ALL_PAIRS), operands=operands)
        # The weighted sum over the indexer's heads, a matmul in the reference.
        yield site.op(Role.INDEXER_SCORES, heads, extent=per_pair(ALL_PAIRS), operands=operands)
        served_as = KEYS_SERVED_AS if quantized else None
        yield site.state(Role.INDEXER_KEY_STATE, head_dim, slots=Slots(), served_as=served_as)
