"""Which experts tokens go to: as the router's random weights say, or as a law or counted loads force it.

Random weights do not route like trained ones: their choices are near uniform, in batches of alike tokens worse. The
router and its choice run either way; a forced routing then replaces the choice, so that the time holds for the law.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from moecalc.calc.routing.choosing import choices
from moecalc.calc.routing.inclusion import layers_of

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.ir.rows import Pool
    from moecalc.specs.routing import Skew


class Drawn(NamedTuple):
    """The choices of so many tokens, and what follows from them where the host need not ask the device."""

    chosen: Tensor
    """[tokens, top_k] indices of experts; from `pool.experts` on those without weights."""
    ends: tuple[int, ...]
    """Of all choices sorted by expert: the last + 1 of each expert that has weights."""


class Forced:
    """Choices drawn once per layer and number of tokens, and kept: what is timed draws nothing."""

    def __init__(self, skew: Skew, seed: int) -> None:
        self._skew = skew
        self._seed = seed
        self._made: dict[tuple[int, int, int, torch.device], Drawn] = {}

    def drawn(self, pool: Pool, layer: int, tokens: int, device: torch.device, draw: int = 0) -> Drawn:
        """What the tokens of one call choose in a layer; a second router of it takes another `draw` of the same law."""
        key = draw, layer, tokens, device
        if key not in self._made:
            import numpy as np

            layers = layers_of(self._skew, pool)
            random = np.random.default_rng((self._seed, layer, tokens, *((draw,) if draw else ())))
            drawn = choices(pool, layers[layer % len(layers)], tokens, random)
            counts = np.bincount(drawn.ravel(), minlength=int(pool.experts))[: int(pool.experts)]
            self._made[key] = Drawn(
                torch.tensor(drawn.tolist(), dtype=torch.int64, device=device),
                tuple(np.cumsum(counts).tolist()),
            )
        return self._made[key]
