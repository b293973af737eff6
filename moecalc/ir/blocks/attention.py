"""Grouped-query attention. Multi-head (kv_heads = heads) and multi-query (kv_heads = 1) are cases of it.

Shapes, with hidden d, heads H, kv_heads K, head_dim h, v_head_dim v:
q [H h, d], k [K h, d], v [K v, d], o [d, H v]; scores 2 H h and mix 2 H v FLOPs per query-key pair
(Vaswani et al. 2017; Ainslie et al. 2023, arXiv 2305.13245).
"""

from collections.abc import Iterator
from typing import Literal

from moecalc.ir.blocks.base import Block, Norm, Size, norm_rows, require
from moecalc.ir.blocks.block_indexer import BlockIndexer
from moecalc.ir.blocks.delta import short_convolution
from moecalc.ir.blocks.dynamic_conv import dynamic_convolution
from moecalc.ir.blocks.dynamic_mask import DynamicMask
from moecalc.ir.blocks.relative import RelativeBias
from moecalc.ir.dims import Dim, axis
from moecalc.ir.roles import Role
from moecalc.ir.rows import Row, Slots, SlotsKind
from moecalc.ir.site import Site, per_pair
from moecalc.ir.step import ALL_PAIRS, Form, Keys, KeysKind


class GQA(Block, frozen=True, kw_only=True, tag="gqa"):
    """Softmax attention over keys and values that `heads / kv_heads` query heads share."""

    heads: Size
    kv_heads: Size
    head_dim: Size
    v_head_dim: Size | None = None
    input_size: Size | None = None
    """Width that queries, keys and values are projected from, where it is not the hidden size (Zamba)."""
    window: Size | None = None
    """Sliding window: a token sees this many tokens, itself included."""
    window_masked: bool = False
    """The reference keeps every token and masks those outside the window (GPT-Neo), instead of dropping them."""
    square: Size | None = None
    """In a tower: patches see only those of their own square of this many on a side (Qwen2.5-VL)."""
    chunk: Size | None = None
    """Chunked attention (Llama 4): a token sees only its own chunk of this many."""
    prefix_lm: bool = False
    """The tokens that are read at once see each other both ways (a prefix LM: Raffel et al. 2020, arXiv 1910.10683,
    figure 4; CPM-Ant); what is generated behind them sees all before it, as anywhere."""
    qkv_bias: bool = False
    o_bias: bool = False
    qk_norm: Norm | None = None
    qk_norm_over: Literal["head", "full"] = "head"
    """`head`: one scale of head_dim shared by the heads; `full`: one over all heads together."""
    v_norm: Norm | None = None
    sinks: bool = False
    """One learned logit per head that takes part in the softmax (gpt-oss)."""
    softcap: bool = False
    """Scores are bent by c x tanh(s / c) before the softmax (Gemma 2, Grok-1): no size and no FLOPs of its own, but a
    kernel without it cannot be used."""
    gate: Literal["elementwise", "headwise"] | None = None
    """Output gate projected from the layer input."""
    gate_bias: bool = False
    gate_head_bias: bool = False
    """One bias per head on the gate (Beam)."""
    shared_kv: bool = False
    """Reads the keys and values of an earlier layer: no projections, no state of its own."""
    norms_shared_keys: bool = False
    """With `shared_kv`: has a norm of its own for the keys it reads (Hunyuan-Large)."""
    repeated_in_cache: bool = False
    """transformers' cache holds every key and value once per query head (Falcon); the need stays kv_heads."""
    values_are_keys: bool = False
    """The key projection's output serves as value too; nothing is projected for values."""
    norm: Norm | None = None
    """A norm on the concatenated heads before the output projection."""

    relative: RelativeBias | None = None
    """A bias on the scores by distance, read off the layer input (Inkling)."""
    kv_conv: Size | None = None
    """Kernel of a causal depthwise convolution over the projected keys, and one over the values (Inkling)."""
    kv_conv_dynamic: bool = False
    """The taps of those convolutions depend on the token (Inkling 2)."""
    q_scale: bool = False
    """A learned scale per query head and channel (Inkling 2)."""
    sink_projection: bool = False
    """The sink's logit of each head is projected from the layer input (Inkling 2)."""
    differential: bool = False
    """Every head weighs two heads' values, and pairs of heads are subtracted (Ye et al. 2024, arXiv 2410.05258)."""
    dynamic_mask: DynamicMask | None = None
    """Only the keys it scores best take part; a plain implementation masks the others (Doge)."""
    indexer: BlockIndexer | None = None
    """Block-sparse attention: only the tokens of the blocks it chooses take part."""

    def __post_init__(self) -> None:
        require(
            self.heads % self.kv_heads == 0,
            f"`kv_heads` {self.kv_heads} does not divide `heads` {self.heads}",
        )
        limits = [name for name in ("window", "chunk", "square", "prefix_lm") if getattr(self, name)]
        require(len(limits) < 2, f"{' and '.join(f'`{name}`' for name in limits)} exclude each other")
        require(not (self.window and self.dynamic_mask), "`window` and `dynamic_mask` exclude each other")
        sparse = self.dynamic_mask or self.indexer
        require(not (self.prefix_lm and sparse), "`prefix_lm` and sparse attention exclude each other")

    def lower(self, site: Site) -> Iterator[Row]:
        """Projections, score and mix operations, key and value state."""
        heads, kv_heads = Dim("heads", self.heads), Dim("kv_heads", self.kv_heads)
        head_dim = Dim("head_dim", self.head_dim)
        v_head_dim = Dim("v_head_dim", self.v_head_dim or self.head_dim)
        q_axis, out_axis = axis(heads, head_dim), axis(heads, v_head_dim)
        k_axis, v_axis = axis(kv_heads, head_dim), axis(kv_heads, v_head_dim)
        bias = Role.ATTENTION_BIAS if self.qkv_bias else None
        into = site.hidden_axis if self.input_size is None else axis(Dim("input_size", self.input_size))

        yield from site.linear(Role.ATTENTION_Q, q_axis, into, bias=bias)
        if not self.shared_kv:
            yield from site.linear(Role.ATTENTION_K, k_axis, into, bias=bias)
            if not self.values_are_keys:
                yield from site.linear(Role.ATTENTION_V, v_axis, into, bias=bias)
        if self.kv_conv is not None:
            for width in (head_dim, v_head_dim):
                if self.kv_conv_dynamic:
                    yield from dynamic_convolution(kv_heads, width, self.kv_conv, site)
                else:
                    channels = Dim("conv_channels", self.kv_heads * width.size)
                    yield from short_convolution(channels, self.kv_conv, site)
        if self.q_scale:
            yield site.vector(Role.ATTENTION_QK_NORM, q_axis)
        if self.sink_projection:
            yield from site.linear(Role.ATTENTION_SINKS, axis(heads), site.hidden_axis)
        if self.relative is not None:
            yield from self.relative.lower_for(heads, site)
        if self.qk_norm:
            over_heads = self.qk_norm_over == "full"
            q_side, k_side = (q_axis, k_axis) if over_heads else (axis(head_dim), axis(head_dim))
            own_keys = not self.shared_kv or self.norms_shared_keys
            sides = (q_side, k_side) if own_keys else (q_side,)
            yield from norm_rows(self.qk_norm, Role.ATTENTION_QK_NORM, site, *sides)
        if self.v_norm and not self.shared_kv:
            yield from norm_rows(self.v_norm, Role.ATTENTION_NORM, site, axis(v_head_dim))
        if self.sinks:
            yield site.vector(Role.ATTENTION_SINKS, axis(heads))
        if self.gate:
            gate_axis = out_axis if self.gate == "elementwise" else axis(heads)
            gate_bias = Role.ATTENTION_BIAS if self.gate_bias else None
            yield from site.linear(Role.ATTENTION_GATE, gate_axis, site.hidden_axis, bias=gate_bias)
            if self.gate_head_bias:
                yield site.vector(Role.ATTENTION_BIAS, axis(heads))

        keys = self._keys()
        yield site.op(Role.ATTENTION_SCORES, heads, head_dim, extent=per_pair(keys))
        yield site.op(Role.ATTENTION_MIX, heads, v_head_dim, extent=per_pair(keys))
        if self.differential:
            yield site.op(Role.ATTENTION_MIX, heads, v_head_dim, extent=per_pair(keys))
            # The reference calls attention twice, once for each half of the values, and scores twice.
            yield site.op(
                Role.ATTENTION_SCORES, heads, head_dim, extent=per_pair(keys), forms=(Form.COUNTED,)
            )
            for _ in ("lambda_q1", "lambda_k1", "lambda_q2", "lambda_k2"):
                yield site.vector(Role.ATTENTION_OTHER, axis(head_dim))
        if self.dynamic_mask:
            yield from self.dynamic_mask.lower_for(kv_heads, v_head_dim, site)
        if self.norm:
            yield from norm_rows(self.norm, Role.ATTENTION_NORM, site, out_axis)
        o_bias = Role.ATTENTION_BIAS if self.o_bias else None
        yield from site.linear(Role.ATTENTION_O, site.hidden_axis, out_axis, bias=o_bias)
        if not self.shared_kv:
            slots, reserved = self._slots(), Slots() if self.window_masked else None
            read = self.indexer.read if self.indexer else None
            for role, width in (
                (Role.ATTENTION_KEY_STATE, head_dim),
                (Role.ATTENTION_VALUE_STATE, v_head_dim),
            ):
                repeated = (heads, width) if self.repeated_in_cache else ()
                yield site.state(
                    role, kv_heads, width, slots=slots, read=read, reserved=reserved, reserved_dims=repeated
                )
        if self.indexer:
            yield from self.indexer.lower(site)

    def _keys(self) -> Keys:
        if self.indexer:
            return self.indexer.keys
        if self.dynamic_mask:
            return Keys(KeysKind.TOP_K, 1, self.dynamic_mask.top_k)
        if self.window:
            kind = KeysKind.WINDOW_MASKED if self.window_masked else KeysKind.WINDOW
            return Keys(kind, self.window)
        if self.square:
            return Keys(KeysKind.SQUARES, self.square)
        if self.prefix_lm:
            return Keys(KeysKind.PREFIX)
        return Keys(KeysKind.CHUNK, self.chunk) if self.chunk else ALL_PAIRS

    def _slots(self) -> Slots:
        if self.window:
            return Slots(SlotsKind.WINDOW, self.window)
        return Slots(SlotsKind.CHUNK, self.chunk) if self.chunk else Slots()
