"""Each expert's matrix times its own tokens: one grouped matmul where torch has it, else a loop over experts."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.profile.builder.probing import answers, refusing_to_wait
from moecalc.profile.builder.weight_only import WeightOnly

if TYPE_CHECKING:
    from torch import Tensor

ALIGNMENT = 16
"""Bytes that the rows of both operands have to be a multiple of (aten/src/ATen/native/GroupedMMUtils.h)."""


def grouped_matmul(x: Tensor, weight: Tensor, ends: Tensor, known: tuple[int, ...] | None = None) -> Tensor:
    """[rows, out] of rows [rows, in] sorted by expert; weight [experts, out, in]; `ends` [experts], last row + 1.

    `known` are these ends where the host has them: a loop over experts otherwise waits for the device to tell.
    """
    if is_grouped(weight):
        made: Tensor = torch._grouped_mm(x, weight.transpose(1, 2), offs=ends)  # noqa: SLF001 - its only name
        return made
    if weight.device.type == "meta":  # no counts to loop over; as many multiplications
        return functional.linear(x, weight[0])
    parts, start = [], 0
    for expert, end in enumerate(ends.tolist() if known is None else known):
        if end > start:
            parts.append(functional.linear(x[start:end], weight[expert]))
        start = end
    return torch.cat(parts) if parts else x.new_empty(0, weight.shape[1])


def ends_of(experts: Tensor, count: int) -> Tensor:
    """[count]: the last row + 1 of each expert, of rows sorted by `experts` [rows]."""
    each = torch.arange(count, device=experts.device)
    return torch.searchsorted(experts, each, right=True, out_int32=True)


def is_grouped(weight: Tensor) -> bool:
    """Whether torch multiplies all experts of this weight in one call that does not wait for the device."""
    if isinstance(weight, WeightOnly):  # made dense, which is better done by one expert at a time
        return False
    size = weight.element_size()
    aligned = all(side * size % ALIGNMENT == 0 for side in weight.shape[1:])
    return aligned and _offered(weight.device, weight.dtype)


@lru_cache
def _offered(device: torch.device, dtype: torch.dtype) -> bool:
    """Asked by calling it: on GPUs and in types that torch has no kernel for, it reads `ends` and loops itself.

    Source: aten/src/ATen/native/GroupedMMUtils.h, `_grouped_mm_fallback`.
    """
    return device.type != "meta" and answers(lambda: _call(device, dtype))


def _call(device: torch.device, dtype: torch.dtype) -> None:
    x = torch.zeros(16, 16, dtype=dtype, device=device)
    weight = torch.zeros(2, 16, 16, dtype=dtype, device=device).transpose(1, 2)
    ends = torch.tensor([8, 16], dtype=torch.int32, device=device)
    with refusing_to_wait(device):
        torch._grouped_mm(x, weight, offs=ends)  # noqa: SLF001 - as above
