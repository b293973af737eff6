"""Mixture of experts: a router, `experts` feed-forwards of which each token runs `top_k`, and shared ones.

Shapes, with experts E, hidden d, intermediate i: router [E, d]; expert gate and up [E, i, d], down [E, d, i]
(Shazeer et al. 2017, arXiv 1701.06538; shared experts: DeepSeekMoE, arXiv 2401.06066).
"""

import math
from collections.abc import Iterator
from typing import Literal

from moecalc.ir.blocks.base import Block, Count, Size, require
from moecalc.ir.dims import Axis, Dim, axis
from moecalc.ir.roles import Role
from moecalc.ir.rows import Pool, Row, Selection
from moecalc.ir.site import Site
from moecalc.ir.step import Form


class Router(Block, frozen=True, kw_only=True):
    """Scores every expert (and every zero-compute expert) for each token."""

    bias: bool = False
    correction_bias: Literal["buffer", "parameter"] | None = None
    """The load-balancing bias of aux-loss-free routing (DeepSeek-V3): stored in fp32, usually a buffer."""
    selection: Literal["learned", "hash"] = "learned"
    """`hash`: a stored table maps token ids to experts; the router only weights them."""
    hash_vocab_size: Size | None = None
    product_keys: bool = False
    """Scores two sets of floor(sqrt(experts)) keys, whose pairs are the experts (PEER, arXiv 2407.04153)."""
    hidden_size: Size | None = None
    """The scores come from an MLP of this width: down with bias, norm, two layers with bias (ZAYA)."""
    carry: bool = False
    """The router's down-projected input adds that of the layer before, scaled per channel (ZAYA)."""
    scales: bool = False
    """Learned scales on the router's input and on each expert's weight (Gemma 4)."""
    shared_choices: Count = 0
    """Shared experts that the router scores too, to weight their output (Inkling)."""
    scale: bool = False
    """One learned number that multiplies all weights (Inkling)."""
    stored_as: str | None = None

    def __post_init__(self) -> None:
        hashed = self.selection == "hash"
        require(hashed == (self.hash_vocab_size is not None), "`hash_vocab_size` goes with `selection: hash`")


class SharedExpert(Block, frozen=True, kw_only=True):
    """Experts every token runs. Several of them are stored, and run, as one of their summed width."""

    intermediate_size: Size
    gated: bool = True
    bias: bool = False
    switch: bool = False
    """A learned scalar gate on their output (Qwen2-MoE)."""

    def lower(self, site: Site) -> Iterator[Row]:
        """Gate, up, down as one feed-forward, and the scalar gate."""
        inner = axis(Dim("shared_intermediate_size", self.intermediate_size))
        bias = Role.SHARED_BIAS if self.bias else None
        if self.gated:
            yield from site.linear(Role.SHARED_GATE, inner, site.hidden_axis, bias=bias)
        yield from site.linear(Role.SHARED_UP, inner, site.hidden_axis, bias=bias)
        yield from site.linear(Role.SHARED_DOWN, site.hidden_axis, inner, bias=bias)
        if self.switch:
            yield from site.linear(Role.SHARED_SWITCH, axis(Dim("switch", 1)), site.hidden_axis)


class MoE(Block, frozen=True, kw_only=True, tag="moe"):
    """`experts` feed-forwards of `intermediate_size`, `top_k` of them per token, beside the shared ones."""

    experts: Size
    top_k: Size
    intermediate_size: Size
    gated: bool = True
    bias: bool = False
    shared: SharedExpert | None = None
    router: Router = Router()
    zero_experts: Count = 0
    """Experts without weights in the same choice (LongCat-Flash)."""
    zero_experts_skip: bool = False
    """They add nothing to the stream (ZAYA) instead of the token itself; it changes no count."""
    groups: Size = 1
    """Expert groups of group-limited routing; changes balance and communication, not counts."""
    group_limit: Size | None = None
    """Groups that one token's experts come from at most (DeepSeek-V3, arXiv 2412.19437, section 2.1.2); None: all."""
    latent_size: Size | None = None
    """Experts work in a smaller space, entered and left by two shared projections (Nemotron 3)."""
    latent_bias: bool = False
    """Biases on those two projections."""
    output_bias: bool = False
    """One bias behind the sum of the experts (JetMoE)."""
    reference_runs_all: bool = False
    """transformers multiplies every expert by every token and weights most results by zero (Llama 4)."""

    reference_runs_null: bool = False
    """transformers runs the first expert, with weight zero, where a token picks one without weights (ZAYA)."""

    def __post_init__(self) -> None:
        available = self.experts + self.zero_experts
        require(self.top_k <= available, f"`top_k` {self.top_k} exceeds the {available} experts")
        require(
            not self.zero_experts_skip or self.zero_experts, "`zero_experts_skip` goes with `zero_experts`"
        )
        limit = self.group_limit
        require(
            limit is None or limit <= self.groups, f"`group_limit` {limit} exceeds the {self.groups} `groups`"
        )

    def lower(self, site: Site) -> Iterator[Row]:
        """Router, routed experts under one pool, shared experts."""
        yield from self._lower_router(site)
        yield from self._lower_experts(site)
        if self.shared:
            yield from self.shared.lower(site)

    def _lower_router(self, site: Site) -> Iterator[Row]:
        router = self.router
        choices = axis(Dim("router_choices", self.experts + self.zero_experts))
        scored = axis(Dim("router_choices", self.experts + self.zero_experts + router.shared_choices))
        if router.product_keys:
            scored = axis(Dim("key_sets", 2), Dim("keys", math.isqrt(self.experts)))
        bias = Role.ROUTER_BIAS if router.bias else None
        into = site.hidden_axis
        if router.hidden_size is not None:
            into = axis(Dim("router_hidden_size", router.hidden_size))
            for source in (site.hidden_axis, into, into):
                yield from site.linear(Role.ROUTER_OTHER, into, source, bias=Role.ROUTER_BIAS)
            yield site.vector(Role.ROUTER_OTHER, into)
        if router.carry:
            yield site.vector(Role.ROUTER_OTHER, into)
        yield from site.linear(Role.ROUTER, scored, into, bias=bias, stored_as=router.stored_as)
        if router.correction_bias == "buffer":
            yield site.buffer(Role.ROUTER_CORRECTION, choices, stored_as="fp32")
        elif router.correction_bias == "parameter":
            yield site.vector(Role.ROUTER_CORRECTION, choices)
        if router.scale:
            yield site.vector(Role.ROUTER_OTHER, axis(Dim("scale", 1)))
        if router.scales:
            yield site.vector(Role.ROUTER_OTHER, site.hidden_axis)
            yield site.vector(Role.ROUTER_OTHER, axis(Dim("experts", self.experts)))
        if router.hash_vocab_size is not None:
            table = axis(Dim("vocab_size", router.hash_vocab_size)), axis(Dim("top_k", self.top_k))
            yield site.buffer(Role.ROUTER_TABLE, *table, stored_as="int64")

    def _lower_experts(self, site: Site) -> Iterator[Row]:
        pool = Pool(
            experts=self.experts,
            top_k=self.top_k,
            null_experts=self.zero_experts,
            groups=self.groups,
            selection=Selection(self.router.selection),
            group_limit=self.group_limit,
        )
        experts = Dim("experts", self.experts)
        outer = site.hidden_axis
        latent_bias = Role.EXPERT_LATENT_BIAS if self.latent_bias else None
        if self.latent_size is not None:
            outer = axis(Dim("latent_size", self.latent_size))
            yield from site.linear(Role.EXPERT_LATENT_DOWN, outer, site.hidden_axis, bias=latent_bias)
        inner = axis(Dim("moe_intermediate_size", self.intermediate_size))
        bias = Role.EXPERT_BIAS if self.bias else None

        surplus = self.reference_runs_all or self.reference_runs_null
        needed = (Form.CHUNK, Form.STEP) if surplus else ()

        def matrix(role: Role, out: Axis, into: Axis) -> Iterator[Row]:
            yield from site.linear(role, out, into, bias=bias, pool=pool, experts=experts, forms=needed)
            if self.reference_runs_all:
                sides = Dim("out", out.size), Dim("in", into.size)
                yield site.op(role, experts, *sides, forms=(Form.COUNTED,))
            elif self.reference_runs_null:
                calls = Dim("top_k", self.top_k), Dim("out", out.size), Dim("in", into.size)
                yield site.op(role, *calls, forms=(Form.COUNTED,))

        if self.gated:
            yield from matrix(Role.EXPERT_GATE, inner, outer)
        yield from matrix(Role.EXPERT_UP, inner, outer)
        yield from matrix(Role.EXPERT_DOWN, outer, inner)
        if self.output_bias:
            yield site.vector(Role.EXPERT_OTHER, outer)
        if self.latent_size is not None:
            yield from site.linear(Role.EXPERT_LATENT_UP, site.hidden_axis, outer, bias=latent_bias)
