"""Causal convolutions of channels, each alone or in groups, that remember their last inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor


def added(x: Tensor, weight: Tensor | None, state: Tensor | None, *, scaled: bool = False) -> Tensor:
    """[batch, new, channels] with its own convolution added; as it is where there is none.

    Where `scaled` the sum is divided by sqrt(kernel + 1), as many as were added (Inkling 2).
    """
    if weight is None or state is None:
        return x
    made = x + convolved(x, weight, None, state)
    return made * (weight.shape[-1] + 1) ** -0.5 if scaled else made


def convolved(x: Tensor, weight: Tensor, bias: Tensor | None, state: Tensor, *, dilation: int = 1) -> Tensor:
    """[batch, new, channels] of the same shape; `state` [batch, past, channels] is read and replaced.

    `weight` [channels, kernel], or [channels, channels of a group, kernel] where those of a group mix. Its taps lie
    `dilation` tokens apart, and past is (kernel - 1) dilation.
    """
    if weight.ndim == 2:
        weight = weight[:, None]
    whole = torch.cat([state, x], 1)
    state.copy_(whole[:, whole.shape[1] - state.shape[1] :])
    groups = weight.shape[0] // weight.shape[1]
    made = functional.conv1d(whole.transpose(1, 2), weight, bias, dilation=dilation, groups=groups)
    return made.transpose(1, 2)
