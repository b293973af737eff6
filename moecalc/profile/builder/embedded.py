"""From a row of the token table to what the first layer reads: projection, positions, types, norm, scale and bias."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from moecalc.ir.blocks.embedding import Embedding
from moecalc.ir.roles import Role
from moecalc.profile.builder.elementwise import Norm
from moecalc.profile.builder.prompted import TokenTypes
from moecalc.profile.builder.refusal import check_fields
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.numerics import Numerics

KNOWN = (
    "vocab_size",
    "positions",
    "width",
    "norm",
    "per_layer",
    "types",
    "prompt",
    "score_bias",
    "affine",
)


class Affine(Module):
    """(x + bias) scale, by channel; neutral before weights are copied in."""

    def __init__(self, role: Role, store: Store) -> None:
        super().__init__()
        self.scale, self.bias = store.take(role), store.take(role)
        if not self.scale.is_meta:
            self.scale.fill_(1)
            self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """[..., hidden], of the same shape."""
        return (x + self.bias) * self.scale


class Embedded(Module):
    """What is made of a token's row; of the blocks of an embedding those that the ledger lists have tensors."""

    def __init__(self, block: Embedding, store: Store, numerics: Numerics) -> None:
        super().__init__()
        check_fields(block, KNOWN)
        self.projection = store.take_if(block.width, Role.EMBEDDING_PROJECTION)
        self.positions = store.take_if(block.positions, Role.EMBEDDING_POSITIONS)
        self.types = TokenTypes(block, store) if block.types else None
        self.norm = Norm(block.norm, Role.NORM, store, numerics) if block.norm else None
        self.affine = Affine(Role.EMBEDDING_OTHER, store) if block.affine else None

    def forward(self, x: Tensor, past: int) -> Tensor:
        """[batch, new, hidden] of rows [batch, new, width] behind `past` tokens."""
        new = x.shape[1]
        if self.projection is not None:
            x = functional.linear(x, self.projection)
        if self.positions is not None:
            x = x + self.positions[past : past + new]
        if self.types is not None:
            x = x + self.types(past, new)
        if self.norm is not None:
            x = self.norm(x)
        return x if self.affine is None else self.affine(x)
