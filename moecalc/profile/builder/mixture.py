"""Mixture of experts: router, choice, dispatch of sorted tokens to grouped matmuls, shared experts beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.ir.blocks.moe import MoE, SharedExpert
from moecalc.ir.roles import Role
from moecalc.ir.rows import Pool, Selection
from moecalc.profile.builder.elementwise import activated
from moecalc.profile.builder.grouped import ends_of, grouped_matmul, is_grouped
from moecalc.profile.builder.ranges import named
from moecalc.profile.builder.refusal import check_fields
from moecalc.profile.builder.router_mlp import RouterMLP
from moecalc.profile.builder.step import Handed
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.routing import Forced

KNOWN = [
    "experts",
    "top_k",
    "intermediate_size",
    "gated",
    "bias",
    "shared",
    "router",
    "zero_experts",
    "zero_experts_skip",
    "groups",
    "group_limit",
    "latent_size",
    "latent_bias",
    "output_bias",
    "reference_runs_all",
    "reference_runs_null",
]

SPREAD = 40_503
"""A prime: neighbouring tokens' experts lie apart."""


class Mixture(Module):
    """`top_k` of the experts for each token."""

    def __init__(
        self, block: MoE, store: Store, numerics: Numerics, layer: int, forced: Forced | None
    ) -> None:
        super().__init__()
        check_fields(block, KNOWN)
        check_fields(
            block.router,
            (
                "bias",
                "correction_bias",
                "scales",
                "selection",
                "hash_vocab_size",
                "stored_as",
                "hidden_size",
                "carry",
                "shared_choices",
                "scale",
            ),
        )
        self._block, self._numerics, self._layer, self._forced = block, numerics, layer, forced
        self._pool = Pool(
            experts=block.experts,
            top_k=block.top_k,
            null_experts=block.zero_experts,
            groups=block.groups,
            selection=Selection(block.router.selection),
            group_limit=block.group_limit,
        )
        self.router_mlp = RouterMLP(block.router, store, numerics) if block.router.hidden_size else None
        self.router = store.take(Role.ROUTER)
        self.router_bias = store.take_if(block.router.bias, Role.ROUTER_BIAS)
        self.correction = store.take_if(block.router.correction_bias, Role.ROUTER_CORRECTION)
        self.table = store.take_if(block.router.hash_vocab_size, Role.ROUTER_TABLE)
        if self.table is not None:
            _fill(self.table, block, layer)
        self._shared_choices = block.router.shared_choices
        self.choice_scale = store.take_if(block.router.scale, Role.ROUTER_OTHER)
        self.input_scale = store.take_if(block.router.scales, Role.ROUTER_OTHER)
        self.expert_scale = store.take_if(block.router.scales, Role.ROUTER_OTHER)
        latent, biased = block.latent_size, block.bias
        latent_biased = latent and block.latent_bias
        self.into = store.take_if(latent, Role.EXPERT_LATENT_DOWN)
        self.into_bias = store.take_if(latent_biased, Role.EXPERT_LATENT_BIAS)
        self.gate = store.take_if(block.gated, Role.EXPERT_GATE)
        self.gate_bias = store.take_if(block.gated and biased, Role.EXPERT_BIAS)
        self.up, self.up_bias = store.take(Role.EXPERT_UP), store.take_if(biased, Role.EXPERT_BIAS)
        self.down, self.down_bias = store.take(Role.EXPERT_DOWN), store.take_if(biased, Role.EXPERT_BIAS)
        self.output_bias = store.take_if(block.output_bias, Role.EXPERT_OTHER)
        self.out = store.take_if(latent, Role.EXPERT_LATENT_UP)
        self.out_bias = store.take_if(latent_biased, Role.EXPERT_LATENT_BIAS)
        self.shared = SharedExperts(block.shared, store, numerics) if block.shared else None
        self.elsewhere: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None
        """What runs experts that lie on several ranks: (tokens, experts chosen, their weights) -> mixed outputs."""
        # torch is asked here, once: if it were while FLOPs are counted, they would count too.
        is_grouped(self.up)
        self.last_chosen: Tensor | None = None
        """[tokens, top_k] of the last call; indices from `experts` on have no weights."""

    def forward(
        self,
        x: Tensor,
        routed_by: Tensor | None = None,
        ids: Tensor | None = None,
        handed: Handed | None = None,
    ) -> Tensor:
        """[batch, new, hidden], of the same shape. The router reads `routed_by` where it is another tensor than `x`.

        Where a table chooses, `ids` [batch, new] are the tokens; a router that is an MLP reads and leaves a state in
        what is `handed` on.
        """
        flat = x.flatten(0, 1)
        with named("router"):
            read = flat if routed_by is None else routed_by.flatten(0, 1)
            if self.router_mlp is not None:
                read = self.router_mlp(read, handed or Handed())
            chosen, weights, shares = self._route(read, ids)
        self.last_chosen = chosen
        inner = flat if self.into is None else functional.linear(flat, self.into, self.into_bias)
        made = (self.elsewhere or self._run)(inner, chosen, weights)
        if self.output_bias is not None:
            made = made + self.output_bias
        if self.out is not None:
            made = functional.linear(made, self.out, self.out_bias)
        if self.shared is not None:
            made = made + self.shared(flat, shares)
        return made.view_as(x)

    def _route(self, x: Tensor, ids: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Experts [tokens, top_k] and their weights; a correction moves the choice alone (arXiv 2412.19437, 2.1.2).

        Beside them the weights of shared experts [tokens, shared], where the router scores these too (Inkling).
        """
        if self.input_scale is not None:
            # Gemma 4: a norm without parameters, then the scale (transformers 5.23, Gemma4TextRouter).
            normed = functional.rms_norm(x, x.shape[-1:], eps=self._numerics.norm_epsilon)
            x = normed * self.input_scale * x.shape[-1] ** -0.5
        logits = functional.linear(x.to(self.router.dtype), self.router, self.router_bias).float()
        scores = logits.softmax(-1) if self._numerics.scores == "softmax" else torch.sigmoid(logits)
        shares = scores[:, scores.shape[1] - self._shared_choices :] if self._shared_choices else None
        scores = scores[:, : scores.shape[1] - self._shared_choices]
        ranked = scores if self.correction is None else scores + self.correction
        if self._block.group_limit is not None:
            ranked = self._limited(ranked)
        if self.table is not None and ids is not None:
            chosen = self.table[ids.flatten()]
        else:
            chosen = ranked.topk(self._block.top_k, dim=-1).indices
        if self._forced is not None:
            chosen = self._forced.drawn(self._pool, self._layer, len(x), x.device).chosen
        weights = scores.gather(-1, chosen)
        if self._numerics.normalise_weights:
            whole = weights.sum(-1, keepdim=True)
            whole = whole if shares is None else whole + shares.sum(-1, keepdim=True)
            weights, shares = weights / whole, None if shares is None else shares / whole
        if self.expert_scale is not None:
            weights = weights * self.expert_scale[chosen]
        scale = self._numerics.routed_scale
        scale = scale if self.choice_scale is None else scale * self.choice_scale
        return chosen, (weights * scale).to(x.dtype), None if shares is None else (shares * scale).to(x.dtype)

    def _limited(self, ranked: Tensor) -> Tensor:
        """Scores with those outside a token's best groups at minus infinity; a group's is the sum of its best two."""
        block = self._block
        grouped = ranked.unflatten(-1, (block.groups, -1))
        best = grouped.topk(min(2, grouped.shape[-1]), dim=-1).values.sum(-1)
        kept = best.topk(block.group_limit, dim=-1).indices
        allowed = torch.zeros_like(best, dtype=torch.bool).scatter(-1, kept, value=True)
        return grouped.masked_fill(~allowed[..., None], float("-inf")).flatten(-2)

    def _run(self, x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
        block = self._block
        known = None
        if self._forced is not None:
            known = self._forced.drawn(self._pool, self._layer, len(x), x.device).ends
        with named("dispatch"):
            experts, order = chosen.flatten().sort(stable=True)
            tokens = order // block.top_k
            # Null choices come last, and what is left is known on the host; `meta` knows no choices: all have weights.
            if block.zero_experts and not x.is_meta:
                experts = experts[: int((experts < block.experts).sum()) if known is None else known[-1]]
            ends = ends_of(experts, block.experts)
            rows = x[tokens[: len(experts)]]
        with named("routed"):
            inner = self._inner(rows, experts, ends, known)
            del rows  # `top_k` times as large as the stream, as what comes out is
            made = self._through(inner, self.down, self.down_bias, experts, ends, known)
            del inner
        with named("dispatch"):
            if len(tokens) > len(experts):
                null = x[tokens[len(experts) :]]
                made = torch.cat([made, torch.zeros_like(null) if block.zero_experts_skip else null])
            back = torch.empty_like(made)
            back[order] = made
            del made
            return back.view(len(x), block.top_k, -1).mul_(weights[..., None]).sum(1)

    def run_experts(
        self, rows: Tensor, experts: Tensor, ends: Tensor, known: tuple[int, ...] | None = None
    ) -> Tensor:
        """[rows, width] sorted by their `experts` [rows], through them; `ends` [experts] is each one's last + 1.

        `known` are these ends where the host has them.
        """
        inner = self._inner(rows, experts, ends, known)
        return self._through(inner, self.down, self.down_bias, experts, ends, known)

    def _inner(self, rows: Tensor, experts: Tensor, ends: Tensor, known: tuple[int, ...] | None) -> Tensor:
        """The inner activations [rows, intermediate_size] of sorted rows."""
        up = self._through(rows, self.up, self.up_bias, experts, ends, known)
        if self.gate is None:
            return activated(up, None, self._numerics)
        gate = self._through(rows, self.gate, self.gate_bias, experts, ends, known)
        return activated(gate, up, self._numerics)

    @staticmethod
    def _through(
        rows: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        experts: Tensor,
        ends: Tensor,
        known: tuple[int, ...] | None,
    ) -> Tensor:
        """Sorted rows through a matrix of their experts."""
        made = grouped_matmul(rows, weight, ends, known)
        return made if bias is None else made + bias[experts]


def _fill(table: Tensor, block: MoE, layer: int) -> None:
    """Give every token of a table [vocab_size, top_k] experts that differ, spread over all of them."""
    if table.is_meta:
        return
    tokens = torch.arange(len(table), device=table.device)[:, None] * SPREAD + layer
    steps = torch.arange(block.top_k, device=table.device) * (block.experts // block.top_k)
    table.copy_((tokens + steps) % block.experts)


class SharedExperts(Module):
    """What every token runs beside its experts."""

    def __init__(self, block: SharedExpert, store: Store, numerics: Numerics) -> None:
        super().__init__()
        self._numerics = numerics
        gated, biased = block.gated, block.bias
        self.gate = store.take_if(gated, Role.SHARED_GATE)
        self.gate_bias = store.take_if(gated and biased, Role.SHARED_BIAS)
        self.up, self.up_bias = store.take(Role.SHARED_UP), store.take_if(biased, Role.SHARED_BIAS)
        self.down, self.down_bias = store.take(Role.SHARED_DOWN), store.take_if(biased, Role.SHARED_BIAS)
        self.switch = store.take_if(block.switch, Role.SHARED_SWITCH)

    def forward(self, x: Tensor, shares: Tensor | None = None) -> Tensor:
        """[tokens, hidden], of the same shape; `shares` [tokens, experts] weigh those that the width is made of."""
        with named("shared"):
            up = functional.linear(x, self.up, self.up_bias)
            gate = None if self.gate is None else functional.linear(x, self.gate, self.gate_bias)
            inner = (
                activated(up, None, self._numerics) if gate is None else activated(gate, up, self._numerics)
            )
            if shares is not None:
                inner = (inner.unflatten(-1, (shares.shape[-1], -1)) * shares[..., None]).flatten(-2)
            made = functional.linear(inner, self.down, self.down_bias)
            if self.switch is None:
                return made
            return made * torch.sigmoid(functional.linear(x, self.switch))
