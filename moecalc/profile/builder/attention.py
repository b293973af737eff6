"""Grouped-query attention: all keys, a sliding window or chunks; sinks, softcaps, norms of queries and keys, gates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.ir.blocks.attention import GQA
from moecalc.ir.roles import Role
from moecalc.ir.rows import Slots, SlotsKind
from moecalc.profile.builder.attention_fields import check_attention, signature
from moecalc.profile.builder.block_indexer import BlockScores
from moecalc.profile.builder.cache import LayerCache, Seen, positions, remember
from moecalc.profile.builder.convolution import added
from moecalc.profile.builder.differential import Difference
from moecalc.profile.builder.dynamic_convolution import DynamicConvolution
from moecalc.profile.builder.dynamic_mask import KeyScores
from moecalc.profile.builder.elementwise import Norm, cut, rotated
from moecalc.profile.builder.pooled_blocks import PooledBlocks
from moecalc.profile.builder.ranges import named
from moecalc.profile.builder.refusal import refused
from moecalc.profile.builder.relative import DistanceLogits
from moecalc.profile.builder.selection import Chosen, gathered
from moecalc.profile.builder.softmax import attend
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.step import Call


class Attention(Module):
    """Queries [new] against the keys and values of all tokens that the mask lets them see."""

    def __init__(self, block: GQA, store: Store, numerics: Numerics) -> None:
        super().__init__()
        check_attention(block)
        self._block, self._numerics = block, numerics
        self._value_width = block.v_head_dim or block.head_dim
        biased = block.qkv_bias
        self.q, self.q_bias = store.take(Role.ATTENTION_Q), store.take_if(biased, Role.ATTENTION_BIAS)
        reads = not block.shared_kv
        self.k = store.take_if(reads, Role.ATTENTION_K)
        self.k_bias = store.take_if(reads and biased, Role.ATTENTION_BIAS)
        own = reads and not block.values_are_keys
        self.v = store.take_if(own, Role.ATTENTION_V)
        self.v_bias = store.take_if(biased and own, Role.ATTENTION_BIAS)
        static = block.kv_conv and not block.kv_conv_dynamic
        self.k_conv = store.take_if(static, Role.RECURRENT_CONV)
        self.v_conv = store.take_if(static, Role.RECURRENT_CONV)
        self.dynamic_convs = torch.nn.ModuleList(
            DynamicConvolution(store) for _ in range(2 * block.kv_conv_dynamic)
        )
        self.q_scale = store.take_if(block.q_scale, Role.ATTENTION_QK_NORM)
        self.sink_projection = store.take_if(block.sink_projection, Role.ATTENTION_SINKS)
        self.relative = (
            DistanceLogits(block.relative, block.heads, store, numerics) if block.relative else None
        )
        self.q_norm: Norm | None = None
        self.k_norm: Norm | None = None
        self.v_norm: Norm | None = None
        self.norm: Norm | None = None
        if block.qk_norm:
            self.q_norm = Norm(block.qk_norm, Role.ATTENTION_QK_NORM, store, numerics)
            self.k_norm = Norm(block.qk_norm, Role.ATTENTION_QK_NORM, store, numerics) if reads else None
        if block.v_norm and reads:
            self.v_norm = Norm(block.v_norm, Role.ATTENTION_NORM, store, numerics)
        self.sinks = store.take_if(block.sinks, Role.ATTENTION_SINKS)
        self.gate = store.take_if(block.gate, Role.ATTENTION_GATE)
        self.gate_bias = store.take_if(block.gate and block.gate_bias, Role.ATTENTION_BIAS)
        self.gate_head_bias = store.take_if(block.gate and block.gate_head_bias, Role.ATTENTION_BIAS)
        self.key_scores = KeyScores(block.dynamic_mask, store) if block.dynamic_mask else None
        self.indexer: Module | None = None
        if block.indexer:
            chooser = PooledBlocks if block.indexer.pooled else BlockScores
            self.indexer = chooser(block.indexer, block.kv_heads, store, numerics)
        if block.norm:
            self.norm = Norm(block.norm, Role.ATTENTION_NORM, store, numerics)
        self.difference: Difference | None = None
        if block.differential:
            # Its norm is over two heads' values: the ledger has no scale of that width.
            self.difference, self.norm = Difference(block, store, self.norm), None
        self.o, self.o_bias = store.take(Role.ATTENTION_O), store.take_if(block.o_bias, Role.ATTENTION_BIAS)
        if block.window:
            self._slots = Slots(SlotsKind.WINDOW, block.window)
        else:
            self._slots = Slots(SlotsKind.CHUNK, block.chunk) if block.chunk else Slots()

    def forward(
        self,
        x: Tensor,
        call: Call,
        cache: LayerCache,
        adapters: Sequence[Module] = (),
        sources: Sequence[Tensor] = (),
    ) -> Tensor:
        """[batch, new, hidden] from the normed residual stream, of the same shape.

        `adapters` add to queries, keys and values what they make of `x`. `sources` are what keys and values are made
        of, where that is not `x`.
        """
        with named("attention"):
            return self._attend(x, call, cache, tuple(adapters), tuple(sources) or (x, x))

    def _attend(
        self,
        x: Tensor,
        call: Call,
        cache: LayerCache,
        adapters: tuple[Module, ...],
        sources: tuple[Tensor, ...],
    ) -> Tensor:
        block, numerics = self._block, self._numerics
        growth = None if self.q_scale is None or block.window else grown(call, x, numerics)
        q = self._queries(x, call, adapters, growth)
        seen = self._seen(x, call, cache, adapters, sources)
        scale = numerics.attention_scale or block.head_dim ** (-1.0 if numerics.scale_by_width else -0.5)
        chosen = self._chosen(x, seen, call, cache, growth)
        seen = _kept(seen, chosen, block)
        keys, values = seen.tensors
        if self.difference is not None:
            values = self.difference.values(values)
        softcap = numerics.softcap if block.softcap else None
        sinks = self.sinks
        if self.sink_projection is not None:
            sinks = functional.linear(x, self.sink_projection).transpose(1, 2)
        mixed = attend(q, keys, values, seen, scale=scale, sinks=sinks, added=chosen.added, softcap=softcap)
        if self.difference is not None:
            mixed = self.difference(mixed)
        if self.gate is not None:
            mixed = mixed * gates(x, self.gate, self.gate_bias, self.gate_head_bias, block.heads)
        mixed = mixed.flatten(-2)
        if self.norm is not None:
            mixed = self.norm(mixed)
        return functional.linear(mixed, self.o, self.o_bias)

    def _queries(self, x: Tensor, call: Call, adapters: tuple[Module, ...], growth: Tensor | None) -> Tensor:
        """[batch, new, heads, head_dim], times `growth` [new] where they grow with their positions."""
        block = self._block
        q = functional.linear(x, self.q, self.q_bias)
        if adapters:
            q = q + adapters[0](x)
        if block.qk_norm_over == "full" and self.q_norm is not None:
            q = self.q_norm(q)
        q = q.unflatten(-1, (block.heads, -1))
        if block.qk_norm_over == "head" and self.q_norm is not None:
            q = self.q_norm(q)
        if call.rotations is not None:
            q = rotated(q, call.rotations.of(block.head_dim), self._numerics)
        if self.q_scale is not None:
            q = cut(q * self.q_scale.view(block.heads, -1), self._numerics.longest)
        return q if growth is None else q * growth[:, None, None]

    def _chosen(self, x: Tensor, seen: Seen, call: Call, cache: LayerCache, growth: Tensor | None) -> Chosen:
        """The keys that take part, and what is added to their scores."""
        if self.key_scores is not None:
            chosen: Chosen = self.key_scores(seen.tensors[1], seen, call)
        elif self.indexer is not None:
            chosen = self.indexer(x, call, cache)
        elif self.relative is not None:
            chosen = Chosen(seen.masked(self._distance_logits(self.relative, x, seen, call, growth)))
        else:
            chosen = Chosen(None if call.bias is None else seen.masked(call.bias))
        return chosen

    def _distance_logits(
        self, relative: DistanceLogits, x: Tensor, seen: Seen, call: Call, growth: Tensor | None
    ) -> Tensor:
        queries = torch.arange(call.past, call.past + call.new, device=x.device)
        count = seen.tensors[0].shape[1]
        places = positions(self._slots, call.past, call.new, count, x.device)
        logits: Tensor = relative(x, queries, places, growth)
        return logits

    def _convolved(
        self, k: Tensor, v: Tensor, cache: LayerCache, sources: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor]:
        if not self._block.kv_conv:
            return k, v
        states = cache.every(Role.RECURRENT_CONV_STATE)
        if self._block.kv_conv_dynamic:
            k_conv, v_conv = self.dynamic_convs
            return k_conv(k, sources[0], states[0]), v_conv(v, sources[1], states[1])
        scaled = self._numerics.scaled_convolutions
        return added(k, self.k_conv, states[0], scaled=scaled), added(
            v, self.v_conv, states[1], scaled=scaled
        )

    def _normed(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values [batch, new, kv_heads, ...] of all heads side by side, through their norms."""
        block = self._block
        if block.qk_norm_over == "full" and self.k_norm is not None:
            k = self.k_norm(k)
        k, v = k.unflatten(-1, (block.kv_heads, -1)), v.unflatten(-1, (block.kv_heads, -1))
        if block.qk_norm_over == "head" and self.k_norm is not None:
            k = self.k_norm(k)
        if self.q_scale is not None:
            k = cut(k, self._numerics.longest)
        return k, v if self.v_norm is None else self.v_norm(v)

    def _seen(
        self,
        x: Tensor,
        call: Call,
        cache: LayerCache,
        adapters: tuple[Module, ...],
        sources: tuple[Tensor, ...],
    ) -> Seen:
        """The keys and values that the new tokens may see: of this layer, or of the one whose it reads."""
        block, handed = self._block, call.handed.keys
        if self.k is None:
            if handed is None or signature(block) not in handed:
                raise refused("`gqa` with `shared_kv` without the layer whose keys it reads")
            return handed[signature(block)]
        k = functional.linear(sources[0], self.k, self.k_bias)
        v = k if self.v is None else functional.linear(sources[1], self.v, self.v_bias)
        if adapters:
            k, v = k + adapters[1](x), v + adapters[2](x)
        k, v = self._normed(*self._convolved(k, v, cache, sources))
        if call.rotations is not None:
            k = rotated(k, call.rotations.of(block.head_dim), self._numerics)
        stored = cache[Role.ATTENTION_KEY_STATE], cache[Role.ATTENTION_VALUE_STATE]
        seen = remember(self._slots, stored, (k, v), call.past)
        if block.prefix_lm:
            seen = Seen(seen.tensors, causal=False, allowed=None)
        if handed is not None:
            handed[signature(block)] = seen
        return seen


def _kept(seen: Seen, chosen: Chosen, block: GQA) -> Seen:
    """The keys and values that are attended to, as many heads of them as choose apart.

    What is added to the scores of every head by itself needs no keys of its own.
    """
    choices = 1 if chosen.places is None and chosen.choices == block.heads else chosen.choices
    if choices > block.kv_heads:  # queries that share keys keep others of them
        times = choices // block.kv_heads
        seen = seen._replace(tensors=[part.repeat_interleave(times, 2) for part in seen.tensors])
    if chosen.places is None:
        return seen
    return Seen([gathered(part, chosen.places) for part in seen.tensors], causal=False, allowed=None)


def grown(call: Call, x: Tensor, numerics: Numerics) -> Tensor | None:
    """By how much queries [new] grow with their positions; None where none is far enough."""
    floor, rate = numerics.growing_queries
    if call.past + call.new <= floor:
        return None
    places = torch.arange(call.past + 1, call.past + call.new + 1, device=x.device)
    return (1 + rate * (places / floor).clamp(min=1.0).log()).to(x.dtype)


def gates(x: Tensor, weight: Tensor, bias: Tensor | None, head_bias: Tensor | None, heads: int) -> Tensor:
    """Sigmoid gates [batch, new, heads, channels or 1] of an attention's output."""
    gate = functional.linear(x, weight, bias).unflatten(-1, (heads, -1))
    if head_bias is not None:
        gate = gate + head_bias[:, None]
    return torch.sigmoid(gate)
