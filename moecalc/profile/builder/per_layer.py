"""Per-layer embeddings: a second table, of whose row every layer reads its own part (Gemma 3n).

Source of the formulas: the reference implementation in transformers 5.23, models/gemma3n and models/gemma4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from moecalc.ir.roles import Role
from moecalc.profile.builder.elementwise import Norm, activated
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.ir.blocks.per_layer import PerLayerEmbedding
    from moecalc.profile.builder.numerics import Numerics


class TokenInputs(Module):
    """What each layer is told of each token: its row of the table, and the token's embedding projected and normed."""

    def __init__(self, block: PerLayerEmbedding, store: Store, numerics: Numerics) -> None:
        super().__init__()
        self._width = block.width
        self.table = store.take(Role.EMBEDDING_PER_LAYER)
        self.projection = store.take(Role.EMBEDDING_PROJECTION)
        self.norm = Norm("rms", Role.NORM, store, numerics)

    def forward(self, ids: Tensor, embedded: Tensor) -> Tensor:
        """[batch, new, layers, width]; ids that the table does not reach look up its first row."""
        ids = ids.masked_fill(ids >= len(self.table), 0)
        looked_up = functional.embedding(ids, self.table).unflatten(-1, (-1, self._width))
        projected = functional.linear(embedded, self.projection) * embedded.shape[-1] ** -0.5
        return (self.norm(projected.unflatten(-1, (-1, self._width))) + looked_up) * 2**-0.5


class LayerInput(Module):
    """What a layer makes of it: gated by the stream, projected back, normed."""

    def __init__(self, store: Store, numerics: Numerics) -> None:
        super().__init__()
        self._numerics = numerics
        self.gate, self.back = store.take(Role.FFN_OTHER), store.take(Role.FFN_OTHER)
        self.norm = Norm("rms", Role.NORM, store, numerics)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """[batch, new, hidden] from the stream and what the layer is told [batch, new, width]."""
        inner = activated(functional.linear(x, self.gate), told, self._numerics)
        return self.norm(functional.linear(inner, self.back))
