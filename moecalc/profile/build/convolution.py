"""Causal depthwise convolutions that remember their last inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor


def convolved(x: Tensor, weight: Tensor, bias: Tensor | None, state: Tensor) -> Tensor:
    """[batch, new, channels] of the same shape; `state` [batch, kernel - 1, channels] is read and replaced."""
    whole = torch.cat([state, x], 1)
    state.copy_(whole[:, whole.shape[1] - state.shape[1] :])
    made = functional.conv1d(whole.transpose(1, 2), weight[:, None], bias, groups=weight.shape[0])
    return made.transpose(1, 2)
