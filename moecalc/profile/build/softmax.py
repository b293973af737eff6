"""Softmax attention: torch's fused kernel where it has one for the case, else plain matmuls over blocks of queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.profile.build.cache import Seen

if TYPE_CHECKING:
    from torch import Tensor

QUERIES = 1024
"""Queries that plain attention scores at once: their scores are held in memory."""


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    seen: Seen,
    *,
    scale: float,
    sinks: Tensor | None = None,
    added: Tensor | None = None,
) -> Tensor:
    """Mixed values [batch, new, heads, v_head_dim] of queries [batch, new, heads, head_dim].

    Keys and values are [batch, keys, kv_heads, ...]. `sinks` [heads] are logits that take part in the softmax and mix
    in nothing. `added` [batch, kv_heads or 1, new, keys] is added to scores, and masks in place of `seen`; it goes
    with no sinks. All score positions are computed where torch has no kernel for it, and counted in any case.
    """
    batch, new, heads, width = q.shape
    kv_heads = k.shape[2]
    keys, values = k.transpose(1, 2), v.transpose(1, 2)
    if sinks is not None:
        return _plain(q, keys, values, seen, scale, sinks)
    if new == 1 and (added is not None or seen.allowed is None):
        # The query heads that share keys stand as queries of one head: no key is repeated.
        grouped = q.view(batch, kv_heads, heads // kv_heads, width)
        made = functional.scaled_dot_product_attention(grouped, keys, values, attn_mask=added, scale=scale)
        return made.reshape(batch, 1, heads, values.shape[-1])
    made = functional.scaled_dot_product_attention(
        q.transpose(1, 2),
        keys,
        values,
        attn_mask=seen.allowed if added is None else added.repeat_interleave(heads // kv_heads, 1),
        is_causal=seen.causal and added is None,
        scale=scale,
        enable_gqa=kv_heads != heads,
    )
    return made.transpose(1, 2)


def _plain(q: Tensor, keys: Tensor, values: Tensor, seen: Seen, scale: float, sinks: Tensor) -> Tensor:
    batch, new, heads, width = q.shape
    kv_heads, count = keys.shape[1], keys.shape[2]
    shared = heads // kv_heads
    logits = sinks.view(1, kv_heads, shared, 1, 1)
    made = []
    for start in range(0, new, QUERIES):
        part = q[:, start : start + QUERIES]
        size = part.shape[1]
        grouped = part.view(batch, size, kv_heads, shared, width).permute(0, 2, 3, 1, 4)
        scores = grouped.reshape(batch, kv_heads, shared * size, width) @ keys.transpose(-1, -2)
        scores = scores.view(batch, kv_heads, shared, size, count) * scale
        scores = seen.masked(scores, start)
        beside = logits.to(scores.dtype).expand(batch, kv_heads, shared, size, 1)
        shares = torch.cat([scores, beside], -1).softmax(-1, dtype=torch.float32)[..., :-1].to(q.dtype)
        mixed = shares.reshape(batch, kv_heads, shared * size, count) @ values
        mixed = mixed.view(batch, kv_heads, shared, size, -1)
        made.append(mixed.permute(0, 3, 1, 2, 4).reshape(batch, size, heads, -1))
    return made[0] if len(made) == 1 else torch.cat(made, 1)
