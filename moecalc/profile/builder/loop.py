"""Stacks in a loop: a low one that runs several times for each time that a high one does (HRM, arXiv 2506.21734).

Each application of a layer has keys and values of its own, so a state is as long as the runs and not as the layers.
Source of the wiring: the reference implementation in transformers 5.23, models/hrm_text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from moecalc.ir.blocks.base import norm_rows
from moecalc.ir.roles import Role
from moecalc.profile.builder.elementwise import Norm
from moecalc.profile.builder.tensors import Module

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from moecalc.ir.blocks.stack import Stack
    from moecalc.ir.rows import Row
    from moecalc.ir.site import Site
    from moecalc.profile.builder.cache import LayerCache
    from moecalc.profile.builder.layer import Sublayers
    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.step import Call
    from moecalc.profile.builder.tensors import Store


def order_of_runs(stacks: Sequence[Stack]) -> tuple[int, ...]:
    """Which of the stored layers run, in order; those of the low stack come first."""
    low, high = (len(stack.kinds) for stack in stacks)
    inner = stacks[0].applications // stacks[1].applications
    cycle = (*tuple(range(low)) * inner, *range(low, low + high))
    return cycle * stacks[1].applications


def loop_rows(stacks: Sequence[Stack], site: Site) -> Iterator[Row]:
    """What the loop has beside its layers: the vector that it starts from, and a norm behind each stack."""
    yield site.vector(Role.RESIDUAL_INITIAL, site.hidden_axis)
    for stack in stacks:
        if stack.final_norm:
            yield from norm_rows(stack.final_norm, Role.NORM_FINAL, site, site.hidden_axis)


class Loop(Module):
    """The high state starts from the embeddings and the low one from a stored vector; each adds up both."""

    def __init__(
        self, stacks: Sequence[Stack], layers: Sequence[Sublayers], store: Store, numerics: Numerics
    ) -> None:
        super().__init__()
        self.start = store.take(Role.RESIDUAL_INITIAL)
        low = len(stacks[0].kinds)
        self._layers = (tuple(layers[:low]), tuple(layers[low:]))
        self._cycles = stacks[1].applications
        self._inner = stacks[0].applications // self._cycles
        self.norms = torch.nn.ModuleList(
            Norm(stack.final_norm, Role.NORM_FINAL, store, numerics)
            if stack.final_norm
            else torch.nn.Identity()
            for stack in stacks
        )

    def forward(self, x: Tensor, call: Call, caches: Sequence[Sequence[LayerCache]]) -> Tensor:
        """[batch, new, hidden], normed; `caches` in the order of `order_of_runs`."""
        left = iter(caches)
        high, low = x, self.start.expand_as(x)
        for _ in range(self._cycles):
            for _ in range(self._inner):
                low = self._run(0, low + high, call, left)
            high = self._run(1, high + low, call, left)
        return high

    def _run(self, stack: int, x: Tensor, call: Call, caches: Iterator[Sequence[LayerCache]]) -> Tensor:
        for layer in self._layers[stack]:
            x = layer(x, call, next(caches))
        made: Tensor = self.norms[stack](x)
        return made
