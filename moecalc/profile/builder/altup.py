"""Alternating updates: several copies of the residual stream, of which each layer works on one (Gemma 3n).

Source of the formulas: Baykal et al. 2023, arXiv 2301.13310; Menghani et al. 2024, arXiv 2411.07501 (LAuReL);
transformers 5.23, models/gemma3n.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.ir.roles import Role
from moecalc.profile.builder.elementwise import Norm
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.numerics import Numerics

SMALLEST = 1e-5
"""Below which the mean square of a copy is not divided by."""


class Alternation(Module):
    """Around one layer: all copies predicted from the first, and corrected by what the layer makes of it."""

    def __init__(self, streams: int, store: Store, numerics: Numerics) -> None:
        super().__init__()
        self._streams = streams
        self.norm = Norm("rms", Role.NORM, store, numerics)
        self.router, self.prediction, self.correction = (store.take(Role.RESIDUAL_MIX) for _ in range(3))
        self.scale = store.take(Role.RESIDUAL_SCALE)

    def predict(self, streams: Tensor) -> Tensor:
        """[batch, new, streams, hidden], of the same shape."""
        coefficients = functional.linear(self._scores(streams[:, :, 0]), self.prediction)
        square = coefficients.unflatten(-1, (self._streams, self._streams))
        return streams + square @ streams

    def correct(self, predicted: Tensor, made: Tensor) -> Tensor:
        """Predictions [batch, new, streams, hidden] moved by how far the first was off [batch, new, hidden]."""
        weights = functional.linear(self._scores(made), self.correction) + 1
        return predicted + weights[..., None] * (made - predicted[:, :, 0])[:, :, None]

    def tell(self, corrected: Tensor, told: Tensor) -> Tensor:
        """Copies with something added to all but the first."""
        return torch.cat([corrected[:, :, :1], corrected[:, :, 1:] + told[:, :, None]], 2)

    def _scores(self, x: Tensor) -> Tensor:
        return torch.tanh(functional.linear(self.norm(x) / x.shape[-1], self.router).float()).to(x.dtype)


class Copies(Module):
    """The way from the embedding to the copies, and from them to one stream; each copy as long as the first."""

    def __init__(self, streams: int, store: Store) -> None:
        super().__init__()
        self._others = streams - 1
        self.out = store.take_if(self._others, Role.RESIDUAL_MIX)
        self.back = store.take_if(self._others, Role.RESIDUAL_MIX)

    def spread(self, x: Tensor) -> Tensor:
        """[batch, new, streams, hidden] of [batch, new, hidden]."""
        if self.out is None:
            return x[:, :, None]
        others = functional.linear(x, self.out).unflatten(-1, (self._others, -1))
        return torch.cat([x[:, :, None], _as_long_as(x, others)], 2)

    def collapse(self, streams: Tensor) -> Tensor:
        """[batch, new, hidden]: their mean, each of the others projected back first."""
        first = streams[:, :, 0]
        if self.back is None:
            return first
        matrices = self.back.unflatten(0, (self._others, -1))
        others = streams[:, :, 1:].flatten(0, 1).transpose(0, 1)
        made = torch.bmm(others, matrices.transpose(1, 2)).transpose(0, 1).view_as(streams[:, :, 1:])
        return torch.cat([first[:, :, None], _as_long_as(first, made)], 2).mean(2)


class Laurel(Module):
    """The normed stream and a low-rank path of it, beside attention."""

    def __init__(self, store: Store, numerics: Numerics) -> None:
        super().__init__()
        self.narrow, self.wide = store.take(Role.RESIDUAL_MIX), store.take(Role.RESIDUAL_MIX)
        self.norm = Norm("rms", Role.NORM, store, numerics)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, new, hidden], of the same shape."""
        return x + self.norm(functional.linear(functional.linear(x, self.narrow), self.wide))


def _as_long_as(x: Tensor, others: Tensor) -> Tensor:
    """Others [batch, new, copies, hidden] scaled to the root mean square of `x` [batch, new, hidden]."""
    wanted = x.square().mean(-1, keepdim=True).sqrt()[:, :, None]
    return others * wanted / others.square().mean(-1, keepdim=True).clamp(min=SMALLEST).sqrt()
