"""Mixture of attention heads: each expert has a query and an output projection, keys and values are shared (JetMoE)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.ir.blocks.moa import MixtureOfAttention
from moecalc.ir.roles import Role
from moecalc.ir.rows import Pool, Slots
from moecalc.profile.builder.cache import LayerCache, remember
from moecalc.profile.builder.elementwise import rotated
from moecalc.profile.builder.grouped import ends_of, grouped_matmul, is_grouped
from moecalc.profile.builder.ranges import named
from moecalc.profile.builder.softmax import attend
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.routing import Forced
    from moecalc.profile.builder.step import Call


class AttentionExperts(Module):
    """The heads of a token's `top_k` experts; query head j of every expert reads key head j.

    Its router is not the feed-forward's: a forced routing draws for each by the same law.
    """

    def __init__(
        self,
        block: MixtureOfAttention,
        store: Store,
        numerics: Numerics,
        layer: int,
        forced: Forced | None,
    ) -> None:
        super().__init__()
        self._block, self._numerics, self._layer, self._forced = block, numerics, layer, forced
        self._pool = Pool(experts=block.experts, top_k=block.top_k)
        self.router = store.take(Role.ROUTER)
        self.q, self.k = store.take(Role.ATTENTION_Q), store.take(Role.ATTENTION_K)
        self.v, self.o = store.take(Role.ATTENTION_V), store.take(Role.ATTENTION_O)
        self.o_bias = store.take_if(block.o_bias, Role.ATTENTION_BIAS)
        # As in a mixture of feed-forwards: torch is asked once, where nobody counts FLOPs.
        is_grouped(self.q)
        is_grouped(self.o)
        self.last_chosen: Tensor | None = None
        """[tokens, top_k] of the last call."""

    def forward(self, x: Tensor, call: Call, cache: LayerCache) -> Tensor:
        """[batch, new, hidden] from the normed residual stream, of the same shape."""
        with named("attention"):
            block, flat = self._block, x.flatten(0, 1)
            logits = functional.linear(flat, self.router).float()
            chosen = logits.topk(block.top_k, dim=-1).indices
            known = None
            if self._forced is not None:
                drawn = self._forced.drawn(self._pool, self._layer, len(flat), x.device, draw=1)
                chosen, known = drawn.chosen, drawn.ends
            self.last_chosen = chosen
            weights = logits.gather(-1, chosen).softmax(-1).to(x.dtype)
            experts, order = chosen.flatten().sort(stable=True)
            ends = ends_of(experts, block.experts)
            made = grouped_matmul(flat[order // block.top_k], self.q, ends, known)
            q = torch.empty_like(made)
            q[order] = made
            q = q.view(*x.shape[:2], block.top_k, block.kv_heads, -1).transpose(2, 3).flatten(2, 3)
            k = functional.linear(x, self.k).unflatten(-1, (block.kv_heads, -1))
            v = functional.linear(x, self.v).unflatten(-1, (block.kv_heads, -1))
            if call.rotations is not None:
                turn = call.rotations.of(block.head_dim)
                q, k = rotated(q, turn, self._numerics), rotated(k, turn, self._numerics)
            stored = cache[Role.ATTENTION_KEY_STATE], cache[Role.ATTENTION_VALUE_STATE]
            seen = remember(Slots(), stored, (k, v), call.past)
            keys, values = seen.tensors
            mixed = attend(q, keys, values, seen, scale=block.head_dim**-0.5)
            mixed = mixed.unflatten(2, (block.kv_heads, block.top_k)).transpose(2, 3)
            made = grouped_matmul(mixed.flatten(3).flatten(0, 2)[order], self.o, ends, known)
            back = torch.empty_like(made)
            back[order] = made
            summed = (back.view(*weights.shape, -1) * weights[..., None]).sum(1).view_as(x)
            return summed if self.o_bias is None else summed + self.o_bias
