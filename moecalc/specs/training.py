"""What training stores and how fast devices multiply: optimizers, precisions and measured matmuls, as sourced data.

One file per table in `data/training`; every entry names its source.
"""

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

from msgspec import Struct

from moecalc import strict_yaml
from moecalc.errors import InputError, suggestion
from moecalc.ir.numeric import Number, product
from moecalc.ir.roles import Role
from moecalc.ir.rows import Access, Weight

_DATA = Path(__file__).parent / "data" / "training"

FLOAT_BYTES = 4

Entry = TypeVar("Entry")

OUTSIDE = frozenset({"embedding", "head"})
"""Groups of roles that stand outside the layers: never in FP8, and not Muon's."""

SIXTEEN_BITS = frozenset({*OUTSIDE, "router", "residual", "norm", "mtp"})
"""Groups that no FP8 recipe converts (DeepSeek-V3, arXiv 2412.19437, section 3.3.1; Transformer Engine)."""


class Moments(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an optimizer keeps of a tensor: so many moments of an element each, or sums of its rows and columns."""

    moments: int
    element_bytes: int
    block: int = 0
    """Elements that share a scale of `block_bytes`; 0 where there are none."""
    block_bytes: int = 0
    least_elements: int = 0
    """Tensors with fewer elements keep float32 moments."""
    factored: bool = False
    """Only the sums of the rows and of the columns of each matrix."""

    def bytes_of(self, weight: Weight) -> Number:
        """Bytes for one stored row of the ledger, all its layers."""
        if self.factored and len(weight.shape) > 1:
            matrices = weight.layers * product(side.size for side in weight.shape[:-2])
            sums = weight.shape[-2].size + weight.shape[-1].size
            return self.moments * self.element_bytes * matrices * sums
        if weight.elements_per_layer < self.least_elements:
            return self.moments * FLOAT_BYTES * weight.elements
        size = self.moments * self.element_bytes * weight.elements
        if self.block:
            blocks = weight.layers * -(-weight.elements_per_layer // self.block)
            size += self.moments * self.block_bytes * blocks
        return size


class Optimizer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An optimizer by what it remembers, in bytes."""

    label: str
    source: str
    matrices: Moments
    others: Moments | None = None
    """What it keeps of all that is no matrix of a layer, where that differs."""

    def bytes_of(self, weight: Weight) -> Number:
        """Bytes of the moments of one stored row; 0 for a tied one."""
        if weight.tied_to is not None:
            return 0
        return (self.matrices if self.others is None or is_matrix(weight) else self.others).bytes_of(weight)


class TrainingPrecision(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How weights, gradients and saved activations are stored while a model is trained."""

    label: str
    source: str
    arithmetic: Literal["bf16", "fp8"]
    """In which the layers' matrices are multiplied."""
    matrix_bits: int
    copy_bits: int = 0
    """Kept of each matrix beside it: its copies in the low format."""
    matrix_block: int = 0
    """Elements of a matrix that share a float32 scale; 0 where a tensor has one."""
    input_bits: int
    """Of what is saved of a matrix's input."""
    input_block: int = 0
    attention_output_bits: int | None = None
    """Of the input of attention's output projection, where that is kept otherwise."""
    activation_bits: int = 16
    """Of the inputs of the feed-forward's activation."""
    optimizer: str = "adamw"
    """The optimizer it is trained with unless another is chosen."""
    gradient_bytes: int = 4
    master_bytes: int = 4
    """Of the copy that the optimizer updates."""

    def weight_bytes(self, weight: Weight) -> Number:
        """Bytes of a stored row: the weight, and its copies in the low format; 0 for a tied one."""
        if not runs_low(weight):
            return 2 * weight.elements
        bits = Fraction(self.matrix_bits + self.copy_bits)
        if self.matrix_block:
            bits += Fraction(8 * FLOAT_BYTES, self.matrix_block)
        return weight.elements * bits / 8

    def input_bytes(self, weight: Weight) -> Fraction:
        """Bytes of an element of a matrix's saved input."""
        if not runs_low(weight):
            return Fraction(2)
        bits = Fraction(self.input_bits)
        if self.attention_output_bits is not None and weight.role is Role.ATTENTION_O:
            bits = Fraction(self.attention_output_bits)
        if self.input_block:
            bits += Fraction(8 * FLOAT_BYTES, self.input_block)
        return bits / 8


class Matmuls(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Measured matmuls in TFLOP/s by device, and where they were read."""

    source: str
    date: dt.date
    same_chip: dict[str, str]
    """Devices that are not in the table, and which device of it has the same chip."""
    bf16: dict[str, Decimal]
    fp8: dict[str, Decimal]

    def stand_in(self, device: str) -> str:
        """The device whose measurements hold for this one: itself unless it was not measured."""
        return device if device in self.bf16 else self.same_chip.get(device, device)

    def per_second(self, device: str, arithmetic: Literal["bf16", "fp8"]) -> int | None:
        """FLOP/s of the fastest matmul measured on a device; None where nobody measured one."""
        found: dict[str, Decimal] = getattr(self, arithmetic)
        return int(found[device] * 10**12) if device in found else None


def is_matrix(weight: Weight) -> bool:
    """Whether a row is a matrix that the layers multiply by: no norm, bias, look-up table or head."""
    return weight.access is Access.MATMUL and len(weight.shape) > 1 and weight.role.group not in OUTSIDE


def runs_low(weight: Weight) -> bool:
    """Whether a row is a matrix that an FP8 recipe converts."""
    return (
        is_matrix(weight) and weight.role.group not in SIXTEEN_BITS and weight.role is not Role.RECURRENT_CONV
    )


def find_optimizer(name: str) -> Optimizer:
    """The optimizer of that name. Raises InputError naming the others."""
    return _named("optimizer", name, optimizers())


def find_training_precision(name: str) -> TrainingPrecision:
    """The precision of that name. Raises InputError naming the others."""
    return _named("precision", name, training_precisions())


@cache
def optimizers() -> dict[str, Optimizer]:
    """All optimizers by name."""
    return strict_yaml.decode(strict_yaml.load(_DATA / "optimizers.yaml"), dict[str, Optimizer])


@cache
def training_precisions() -> dict[str, TrainingPrecision]:
    """All precisions by name."""
    return strict_yaml.decode(strict_yaml.load(_DATA / "precisions.yaml"), dict[str, TrainingPrecision])


@cache
def matmuls() -> Matmuls:
    """The measured matmuls."""
    return strict_yaml.decode(strict_yaml.load(_DATA / "matmuls.yaml"), Matmuls)


def _named(what: str, name: str, known: dict[str, Entry]) -> Entry:
    found = known.get(name.strip().lower())
    if found is None:
        near = suggestion(name, known)
        raise InputError(
            f"unknown {what} `{name}`",
            hint=f"{near + ' ' if near else ''}`--{what}` takes {', '.join(known)}",
        )
    return found
