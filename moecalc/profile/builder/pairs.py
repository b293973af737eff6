"""What softmax attention is made of, whichever kernel computes it: operands, mask, softcap and sinks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor


class Pairs(NamedTuple):
    """Queries and the keys that each of them sees: at least one."""

    q: Tensor
    """[batch, heads, new, head_dim]."""
    keys: Tensor
    """[batch, kv_heads, keys, head_dim]."""
    values: Tensor
    """[batch, kv_heads, keys, v_head_dim]."""
    causal: bool
    """Query i sees keys 0 to i, of as many keys as queries; goes with no `allowed`."""
    allowed: Tensor | None
    """[new, keys], or [batch, 1, new, keys] where sequences differ; None where `causal` says it, or all are seen."""
    scale: float
    softcap: float | None = None
    """A score s becomes softcap x tanh(s / softcap) before it is masked (Gemma 2, arXiv 2408.00118, section 2)."""
    added: Tensor | None = None
    """[batch, heads, new, keys] added to scores, in place of a mask; goes with no other kernel than plain matmuls."""

    @property
    def shared(self) -> int:
        """Query heads that share one head of keys."""
        return int(self.q.shape[1] // self.keys.shape[1])

    @property
    def flops(self) -> int:
        """Of scores and mix over all positions, masked or not: 2 per multiply-accumulate."""
        batch, heads, new, width = self.q.shape
        return int(2 * batch * heads * new * self.keys.shape[2] * (width + self.values.shape[3]))


def beside_sinks(mixed: Tensor, logsumexp: Tensor, sinks: Tensor) -> Tensor:
    """Values [batch, heads, new, v_head_dim] mixed without sinks, as if these had taken part in the softmax.

    With the log-sum-exp L [batch, heads, new] of a query's scores, the others' share beside a sink s [heads] is
    e^L / (e^L + e^s) = sigmoid(L - s).
    """
    share = torch.sigmoid(logsumexp.float() - sinks.float()[:, None])
    return mixed * share[..., None].to(mixed.dtype)


def plain(pairs: Pairs, sinks: Tensor | None, queries: int) -> Tensor:
    """Mixed values [batch, heads, new, v_head_dim] by matmuls, whose scores of so many queries are held at once.

    `sinks` are [heads], or [batch, heads, new] where each token has its own.
    """
    parts = [_scored(pairs, sinks, start, queries) for start in range(0, pairs.q.shape[2], queries)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, 2)


def _scored(pairs: Pairs, sinks: Tensor | None, start: int, queries: int) -> Tensor:
    part = pairs.q[:, :, start : start + queries]
    batch, heads, size, width = part.shape
    kv_heads, count = pairs.keys.shape[1:3]
    # The query heads that share keys stand as queries of one head: no key is repeated.
    grouped = part.reshape(batch, kv_heads, pairs.shared * size, width)
    scores = (grouped @ pairs.keys.transpose(-1, -2)).view(batch, heads, size, count) * pairs.scale
    if pairs.softcap is not None:
        scores = torch.tanh(scores / pairs.softcap) * pairs.softcap
    allowed = None if pairs.allowed is None else pairs.allowed[..., start : start + size, :]
    if pairs.causal:
        allowed = torch.ones(size, count, dtype=torch.bool, device=scores.device).tril(start)
    if allowed is not None:
        scores = scores.masked_fill(~allowed, float("-inf"))
    if pairs.added is not None:
        scores = scores + pairs.added[..., start : start + size, :]
    if sinks is not None:
        beside = sinks.to(scores.dtype)
        if beside.ndim == 1:
            beside = beside.view(1, heads, 1).expand(batch, heads, pairs.q.shape[2])
        beside = beside[..., start : start + size, None]
        scores = torch.cat([scores, beside], -1)
    shares = scores.softmax(-1, dtype=torch.float32)[..., :count].to(part.dtype)
    mixed = shares.reshape(batch, kv_heads, pairs.shared * size, count) @ pairs.values
    return mixed.view(batch, heads, size, -1)
