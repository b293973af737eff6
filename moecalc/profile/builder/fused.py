"""Fused attention for what torch's scaled_dot_product_attention lacks: sinks, softcaps, masks that skip blocks.

Sinks are by the log-sum-exp. A mask costs scaled_dot_product_attention its flash kernel, and every position is scored.

| kernel | devices | mask | softcap | log-sum-exp |
|---|---|---|---|---|
| aten._scaled_dot_product_flash_attention_for_cpu | CPU | yes | no | yes |
| aten._scaled_dot_product_flash_attention | CUDA, 16 bits | causal alone | no | yes |
| flex attention, compiled | CUDA | yes | yes | yes |

A kernel is used for a case (shapes of heads, dtype, kind of mask) once it gave there what plain matmuls give, on random
numbers; one that raises or differs is left out, and the reason is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.utils._python_dispatch import _disable_current_modes

from moecalc.profile.builder.flex import flex
from moecalc.profile.builder.pairs import Pairs, beside_sinks, plain
from moecalc.profile.builder.ran import recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

TOLERANCE = {torch.float32: 2e-3, torch.bfloat16: 2e-2, torch.float16: 4e-3}
"""Of the largest value, in a trial. Float32 may be multiplied as TF32 on a GPU, whose mantissa has 10 bits."""

TRIAL_TOKENS = 160
"""More than one block of 128 scores."""

TRIAL_SOFTCAP = 2.0
"""Of scores of the size of 1: released caps, 30 and 50, would leave them as they are."""


class Kernel(NamedTuple):
    """One way to mix values in one call."""

    name: str
    run: Callable[[Pairs, bool], tuple[Tensor, Tensor | None]]
    """Of pairs, and whether the log-sum-exps are asked for: mixed values and these."""


class Case(NamedTuple):
    """What decides whether a kernel can be used, beside the numbers of sequences and tokens."""

    device: torch.device
    dtype: torch.dtype
    kv_heads: int
    shared: int
    width: int
    value_width: int
    alone: bool
    """One new token."""
    causal: bool
    masked: int
    """Axes of the mask; 0 without one."""
    capped: bool
    sinks: bool


def _grouped(pairs: Pairs) -> tuple[Tensor, Tensor | None]:
    """Queries and mask of one token with query heads that share keys as queries of one head; else as they are."""
    q, allowed = pairs.q, pairs.allowed
    if q.shape[2] > 1:
        return q, allowed
    q = q.reshape(q.shape[0], -1, pairs.shared, q.shape[3])
    return q, None if allowed is None else allowed.expand(*allowed.shape[:-2], pairs.shared, -1)


def _flash_on_cpu(pairs: Pairs, _: bool) -> tuple[Tensor, Tensor]:
    q, allowed = _grouped(pairs)
    mask = None  # which the kernel takes as numbers to add
    if allowed is not None:
        mask = torch.zeros(allowed.shape, dtype=q.dtype).masked_fill(~allowed, float("-inf"))
    mixed, logsumexp = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(  # noqa: SLF001 - its only name
        q, pairs.keys, pairs.values, 0.0, pairs.causal, attn_mask=mask, scale=pairs.scale
    )
    return mixed.reshape(*pairs.q.shape[:3], -1), logsumexp.reshape(pairs.q.shape[:3])


def _flash_on_cuda(pairs: Pairs, _: bool) -> tuple[Tensor, Tensor]:
    q, _allowed = _grouped(pairs)
    made = torch.ops.aten._scaled_dot_product_flash_attention(  # noqa: SLF001 - its only name
        q, pairs.keys, pairs.values, 0.0, pairs.causal, False, scale=pairs.scale
    )
    return made[0].reshape(*pairs.q.shape[:3], -1), made[1].reshape(pairs.q.shape[:3])


FLASH_ON_CPU = Kernel("flash attention and its log-sum-exp", _flash_on_cpu)
FLASH_ON_CUDA = Kernel("flash attention and its log-sum-exp", _flash_on_cuda)
FLEX = Kernel("flex attention, compiled", flex)

_LEFT_OUT: dict[tuple[Kernel, Case], str] = {}
"""Why a kernel that was tried is not used; empty words where it is."""


def case_of(pairs: Pairs, sinks: Tensor | None) -> Case:
    """What kernels are chosen by."""
    return Case(
        device=pairs.q.device,
        dtype=pairs.q.dtype,
        kv_heads=pairs.keys.shape[1],
        shared=pairs.shared,
        width=pairs.q.shape[3],
        value_width=pairs.values.shape[3],
        alone=pairs.q.shape[2] == 1,
        causal=pairs.causal,
        masked=0 if pairs.allowed is None else pairs.allowed.ndim,
        capped=pairs.softcap is not None,
        sinks=sinks is not None,
    )


def kernels_for(case: Case) -> tuple[Kernel, ...]:
    """Kernels that are worth a trial, the best one first; none where torch's own choice is as good."""
    if not case.sinks and not case.capped and (case.alone or not case.masked):
        return ()
    if case.device.type == "cpu" and case.sinks and not case.capped:
        return (FLASH_ON_CPU,)
    if case.device.type == "cuda":
        flash = not case.capped and not case.masked and case.dtype != torch.float32
        return (FLASH_ON_CUDA, FLEX) if flash else (FLEX,)
    return ()


def fused(pairs: Pairs, sinks: Tensor | None) -> tuple[Tensor | None, str]:
    """Mixed values [batch, heads, new, v_head_dim] and the kernel's name; None and why no kernel can be used."""
    case, reasons = case_of(pairs, sinks), []
    for kernel in kernels_for(case):
        tried = (kernel, case)
        if tried not in _LEFT_OUT:
            _LEFT_OUT[tried] = trial(kernel, case)
        if not _LEFT_OUT[tried]:
            try:
                return mixed_by(kernel, pairs, sinks), kernel.name
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # compilers raise of all kinds, and matmuls remain
                if _is_captured(case.device):
                    raise  # it is the capture that failed, which another kernel does not mend
                _LEFT_OUT[tried] = _words(error)
        reasons.append(f"{kernel.name}: {_LEFT_OUT[tried]}")
    return None, "; ".join(reasons)


def _is_captured(device: torch.device) -> bool:
    """Whether calls are recorded into a CUDA graph now."""
    return device.type == "cuda" and bool(torch.cuda.is_current_stream_capturing())


def mixed_by(kernel: Kernel, pairs: Pairs, sinks: Tensor | None) -> Tensor:
    """Mixed values [batch, heads, new, v_head_dim] by that kernel."""
    mixed, logsumexp = kernel.run(pairs, sinks is not None)
    if sinks is None:
        return mixed
    assert logsumexp is not None
    return beside_sinks(mixed, logsumexp, sinks)


def trial(kernel: Kernel, case: Case) -> str:
    """Why a kernel is not to be used for a case; nothing where it gives what plain matmuls give."""
    with recorded(), _disable_current_modes(), torch.inference_mode():  # no count holds it
        pairs, sinks = _random(case)
        exact = pairs._replace(q=pairs.q.float(), keys=pairs.keys.float(), values=pairs.values.float())
        wanted = plain(exact, sinks, TRIAL_TOKENS)
        try:
            made = mixed_by(kernel, pairs, sinks).float()
        except Exception as error:  # noqa: BLE001 - as above
            return _words(error)
        apart = float((made - wanted).abs().max() / wanted.abs().max())
    if apart <= TOLERANCE.get(case.dtype, 0.0):
        return ""
    return f"{apart:.1%} apart from plain matmuls"


def _random(case: Case) -> tuple[Pairs, Tensor | None]:
    """Two sequences; masks leave out about half, and sinks are as large as the log-sum-exps beside them."""
    generator = torch.Generator().manual_seed(0)
    new, keys, heads = 1 if case.alone else TRIAL_TOKENS, TRIAL_TOKENS, case.kv_heads * case.shared

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(case.device, case.dtype)

    allowed = None
    if case.masked:
        sizes = (new, keys) if case.masked == 2 else (2, 1, new, keys)
        allowed = torch.rand(*sizes, generator=generator) < 0.5
        allowed[..., 0] = True
        allowed = allowed.to(case.device)
    pairs = Pairs(
        normal(2, heads, new, case.width),
        normal(2, case.kv_heads, keys, case.width),
        normal(2, case.kv_heads, keys, case.value_width),
        case.causal,
        allowed,
        case.width**-0.5,
        TRIAL_SOFTCAP if case.capped else None,
    )
    return pairs, normal(heads) + 4.0 if case.sinks else None


def _words(error: Exception) -> str:
    """The kind of an error, and what it says up to the first line that announces no other."""
    said = [type(error).__name__ + ":"]
    for line in str(error).splitlines():
        said.append(line.strip())
        if not said[-1].endswith(":"):
            break
    return " ".join(said).rstrip(": ")
