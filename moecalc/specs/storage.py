"""How a format stores a matrix: its values, scales, zero points, packing and padding, tensor by tensor."""

from enum import Enum
from fractions import Fraction

import msgspec

from moecalc.ir.numeric import Number, fraction, product, whole
from moecalc.ir.rows import Weight

Count = int | None
"""Rows or columns of a block; None is the whole side of the matrix."""


class Packed(Enum):
    """Along which side of the matrix values share a stored word."""

    OUT = "out"
    IN = "in"


class Tensor(msgspec.Struct, frozen=True):
    """One stored tensor per matrix [out, in]: a value for each `block` of rows x columns, in elements of `bits`.

    With `value_bits` several values share an element along the `packed` side, the last one padded. `flat` instead
    counts blocks of that many elements over the matrix laid out in one line (bitsandbytes). `fixed` is the number
    of elements where it does not depend on the matrix.
    """

    name: str
    bits: int
    block: tuple[Count, Count] = (1, 1)
    value_bits: int | None = None
    packed: Packed = Packed.IN
    flat: int | None = None
    fixed: int | None = None

    def elements(self, rows: int, columns: int) -> int:
        """Stored elements for one matrix."""
        if self.fixed is not None:
            return self.fixed
        if self.flat is not None:
            return self._words(-(-rows * columns // self.flat))
        values = [-(-side // (per or side)) for side, per in zip((rows, columns), self.block, strict=True)]
        side = 0 if self.packed is Packed.OUT else 1
        values[side] = self._words(values[side])
        return values[0] * values[1]

    def _words(self, values: int) -> int:
        return values if self.value_bits is None else -(-values * self.value_bits // self.bits)

    @property
    def is_block_scale(self) -> bool:
        """Whether this holds a scale for each block, rather than values, zero points or one number per matrix."""
        is_scale = "scale" in self.name or self.name in {"absmax", "SCB"}
        return is_scale and self.fixed is None and self.block != (None, None)


class Format(msgspec.Struct, frozen=True):
    """A way to store elements: `bits` each, plus a scale of `scale_bits` per block of rows x columns of a matrix.

    `block` is (rows, columns) of the [out, in] matrix. `tensors` says instead which tensors a quantizer stores for
    one matrix, the values among them. Both are for matrices only.
    """

    name: str
    bits: int
    block: tuple[int, int] | None = None
    scale_bits: int = 0
    source: str = ""
    tensors: tuple[Tensor, ...] = ()
    computes_in: str = ""
    """The plain format its multiplications run in where that is not its own: `bf16` for weight-only formats."""

    @property
    def for_matrices(self) -> bool:
        """Whether it can hold nothing but matrices."""
        return self.block is not None or bool(self.tensors)

    def bytes_of(self, weight: Weight) -> Number:
        """Stored bytes of a weight over all its layers, scales included."""
        if self.tensors:
            if weight.tied_to:
                return 0
            stored = sum(tensor.elements(*_sides(weight)) * tensor.bits for tensor in self.tensors)
            size = fraction(_matrices(weight) * stored, 8)
        else:
            size = fraction(weight.elements * self.bits, 8)
            if self.block is not None and not weight.tied_to:
                size += fraction(self.scales_of(weight) * self.scale_bits, 8)
        return whole(size)

    def scales_of(self, weight: Weight) -> Number:
        """Block scales stored beside a weight, over all its layers."""
        if self.tensors:
            scales = (tensor for tensor in self.tensors if tensor.is_block_scale)
            return _matrices(weight) * sum(tensor.elements(*_sides(weight)) for tensor in scales)
        if self.block is None:
            return 0
        rows, columns = _sides(weight)
        block_rows, block_columns = self.block
        return _matrices(weight) * -(-rows // block_rows) * -(-columns // block_columns)

    def elements_stored(self, weight: Weight) -> Number:
        """Elements of all tensors stored for a weight, as a checkpoint's header counts them (packed words as one)."""
        if weight.tied_to:
            return 0
        if self.tensors:
            return _matrices(weight) * sum(tensor.elements(*_sides(weight)) for tensor in self.tensors)
        words = -(-weight.elements * self.bits // 8) if self.bits < 8 else weight.elements
        return words + self.scales_of(weight)

    @property
    def row_block(self) -> int:
        """Elements of a row that share one stored block (32 in ggml's Q8_0); 1 where each stands for itself."""
        blocks = self.tensors[0].block[1] if len(self.tensors) == 1 else None
        return blocks or 1

    def bytes_for(self, elements: Number) -> Number:
        """Bytes of that many elements where no matrix is known (state), in whole blocks where there are any."""
        bits = self.tensors[0].bits if self.row_block > 1 else self.bits
        each = Fraction(bits, 8 * self.row_block)
        if hasattr(elements, "dtype"):  # an array: floats are exact where a format has whole bytes
            return elements * (int(each) if each.denominator == 1 else float(each))
        return whole(elements * each)


def _matrices(weight: Weight) -> Number:
    """Matrices [out, in] of a row: one per layer and expert."""
    return weight.layers * product(side.size for side in weight.shape[:-2])


def _sides(weight: Weight) -> tuple[Number, Number]:
    rows, columns = (side.size for side in weight.shape[-2:])
    return rows, columns
