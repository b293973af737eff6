"""What the layers of one forward call share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from moecalc.profile.builder.elementwise import rotation

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from moecalc.profile.builder.cache import Seen
    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.selection import Chosen


class Rotations(NamedTuple):
    """The turns of the new tokens' positions, made once per width of head."""

    past: int
    new: int
    device: torch.device
    numerics: Numerics
    made: dict[int, tuple[Tensor, Tensor]]

    def spaced(self, first: int, count: int, step: int, width: int) -> tuple[Tensor, Tensor]:
        """Those of `count` positions from `first` on that stand `step` apart."""
        return rotation(first, count, width, self.device, self.numerics, step)

    def of(self, width: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines for that many channels."""
        if width not in self.made:
            self.made[width] = rotation(self.past, self.new, width, self.device, self.numerics)
        return self.made[width]


@dataclass
class Handed:
    """What the layers of one call hand on to later ones."""

    keys: dict[Any, Seen] | None = None
    """Keys and values by the attention that made them, where later layers read them; None where none does."""
    chosen: Chosen | None = None
    """The keys that the last indexer chose, for layers that have none of their own."""
    routed: Tensor | None = None
    """[tokens, width]: the state of the last router that hands one on."""
    joining: Tensor | None = None
    """The output of a shortcut, which joins the stream behind the next layer."""


class Call(NamedTuple):
    """One forward call: `new` tokens of each sequence behind `past` cached ones."""

    past: int
    new: int
    rotations: Rotations | None
    """None where positions are embedded instead."""
    ids: Tensor
    """The new tokens [batch, new]."""
    handed: Handed
    told: Tensor | None = None
    """[batch, new, layers, width]: what each layer is told of each token, where there are per-layer embeddings."""
    embedded: Tensor | None = None
    """The new tokens' embeddings [batch, new, hidden]."""
    source: Tensor | None = None
    """[batch, vectors, hidden] that cross-attention reads, with the first tokens of a sequence."""
    bias: Tensor | None = None
    """[1, heads, new, past + new] added to the scores of every layer, where the embedding has such a table."""

    @property
    def decoding(self) -> bool:
        """Whether one token follows cached ones: then recurrences run by step and latent attention absorbed."""
        return self.new == 1 and self.past > 0
