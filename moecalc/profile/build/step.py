"""What the layers of one forward call share."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from moecalc.profile.build.elementwise import rotation

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from moecalc.profile.build.numerics import Numerics


class Rotations(NamedTuple):
    """The turns of the new tokens' positions, made once per width of head."""

    past: int
    new: int
    device: torch.device
    numerics: Numerics
    made: dict[int, tuple[Tensor, Tensor]]

    def of(self, width: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines for that many channels."""
        if width not in self.made:
            self.made[width] = rotation(self.past, self.new, width, self.device, self.numerics)
        return self.made[width]


class Call(NamedTuple):
    """One forward call: `new` tokens of each sequence behind `past` cached ones."""

    past: int
    new: int
    rotations: Rotations | None
    """None where positions are embedded instead."""

    @property
    def decoding(self) -> bool:
        """Whether one token follows cached ones: then recurrences run by step and latent attention absorbed."""
        return self.new == 1 and self.past > 0
