"""Multi-head latent attention: prompts expand every latent, decode steps attend on the latents themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.ir.blocks.mla import MLA
from moecalc.ir.roles import Role
from moecalc.ir.rows import Slots, SlotsKind
from moecalc.profile.builder.attention import gates
from moecalc.profile.builder.cache import LayerCache, Seen, remember
from moecalc.profile.builder.elementwise import Norm, rotated
from moecalc.profile.builder.indexer import LightningIndexer
from moecalc.profile.builder.ranges import named
from moecalc.profile.builder.refusal import check_fields, refused
from moecalc.profile.builder.selection import Chosen, gathered
from moecalc.profile.builder.softmax import attend
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.step import Call

KNOWN = [
    "heads",
    "kv_lora_rank",
    "qk_nope_head_dim",
    "qk_rope_head_dim",
    "v_head_dim",
    "q_lora_rank",
    "bias",
    "latent_norm",
    "gate",
    "sinks",
    "window",
    "rope_key_norm",
    "indexer",
    "query_gate",
    "top_k",
]


class LatentAttention(Module):
    """The cache is one latent and one rotary key per token, end to end in one tensor."""

    def __init__(self, block: MLA, store: Store, numerics: Numerics) -> None:
        super().__init__()
        check_fields(block, KNOWN)
        self._block, self._numerics = block, numerics
        biased = block.bias
        if block.q_lora_rank is None:
            self.q_a = self.q_a_bias = None
            self.q_norm: Norm | None = None
            self.q = store.take(Role.ATTENTION_Q)
        else:
            self.q_a, self.q_a_bias = (
                store.take(Role.ATTENTION_Q_A),
                store.take_if(biased, Role.ATTENTION_BIAS),
            )
            self.q_norm = Norm(block.latent_norm, Role.ATTENTION_LATENT_NORM, store, numerics)
            self.q = store.take(Role.ATTENTION_Q_B)
        self.kv_a = store.take(Role.ATTENTION_KV_A)
        self.kv_a_bias = store.take_if(biased, Role.ATTENTION_BIAS)
        self.kv_norm = Norm(block.latent_norm, Role.ATTENTION_LATENT_NORM, store, numerics)
        self.rope_norm = None
        if block.rope_key_norm:
            self.rope_norm = Norm(block.rope_key_norm, Role.ATTENTION_LATENT_NORM, store, numerics)
        self.kv_b = store.take(Role.ATTENTION_KV_B)
        self.sinks = store.take_if(block.sinks, Role.ATTENTION_SINKS)
        self.indexer: LightningIndexer | None = None
        if block.indexer is not None:
            self.indexer = LightningIndexer(block.indexer, block.qk_rope_head_dim, store, numerics)
        self.gate = store.take_if(block.gate, Role.ATTENTION_GATE)
        self.o, self.o_bias = store.take(Role.ATTENTION_O), store.take_if(biased, Role.ATTENTION_BIAS)
        self._slots = Slots(SlotsKind.WINDOW, block.window) if block.window else Slots()

    def forward(self, x: Tensor, call: Call, cache: LayerCache) -> Tensor:
        """[batch, new, hidden] from the normed residual stream, of the same shape."""
        with named("attention"):
            return self._attend(x, call, cache)

    def _attend(self, x: Tensor, call: Call, cache: LayerCache) -> Tensor:
        block, numerics = self._block, self._numerics
        query = into = x
        if self.q_a is not None and self.q_norm is not None:
            compressed = functional.linear(x, self.q_a, self.q_a_bias)
            query = into = self.q_norm(compressed)
            if block.query_gate:
                into = torch.cat([query, compressed], -1)
        q = functional.linear(into, self.q).unflatten(-1, (block.heads, -1))
        gate = None
        if block.query_gate:
            q, gate = q.split((block.qk_nope_head_dim + block.qk_rope_head_dim, block.v_head_dim), -1)
        q_nope, q_rope = q.split((block.qk_nope_head_dim, block.qk_rope_head_dim), -1)
        latent, key = functional.linear(x, self.kv_a, self.kv_a_bias).split(
            (block.kv_lora_rank, block.qk_rope_head_dim), -1
        )
        latent = self.kv_norm(latent)
        if self.rope_norm is not None:
            key = self.rope_norm(key)
        if call.rotations is not None:
            turn = call.rotations.of(block.qk_rope_head_dim)
            q_rope, key = rotated(q_rope, turn, numerics), rotated(key[:, :, None], turn, numerics)[:, :, 0]
        stored = (cache[Role.ATTENTION_LATENT_STATE],)
        seen = remember(self._slots, stored, (torch.cat([latent, key], -1),), call.past)
        added, places = self._chosen(x, query, call, cache)
        if places is not None:
            seen = Seen([gathered(seen.tensors[0][:, :, None], places)[:, :, 0]], causal=False, allowed=None)
        if added is not None and self.sinks is not None:  # which goes through the mask of plain attention
            seen, added = Seen(seen.tensors, causal=False, allowed=(added == 0)[:, :, None]), None
        form = self._absorbed if call.decoding else self._expanded
        mixed = form(q_nope, q_rope, seen, added)
        if gate is not None:
            mixed = mixed * torch.sigmoid(gate)
        if self.gate is not None:
            mixed = mixed * gates(x, self.gate, None, None, block.heads)
        return functional.linear(mixed.flatten(-2), self.o, self.o_bias)

    def _chosen(self, x: Tensor, query: Tensor, call: Call, cache: LayerCache) -> Chosen:
        """The keys that the indexer chose: this layer's, or the last one's before it."""
        if self.indexer is not None:
            call.handed.chosen = self.indexer(x, query, call, cache)
        elif self._block.top_k is None:
            return Chosen()
        elif call.handed.chosen is None:
            raise refused("`mla` with `top_k` without the layer whose indexer chooses")
        return call.handed.chosen

    @property
    def _scale(self) -> float:
        width = self._block.qk_nope_head_dim + self._block.qk_rope_head_dim
        return self._numerics.attention_scale or width**-0.5

    def _expanded(self, q_nope: Tensor, q_rope: Tensor, seen: Seen, added: Tensor | None) -> Tensor:
        block = self._block
        latents, keys = seen.tensors[0].split((block.kv_lora_rank, block.qk_rope_head_dim), -1)
        expanded = functional.linear(latents, self.kv_b).unflatten(-1, (block.heads, -1))
        k_nope, v = expanded.split((block.qk_nope_head_dim, block.v_head_dim), -1)
        k = torch.cat([k_nope, keys[:, :, None].expand(-1, -1, block.heads, -1)], -1)
        q = torch.cat([q_nope, q_rope], -1)
        return attend(q, k, v, seen, scale=self._scale, sinks=self.sinks, added=added)

    def _absorbed(self, q_nope: Tensor, q_rope: Tensor, seen: Seen, added: Tensor | None) -> Tensor:
        """The up-projection of keys folded into the query, that of values into the output: [H, n, c] and [H, v, c]."""
        block = self._block
        up = self.kv_b.unflatten(0, (block.heads, -1))
        for_keys, for_values = up.split((block.qk_nope_head_dim, block.v_head_dim), 1)
        folded = torch.bmm(q_nope[:, 0].transpose(0, 1), for_keys).transpose(0, 1)[:, None]
        q = torch.cat([folded, q_rope], -1)
        stored = seen.tensors[0][:, :, None]
        latents = stored[..., : block.kv_lora_rank]
        mixed = attend(q, stored, latents, seen, scale=self._scale, sinks=self.sinks, added=added)
        made = torch.bmm(mixed[:, 0].transpose(0, 1), for_values.transpose(1, 2))
        return made.transpose(0, 1)[:, None]
