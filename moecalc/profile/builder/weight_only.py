"""Matrices stored in 8 bits with scales, multiplied in the run's own type: weight-only FP8 and INT8.

The tensors are those that the format of the ledger's row stores, in its shapes and types. A matrix is made dense before
each use, expert by expert where there are several; INT8 with a scale per output channel goes through torch's own kernel
(`_weight_int8pack_mm`) where the device has it. Serving engines multiply 8-bit operands in fused kernels: the bytes are
theirs, the time is not.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.nn import functional

from moecalc.profile.builder.probing import answers
from moecalc.profile.builder.refusal import refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from moecalc.ir.rows import Weight
    from moecalc.specs.formats import Precision
    from moecalc.specs.storage import Format

VALUES = {"fp8": torch.float8_e4m3fn, "int8": torch.int8}
"""What a format computes in -> torch's type of its values."""

SCALES = {16: torch.bfloat16, 32: torch.float32}
"""By bits. Sixteen-bit scales are the released type's."""

SPREAD = 100
"""Values are drawn up to this, of int8's 127 and E4M3's 448, and scaled to a matrix that keeps activations near 1."""

PACKED_ROWS = 32
"""Beyond so many, torch's kernel for INT8 takes longer than making the matrix dense: it is for decoding."""


class Part(NamedTuple):
    """A stored tensor beside the values of one matrix: rows and columns of each block, and its type."""

    name: str
    block: tuple[int | None, int | None]
    dtype: torch.dtype


def parts_of(format_: Format) -> tuple[torch.dtype, tuple[Part, ...]]:
    """The type of the values, and what stands beside them, the scales first.

    Raises InputError naming a format whose values are not one byte each.
    """
    values = VALUES.get(format_.computes_in or format_.name)
    if values is None or format_.bits != 8:
        raise refused(f"weights stored as `{format_.name}`")
    if format_.block is not None:
        return values, (Part("weight_scale", format_.block, SCALES[format_.scale_bits]),)
    first, *others = format_.tensors
    if first.block != (1, 1) or first.value_bits is not None or any(one.fixed or one.flat for one in others):
        raise refused(f"weights stored as `{format_.name}`")
    if not others or any(one.bits not in SCALES for one in others):
        raise refused(f"weights stored as `{format_.name}`")
    return values, tuple(Part(one.name, one.block, SCALES[one.bits]) for one in others)


def matrix_format(row: Weight, precision: Precision | None) -> Format | None:
    """The format of a matrix that is not stored in the run's type; None for all other rows."""
    if precision is None or row.stored_as is not None or row.tied_to is not None:
        return None
    found = precision.format_of(row)
    return found if found.for_matrices else None


class WeightOnly:
    """Stored values [..., out, in] with their scales; torch's functions see it as the dense matrix in `dtype`."""

    def __init__(
        self, values: Tensor, beside: tuple[Tensor, ...], dtype: torch.dtype, block: tuple[int, int]
    ) -> None:
        """`block` is the rows and columns that share one of the scales, which stand first in `beside`."""
        self.values, self.beside, self.dtype, self._block = values, beside, dtype, block
        self.shape, self.device = values.shape, values.device
        one_scale_each = values.dtype is torch.int8 and values.dim() == 2 and block == (1, values.shape[-1])
        # torch is asked here: if it were while FLOPs are counted, its answer would count too.
        self.is_packed = one_scale_each and _offered(values.device, dtype)
        """Whether torch multiplies by it as it is stored."""

    def __getitem__(self, expert: int) -> WeightOnly:
        """One expert's matrix."""
        return WeightOnly(
            self.values[expert], tuple(one[expert] for one in self.beside), self.dtype, self._block
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self.dense(), name)

    def dense(self) -> Tensor:
        """The matrix in the type of the run."""
        made = self.values.to(self.dtype)
        scale = self.beside[0].to(self.dtype)
        rows, columns = self._block
        of_column = torch.arange(made.shape[-1], device=made.device) // columns
        if scale.shape[-1] > 1:
            scale = scale[..., of_column]
        # In place, block of rows by block of rows: a matrix of scales would take as much again.
        if rows == 1:
            return made.mul_(scale)
        for at in range(scale.shape[-2]):
            made[..., at * rows : (at + 1) * rows, :].mul_(scale[..., at : at + 1, :])
        return made

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """What torch calls in place of a function that was given one of these."""
        del types
        kwargs = kwargs or {}
        if function is functional.linear and isinstance(args[1], WeightOnly) and not kwargs:
            x, weight, bias = (*args, None)[:3]
            if x.numel() <= PACKED_ROWS * x.shape[-1] and weight.is_packed:
                return weight.times(x, bias)
        return function(*map(_dense, args), **{name: _dense(value) for name, value in kwargs.items()})

    def times(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """`functional.linear` by torch's kernel for INT8 with a scale per output channel."""
        flat = torch._weight_int8pack_mm(  # noqa: SLF001 - its only name
            x.reshape(-1, x.shape[-1]), self.values, self.beside[0].flatten().to(x.dtype)
        )
        made = flat.view(*x.shape[:-1], -1)
        return made if bias is None else made + bias


def made_weight_only(
    shape: tuple[int, ...], format_: Format, dtype: torch.dtype, device: torch.device, generator: Any
) -> WeightOnly:
    """Random values of a matrix [..., out, in], in a format's tensors. Raises InputError as `parts_of` does."""
    kind, parts = parts_of(format_)
    values = torch.empty(shape, dtype=kind, device=device)
    *outer, rows, columns = shape
    beside = []
    for part in parts:
        down, across = (
            -(-side // (per or side)) for side, per in zip((rows, columns), part.block, strict=True)
        )
        beside.append(torch.empty((*outer, down, across), dtype=part.dtype, device=device))
    if device.type != "meta":
        _fill(values, generator)
        for one in beside:
            one.fill_(columns**-0.5 * 3**0.5 / SPREAD)
    of_rows, of_columns = parts[0].block
    return WeightOnly(values, tuple(beside), dtype, (of_rows or rows, of_columns or columns))


def dense_bytes(rows: Iterable[Weight], precision: Precision, dtype: torch.dtype) -> int:
    """What making one matrix dense takes at most, in the run's type."""
    stored = (row for row in rows if matrix_format(row, precision) is not None)
    sizes = (prod(int(side.size) for side in row.shape[-2:]) * dtype.itemsize for row in stored)
    return max(sizes, default=0)


def _fill(values: Tensor, generator: Any) -> None:
    """Uniform whole numbers, matrix by matrix: E4M3 cannot be drawn itself, and a draw takes eight times its bytes."""
    for matrix in values.flatten(0, -3) if values.dim() > 2 else (values,):
        drawn = torch.randint(-SPREAD, SPREAD + 1, matrix.shape, generator=generator, device=matrix.device)
        matrix.copy_(drawn)


def _dense(value: Any) -> Any:
    return value.dense() if isinstance(value, WeightOnly) else value


def packed_rows(recipe: str, device: torch.device, dtype: torch.dtype) -> int:
    """Tokens of a step up to which no matrix of that recipe is made dense; 0 where each is."""
    return PACKED_ROWS if recipe == "int8" and _offered(device, dtype) else 0


@lru_cache
def _offered(device: torch.device, dtype: torch.dtype) -> bool:
    return device.type != "meta" and answers(
        lambda: torch._weight_int8pack_mm(  # noqa: SLF001 - as above
            torch.zeros(1, 32, dtype=dtype, device=device),
            torch.zeros(32, 32, dtype=torch.int8, device=device),
            torch.zeros(32, dtype=dtype, device=device),
        )
    )
