"""Attention residuals: a sublayer reads a learned mix of the running stream and of earlier blocks of it (Inkling 2).

The stream stands behind its earlier blocks as [batch, new, states, hidden], the running one last; every `block_size`
layers it is kept, and begins anew with what the mixer makes.
Source of the formulas: the reference implementation in transformers 5.23, models/inkling2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.ir.roles import Role
from moecalc.profile.builder.layer import Sublayers, through
from moecalc.profile.builder.ranges import named
from moecalc.profile.builder.refusal import refused
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from moecalc.ir.blocks.attention_residual import AttentionResidual
    from moecalc.ir.blocks.stack import Layer
    from moecalc.profile.builder.cache import LayerCache
    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.routing import Forced
    from moecalc.profile.builder.step import Call

EPSILON = 1e-6
"""Of the norm of the states, which has no parameter and no epsilon of its own in a config."""


class Mixes(Module):
    """Learned queries [queries, hidden], each of which mixes the normed states of a token."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.queries = store.take(Role.RESIDUAL_MIX)

    def forward(self, states: Tensor) -> tuple[Tensor, ...]:
        """A mix [batch, new, hidden] for each query, of states [batch, new, states, hidden]."""
        normed = functional.rms_norm(states, states.shape[-1:], eps=EPSILON)
        scores = functional.linear(normed, self.queries) * states.shape[-1] ** -0.5
        shares = scores.transpose(-1, -2).softmax(-1, dtype=torch.float32).to(states.dtype)
        mixed: tuple[Tensor, ...] = (shares @ normed).unbind(-2)
        return mixed


class LastMix(Mixes):
    """What the final norm reads."""

    def spread(self, x: Tensor) -> Tensor:
        """The embedding as the running stream, with no block before it."""
        return x[:, :, None]

    def collapse(self, states: Tensor) -> Tensor:
        """[batch, new, hidden] of the states."""
        return self(states)[0]


class MixedLayer(Sublayers):
    """A layer whose sublayers read mixes; its attention may read one for queries, keys and values each."""

    def __init__(
        self,
        residual: AttentionResidual,
        layer: Layer,
        store: Store,
        numerics: Numerics,
        index: int,
        forced: Forced | None,
    ) -> None:
        if layer.norm_placement != "pre" or not (layer.mixer and layer.ffn and layer.conv_kernel):
            raise refused("`Stack` with `attention_residual` around a layer that is not Inkling 2's")
        super().__init__(layer, store, numerics, index, forced)
        self._begins = index % residual.block_size == 0
        self.mixer_mixes = Mixes(store) if index else None
        self.ffn_mix = Mixes(store)

    def forward(self, x: Tensor, call: Call, caches: Sequence[LayerCache]) -> Tensor:
        """States [batch, new, states, hidden] behind the layer."""
        convolutions = caches[-1].every(Role.RECURRENT_CONV_STATE)
        running = x[:, :, -1]
        with named("residual"):
            read = (running,) if self.mixer_mixes is None else self.mixer_mixes(x)
        sources = [
            through(norm, read[-1 if index >= len(read) else index]) for index, norm in enumerate(self.norms)
        ]
        made = self.mixers[0](sources[0], call, caches[0], sources=sources[1:])
        made = self.behind(made, self.mixer_conv, convolutions[0])
        stream = made if self._begins else running + made
        states = torch.cat([x if self._begins else x[:, :, :-1], stream[:, :, None]], 2)
        with named("residual"):
            (read_by_ffn,) = self.ffn_mix(states)
        fed = self.behind(self.fed(read_by_ffn, call, caches), self.ffn_conv, convolutions[1])
        return torch.cat([states[:, :, :-1], (stream + fed)[:, :, None]], 2)
