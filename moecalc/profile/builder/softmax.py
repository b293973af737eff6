"""Softmax attention: torch's fused kernels where they have the case, else plain matmuls over blocks of queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.profile.builder.cache import Seen
from moecalc.profile.builder.fused import fused
from moecalc.profile.builder.pairs import Pairs, plain
from moecalc.profile.builder.ran import is_recorded, record_kernel

if TYPE_CHECKING:
    from torch import Tensor

QUERIES = 1024
"""Queries that plain attention scores at once: their scores are held in memory."""

PLAIN = "plain matmuls"


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    seen: Seen,
    *,
    scale: float,
    sinks: Tensor | None = None,
    added: Tensor | None = None,
    softcap: float | None = None,
) -> Tensor:
    """Mixed values [batch, new, heads, v_head_dim] of queries [batch, new, heads, head_dim].

    Keys and values are [batch, keys, kv_heads, ...]. `sinks` [heads] are logits that take part in the softmax and mix
    in nothing, [batch, heads, new] where each token has its own. `added` [batch, heads or kv_heads or 1, new, keys] is
    added to scores, and masks in place of `seen`; it goes with no `softcap`, by which a score s becomes softcap x
    tanh(s / softcap), and with sinks only of every head and token. All score positions are counted, whichever of them a
    kernel computes.
    """
    batch, new, heads, width = q.shape
    kv_heads = k.shape[2]
    keys, values = k.transpose(1, 2), v.transpose(1, 2)
    if sinks is not None and added is not None:
        record_kernel(PLAIN)
        pairs = Pairs(q.transpose(1, 2), keys, values, causal=False, allowed=None, scale=scale, added=added)
        return plain(pairs, sinks, QUERIES).transpose(1, 2)
    lacking = sinks is not None or softcap is not None  # in torch's scaled_dot_product_attention
    reasons = ""
    if lacking or (new > 1 and seen.allowed is not None and added is None):
        allowed = seen.allowed
        if allowed is not None and allowed.ndim > 4:  # one for the heads that share keys, and one for these
            allowed = allowed[:, :, 0]
        pairs = Pairs(q.transpose(1, 2), keys, values, seen.causal, allowed, scale, softcap)
        made, reasons = _by_others(pairs, sinks, lacking=lacking)
        if made is not None:
            return made.transpose(1, 2)
    if new == 1 and (added is not None or seen.allowed is None):
        # The query heads that share keys stand as queries of one head: no key is repeated.
        grouped = q.view(batch, kv_heads, heads // kv_heads, width)
        if added is not None and added.shape[1] == heads != kv_heads:
            added = added.view(batch, kv_heads, heads // kv_heads, -1)
        made = _by_torch(grouped, keys, values, added, scale=scale)
        return made.reshape(batch, 1, heads, values.shape[-1])
    mask = seen.allowed
    if added is not None:
        mask = added if added.shape[1] in (1, heads) else added.repeat_interleave(heads // kv_heads, 1)
    causal = seen.causal and added is None
    made = _by_torch(q.transpose(1, 2), keys, values, mask, causal=causal, scale=scale, reasons=reasons)
    return made.transpose(1, 2)


def _by_others(pairs: Pairs, sinks: Tensor | None, *, lacking: bool) -> tuple[Tensor | None, str]:
    """Mixed values [batch, heads, new, v_head_dim] by another kernel than `_by_torch` calls, or None and why by none.

    Where `lacking`, that one does not have the case, and plain matmuls are the last resort.
    """
    made, words = fused(pairs, sinks)
    if made is None and lacking:
        made, words = plain(pairs, sinks, QUERIES), f"{PLAIN} ({words})" if words else PLAIN
    if made is not None:
        record_kernel(words)
    return made, words


def _by_torch(
    q: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor | None,
    *,
    scale: float,
    causal: bool = False,
    reasons: str = "",
) -> Tensor:
    """Mixed values [batch, heads, new, v_head_dim] by torch, which chooses among its kernels.

    `reasons` say why none that is better for a mask was used.
    """
    shares = keys.shape[1] != q.shape[1]
    if is_recorded():
        name = _chosen(q, keys, values, mask, scale=scale, causal=causal, shares=shares)
        record_kernel(f"{name} ({reasons})" if reasons else name)
    made: Tensor = functional.scaled_dot_product_attention(
        q, keys, values, attn_mask=mask, is_causal=causal, scale=scale, enable_gqa=shares
    )
    return made


def _chosen(
    q: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, *, scale: float, causal: bool, shares: bool
) -> str:
    """The name of the kernel that torch chooses."""
    from torch.nn.attention import SDPBackend

    number = torch._fused_sdp_choice(  # noqa: SLF001 - its only name
        q, keys, values, attn_mask=mask, is_causal=causal, scale=scale, enable_gqa=shares
    )
    words = {
        SDPBackend.MATH: PLAIN,
        SDPBackend.FLASH_ATTENTION: "flash attention",
        SDPBackend.EFFICIENT_ATTENTION: "memory-efficient attention",
        SDPBackend.CUDNN_ATTENTION: "cuDNN attention",
    }
    return f"{words.get(SDPBackend(number), 'a fused kernel')} of scaled_dot_product_attention"
