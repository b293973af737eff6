"""The activation peak of a forward pass without gradients: an estimate from the widths of one rank's matrices.

Inference keeps no activation for later, so the peak is one sublayer's: the residual stream and its normed copy
beside every output of the widest group of matrices (queries, keys, values and the attention's output; or gate, up
and down of the experts that tokens call, stacked expert call by expert call as fused MoE kernels do). Beside it
the logits in float32 of the positions that are sampled (Megatron-LM, vLLM and llama.cpp all keep them at 4 bytes).
What engines allocate beside that (workspaces, fragmentation) is theirs to say.
"""

from collections import defaultdict

import msgspec

from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Access, Ledger, Weight
from moecalc.specs.plan import Plan

LOGIT_BYTES = 4
"""Sampling works on float32 logits (vLLM v1 sampler; llama.cpp's output buffer)."""

_GROUPS = frozenset({"attention", "recurrent", "ffn", "routed", "shared", "latent"})


class Activations(msgspec.Struct, frozen=True):
    """Bytes of the peak on one rank, by what holds them."""

    stream_bytes: Number
    """The residual stream and its normed copy."""
    widest_bytes: Number
    """All outputs of the widest group of matrices."""
    widest: str
    """The group that is meant: `routed`, `ffn`, `attention` ..."""
    logits_bytes: Number

    @property
    def total_bytes(self) -> Number:
        """The peak: a layer's or the head's, whichever is larger, beside the stream."""
        return self.stream_bytes + max(self.widest_bytes, self.logits_bytes)


def activation_peak(
    rank: Ledger,
    plan: Plan,
    tokens: Number,
    sampled: Number,
    element_bytes: int = 2,
    *,
    expert_load: float = 1.0,
) -> Activations:
    """The peak on a rank (see `sharding.rank_ledger`) for a chunk of `tokens`, `sampled` positions of which get logits.

    `tokens` are those of one copy of attention. Under expert parallelism a rank is taken to get its even share of
    all copies' expert calls, what a balanced router gives, times `expert_load`.
    """
    hidden = _hidden(rank)
    shared_stream = plan.tensor if plan.sequence_parallel else 1
    stream = 2 * -(-tokens // shared_stream) * hidden * element_bytes
    widths: dict[tuple[str, tuple[int, ...]], Number] = defaultdict(int)
    for weight in rank.weights:
        if _is_matrix(weight) and weight.role.group in _GROUPS:
            widths[weight.role.group, weight.indices] += (
                _calls(weight, plan, expert_load) * weight.shape[-2].size
            )
    widest, width = max(
        ((group, width) for (group, _), width in widths.items()), key=lambda entry: entry[1], default=("", 0)
    )
    return Activations(
        stream_bytes=stream,
        widest_bytes=_ceil(tokens * width) * element_bytes,
        widest=widest,
        logits_bytes=sampled * _vocabulary(rank, plan) * LOGIT_BYTES,
    )


def _is_matrix(weight: Weight) -> bool:
    in_language = weight.component is Component.LANGUAGE
    return in_language and weight.access is Access.MATMUL and len(weight.shape) > 1


def _calls(weight: Weight, plan: Plan, expert_load: float) -> Number:
    """How often a token's row passes through a matrix of this rank."""
    if weight.pool is None:
        return 1
    copies = plan.data if plan.expert > 1 else 1
    even = weight.pool.calls * copies / plan.expert
    return even if expert_load == 1 or plan.expert == 1 else even * expert_load


def _hidden(rank: Ledger) -> Number:
    norms = (w for w in rank.weights if w.component is Component.LANGUAGE)
    return next((d.size for w in norms for a in w.shape for d in a.dims if d.name == "hidden_size"), 0)


def _vocabulary(rank: Ledger, plan: Plan) -> Number:
    """The whole vocabulary: every rank that samples gathers all logits. 0 on stages without the head."""
    heads = (w for w in rank.weights if w.role is Role.HEAD and w.component is Component.LANGUAGE)
    return next((w.shape[0].size * plan.tensor for w in heads), 0)


def _ceil(value: Number) -> Number:
    return int(-(-value // 1))
