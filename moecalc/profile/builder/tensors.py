"""A layer's tensors, made from its ledger rows: what is run has the ledger's names, shapes and types by construction.

A module takes its tensors by role, in the ledger's order. A row that no module takes is a part of the model that
would not run, and is refused (`Store.finish`).
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from msgspec.structs import replace

from moecalc.ir.roles import Role
from moecalc.ir.rows import Access, Row, Weight
from moecalc.profile.builder.refusal import refused
from moecalc.profile.builder.weight_only import made_weight_only, matrix_format

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.specs.formats import Precision

DTYPES = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "int64": torch.int64,
}
"""Formats that a row may ask for itself, and torch's types for them."""


class Module(torch.nn.Module):  # type: ignore[misc] # torch is not followed by the type checker
    """A part of the network; its parameters are the tensors it took from a store."""


class Stored(NamedTuple):
    """One tensor of the network and the ledger's row that it is a copy of."""

    row: Weight
    place: str
    """Where it stands: `embedding`, `head`, or `layer 3`."""
    tensor: Tensor
    """Its values, in the row's shape."""
    beside: tuple[Tensor, ...] = ()
    """What its format stores beside them: scales."""


class Filling(NamedTuple):
    """How tensors are made: type, device, and the random numbers in them (None on `meta`)."""

    dtype: torch.dtype
    device: torch.device
    generator: torch.Generator | None
    precision: Precision | None = None
    """How rows are stored where that is not `dtype`."""


class Store:
    """The tensors of one place in the network, until its modules have taken them."""

    def __init__(self, rows: Iterable[Row], place: str, filling: Filling, index: int | None = None) -> None:
        """`index` is the layer's: how it is stored may depend on it."""
        self.place, self.index = place, index
        self.stored: list[Stored] = []
        self._left: dict[Role, deque[Any]] = defaultdict(deque)
        for row in rows:
            if not isinstance(row, Weight) or row.tied_to is not None:
                continue
            alone = row if index is None else replace(row, layers=1, indices=(index,))
            stored_as = matrix_format(alone, filling.precision)
            if stored_as is not None:
                dtype, device, generator = filling[:3]
                weight = made_weight_only(shape_of(row), stored_as, dtype, device, generator)
                self.stored.append(Stored(row, place, weight.values, weight.beside))
                self._left[row.role].append(weight)
                continue
            tensor = torch.nn.Parameter(_made(row, filling), requires_grad=False)
            self.stored.append(Stored(row, place, tensor))
            self._left[row.role].append(tensor)

    def take(self, role: Role) -> Tensor:
        """The next tensor of that role. Raises InputError where the ledger has none left."""
        if not self._left[role]:
            raise refused(f"`{self.place}`: its ledger has no further `{role.value}`")
        return self._left[role].popleft()

    def take_if(self, condition: object, role: Role) -> Tensor | None:
        """The next tensor of that role where the condition holds."""
        return self.take(role) if condition else None

    def finish(self) -> None:
        """Raise InputError naming the roles of tensors that no module took."""
        left = [role.value for role, tensors in self._left.items() if tensors]
        if left:
            raise refused(f"{self.place} with `{'`, `'.join(left)}`")


def dtype_of(stored_as: str | None, default: torch.dtype) -> torch.dtype:
    """The type of a row. Raises InputError for a format of its own that torch cannot compute in here."""
    if stored_as is None:
        return default
    if stored_as not in DTYPES:
        raise refused(f"a tensor stored as `{stored_as}`")
    return DTYPES[stored_as]


def shape_of(row: Weight) -> tuple[int, ...]:
    """The sizes of the row's axes."""
    return tuple(int(axis.size) for axis in row.shape)


def _made(row: Weight, filling: Filling) -> Any:
    """Random numbers of a size that keeps activations near 1: matrices by their width, scales 1, biases small."""
    dtype, shape = dtype_of(row.stored_as, filling.dtype), shape_of(row)
    made = torch.empty(shape, dtype=dtype, device=filling.device)
    if filling.device.type == "meta":
        return made
    if not dtype.is_floating_point or row.norm_bias:
        made.zero_()
    elif row.access is not Access.ELEMENTWISE:
        made.normal_(0, shape[-1] ** -0.5, generator=filling.generator)
    elif "norm" in row.role.value or row.role is Role.RESIDUAL_SCALE:
        made.fill_(1)
    elif row.role is Role.RECURRENT_PARAMETER:
        # Decays of some percent per token: the exponents of a whole chunk stay within float32.
        made.uniform_(-4, -2, generator=filling.generator)
    else:
        made.normal_(0, 0.02, generator=filling.generator)
    return made
