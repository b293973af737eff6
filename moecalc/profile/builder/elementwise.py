"""Norms, activations, rotary positions: what has no matmul."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from moecalc.ir.blocks.base import Norm as NormKind
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.ir.roles import Role
    from moecalc.profile.builder.numerics import Numerics


class Norm(Module):
    """A norm over the last axis, or over each of `groups` equal parts of it, under one scale.

    One without parameters scales by the root mean square.
    """

    def __init__(self, kind: NormKind, role: Role, store: Store, numerics: Numerics, groups: int = 1) -> None:
        super().__init__()
        self._centred = kind in ("layer", "layer_no_bias")
        self._groups = groups
        self._epsilon = numerics.norm_epsilon
        self.scale = store.take_if(kind != "unweighted", role)
        self.bias = store.take_if(kind == "layer", role)
        self.narrow: Tensor | None = None
        self.wide: Tensor | None = None

    def gate_by(self, narrow: Tensor, wide: Tensor) -> None:
        """Have a gate behind it, sigmoid(wide silu(narrow y)) with [rank, width] and [width, rank] (A.X K2)."""
        self.narrow, self.wide = narrow, wide

    def forward(self, x: Tensor) -> Tensor:
        """[..., width], in the type it came in."""
        if self._centred:
            made = functional.layer_norm(x, x.shape[-1:], self.scale, self.bias, self._epsilon)
        elif self._groups > 1:
            parts = x.unflatten(-1, (self._groups, -1))
            made = functional.rms_norm(parts, parts.shape[-1:], None, self._epsilon).flatten(-2) * self.scale
        else:
            made = functional.rms_norm(x, x.shape[-1:], self.scale, self._epsilon)
        if self.narrow is None or self.wide is None:
            return made
        inner = functional.silu(functional.linear(made, self.narrow))
        return made * torch.sigmoid(functional.linear(inner, self.wide))


def activated(gate: Tensor, up: Tensor | None, numerics: Numerics) -> Tensor:
    """The inner activations of a feed-forward, gated where there is an up-projection beside the gate.

    They are made where the gate lies, which nobody else may hold: what a prompt has at its peak is these tensors.
    """
    kind = numerics.activation
    if kind == "clamped_swiglu" and up is not None:
        gate = gate.clamp_(max=7.0)
        gate = gate.mul_(torch.sigmoid(1.702 * gate))
        return gate.mul_(up.clamp(-7.0, 7.0).add_(1))
    if kind == "softcapped_swiglu" and up is not None:
        return (torch.tanh(gate / 4) * 4).mul_(gate.sigmoid_()).mul_(torch.tanh(up / 25) * 25)
    if kind == "silu":
        inner = functional.silu(gate, inplace=True)
    elif kind == "relu_squared":
        inner = gate.relu_().square_()
    else:
        inner = torch.ops.aten.gelu_(gate)
    return inner if up is None else inner.mul_(up)


def cut(x: Tensor, longest: float) -> Tensor:
    """Vectors [..., width] no longer than `longest`: those that are, scaled down to it."""
    lengths = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
    return x * (longest / (lengths + 1e-6)).clamp(max=1.0).to(x.dtype)


def xielu(x: Tensor, alphas: Tensor, constants: Tensor) -> Tensor:
    """Parabola above 0, exponential below (Huang and Schlag 2024, arXiv 2411.13010).

    `alphas` [2] are learned, one for each side, and go through a softplus; `constants` [2] are the slope at 0 and the
    number that exponents are cut off at.
    """
    above, below = functional.softplus(alphas)
    slope, limit = constants
    bent = torch.where(x > 0, above * x * x, (torch.expm1(torch.minimum(x, limit)) - x) * (slope + below))
    return bent + slope * x


def rotation(
    past: int, new: int, width: int, device: Any, numerics: Numerics, step: int = 1
) -> tuple[Tensor, Tensor]:
    """Cosines and sines [new, width // 2] of positions from `past` on, `step` apart (Su et al., arXiv 2104.09864)."""
    half = width // 2
    rates = numerics.rope_theta ** (-torch.arange(half, device=device, dtype=torch.float32) / half)
    angles = (past + step * torch.arange(new, device=device, dtype=torch.float32))[:, None] * rates
    return angles.cos(), angles.sin()


def rotated(x: Tensor, turn: tuple[Tensor, Tensor], numerics: Numerics) -> Tensor:
    """Queries or keys [batch, new, heads, width] turned by their positions; an odd last channel stays."""
    half = turn[0].shape[-1]
    cos, sin = (part[None, :, None].to(x.dtype) for part in turn)
    turning, rest = x[..., : 2 * half], x[..., 2 * half :]
    if numerics.rope_interleaved:
        a, b = turning[..., ::2], turning[..., 1::2]
        made = torch.stack([a * cos - b * sin, b * cos + a * sin], -1).flatten(-2)
    else:
        a, b = turning[..., :half], turning[..., half:]
        made = torch.cat([a * cos - b * sin, b * cos + a * sin], -1)
    return torch.cat([made, rest], -1) if rest.shape[-1] else made
