"""A recording of real routing: how often each expert of each layer was chosen, and where known by which token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from numpy.typing import NDArray

INSTALL = "pip install 'moecalc[arrays]'"
"""What brings numpy, which files of choices need."""

MAX_EXPERTS = 65_536
"""Of one layer: an index beyond it is read as something else than an expert's."""

MAX_CELLS = 2**22
"""Layers times experts: a hundred times what models have. A small file can say more than memory holds."""


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """Router choices or their counts, from a file or from a model that was watched.

    `counts` [layers][experts] are tokens that chose each expert; None where `choices` hold them still to be counted.
    `choices` [tokens, layers, top_k] are indices of experts, best first where `best_first`; -1 is no choice. `starts`
    are the tokens at which sequences begin; None: nobody says, and it is taken for one sequence. `layer_names` are the
    indices of layers as the file has them.

    `mean_probability` [layers][experts] is the router's mean probability of each expert, `z_loss` [layers] the mean
    squared log-sum-exp of its logits; None where the file has no logits.
    """

    source: str
    experts: int
    layer_names: tuple[int, ...]
    counts: tuple[tuple[int, ...], ...] | None = None
    choices: Any = None
    starts: tuple[int, ...] | None = None
    best_first: bool = True
    mean_probability: tuple[tuple[float, ...], ...] | None = None
    z_loss: tuple[float, ...] | None = None
    notes: tuple[str, ...] = ()

    @property
    def tokens(self) -> int | None:
        """Tokens whose choices are at hand; None where only counts are."""
        return None if self.choices is None else int(self.array.shape[0])

    @property
    def top_k(self) -> int | None:
        """Choices per token and layer; None where only counts are at hand."""
        return None if self.choices is None else int(self.array.shape[2])

    @property
    def array(self) -> NDArray[Any]:
        """The choices as an array. Call it only where there are any."""
        made: NDArray[Any] = self.choices
        return made
