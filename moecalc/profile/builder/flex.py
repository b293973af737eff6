"""torch's flex attention, compiled: masks, a softcap and the log-sum-exp in one kernel.

`torch.nn.attention.flex_attention` (Dong et al. 2024, arXiv 2412.05496) skips blocks of 128 x 128 scores that a mask
leaves out whole. Compiled code is not seen by dispatch modes, and under one it would not be compiled: modes are set
aside for it, and its FLOPs are recorded apart, of all positions, as torch's own formula for the operation has it
(torch/utils/flop_counter.py of 2.13, `flex_attention_forward_flop`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

from moecalc.profile.builder.ran import record_flops

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from moecalc.profile.builder.pairs import Pairs

OPERATION = "flex_attention"

SHAPES = 256
"""Shapes and masks that it is compiled for, each by itself: kernels of fixed shapes are the faster ones."""


def flex(pairs: Pairs, with_logsumexp: bool) -> tuple[Tensor, Tensor | None]:
    """Mixed values [batch, heads, new, v_head_dim], and where asked for the log-sum-exps [batch, heads, new].

    Raises what torch's compiler raises where it has no kernel: on a CPU it gives no log-sum-exp (torch 2.13).
    """
    from torch.nn.attention import flex_attention as flexible

    words: dict[str, Any] = {
        "score_mod": None if pairs.softcap is None else _capped(pairs.softcap),
        "scale": pairs.scale,
        "enable_gqa": pairs.shared > 1,
    }
    names_asked = hasattr(flexible, "AuxRequest")  # torch 2.9 and later
    if with_logsumexp:
        words |= {"return_aux": flexible.AuxRequest(lse=True)} if names_asked else {"return_lse": True}
    with _disable_current_modes(), torch._dynamo.config.patch(recompile_limit=SHAPES):  # noqa: SLF001 - its only name
        made = _compiled()(pairs.q, pairs.keys, pairs.values, block_mask=_block_mask(pairs), **words)
    record_flops(OPERATION, pairs.flops)
    if not with_logsumexp:
        return made, None
    mixed, beside = made
    return mixed, beside.lse if names_asked else beside


@lru_cache
def _compiled() -> Callable[..., Any]:
    from torch.nn.attention.flex_attention import flex_attention

    compiled: Callable[..., Any] = torch.compile(flex_attention, fullgraph=True, dynamic=False)
    return compiled


@lru_cache
def _capped(softcap: float) -> Callable[..., Tensor]:
    def capped(score: Tensor, _batch: Tensor, _head: Tensor, _query: Tensor, _key: Tensor) -> Tensor:
        return softcap * torch.tanh(score / softcap)

    return capped


def _block_mask(pairs: Pairs) -> Any:
    from torch.nn.attention.flex_attention import create_block_mask

    allowed, new, keys = pairs.allowed, pairs.q.shape[2], pairs.keys.shape[2]
    if pairs.causal:
        return _causal(new, pairs.q.device)
    if allowed is None:
        return None

    def of_all(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return allowed[query, key]

    def of_each(batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return allowed[batch, 0, query, key]

    if allowed.ndim == 2:
        return create_block_mask(of_all, None, None, new, keys, device=pairs.q.device)
    return create_block_mask(of_each, pairs.q.shape[0], None, new, keys, device=pairs.q.device)


@lru_cache(maxsize=8)
def _causal(tokens: int, device: torch.device) -> Any:
    from torch.nn.attention.flex_attention import create_block_mask

    def seen(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return query >= key

    return create_block_mask(seen, None, None, tokens, tokens, device=device)
