"""What a claim is about: a model whose shapes are known, two counts, or what is said of an undisclosed one."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import cached_property

import msgspec

from moecalc.calc import memory, parameters
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Access, Ledger, Weight
from moecalc.sources.spec import Pin, Statement
from moecalc.specs.formats import Precision, find_format
from moecalc.specs.gguf_mixtures import find_mixture
from moecalc.specs.gguf_types import TYPES
from moecalc.specs.recipes import find_recipe

FEWEST_BITS = Fraction(25, 16)
"""Bits per weight of IQ1_S, the smallest type that llama.cpp stores weights in (50 bytes for 256 elements)."""

READ_SHARE = Fraction(4, 3)
"""An active count over what a step reads of it: it may contain an input embedding, of which only rows are looked up.
The most in the catalogue is 1.29 (Ling-mini 2.0: 1.43 B, 1.11 B without); a test holds this to that."""

HELD_SHARE = Fraction(6, 5)
"""A total over what must lie in a device's memory: the input embedding can stay in the host's. The most in the
catalogue is 1.19 (HRM-Text 1B: 1.45 B, 1.21 B without); a test holds this to that."""


class Shaped(msgspec.Struct, frozen=True, dict=True, kw_only=True):
    """A model with a ledger, its weights stored in a precision."""

    name: str
    title: str
    ledger: Ledger
    precision: Precision
    kv_dtype: str
    quant: str | None
    """The quantization that was named; None is as released."""
    bits: Fraction
    """The fewest bits that the named format, or the release, stores a matrix element in."""
    trained: int | None = None
    pins: tuple[Pin, ...] = ()
    outline: tuple[Statement, ...] = ()

    @cached_property
    def total(self) -> Fraction:
        """Parameters of the language model."""
        return Fraction(parameters.total(self.ledger))

    @cached_property
    def active(self) -> Fraction:
        """Expected per token, both embeddings counted."""
        return Fraction(parameters.active(self.ledger))

    @cached_property
    def weight_bytes(self) -> Fraction:
        """Bytes of the language model as stored."""
        return Fraction(memory.weight_bytes(self.ledger, self.precision))

    @cached_property
    def held_bytes(self) -> Fraction:
        """The same without look-up tables, which can stay in the host's memory."""
        return self.weight_bytes - _sum(self.precision.bytes_of(w) for w in self._tables)

    @cached_property
    def least_held_bytes(self) -> Fraction:
        """Every element but those of look-up tables in the fewest bits."""
        return (self.total - _sum(w.elements for w in self._tables)) * self.bits / 8

    @cached_property
    def read_elements(self) -> Fraction:
        """Elements that a step of any batch reads at least: those of one token, without look-ups."""
        rows = parameters.parameter_rows(self.ledger)
        tables = {id(w) for w in self._tables}
        return _sum(w.elements * parameters.active_share(w) for w in rows if id(w) not in tables)

    @cached_property
    def _tables(self) -> tuple[Weight, ...]:
        rows = tuple(w for w in self.ledger.weights if w.component is Component.LANGUAGE)
        tied = parameters.head_is_tied(rows)
        return tuple(
            w for w in rows if w.access is Access.LOOKUP and not (tied and w.role is Role.EMBEDDING_TOKENS)
        )

    def state_bytes(self, context: int) -> Number:
        """State of one sequence."""
        return memory.state_bytes(self.ledger, context, self.kv_dtype)


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """A model of which counts are known: a total, maybe an active count."""

    name: str
    total: Fraction | None
    active: Fraction | None
    quant: str | None
    bits: Fraction | None
    """None where no quantization was named."""
    outline: tuple[Statement, ...] = ()
    trained: int | None = None

    @property
    def weight_bytes(self) -> Fraction | None:
        """All parameters in the bits named; None where one of them is not known."""
        return None if self.total is None or self.bits is None else self.total * self.bits / 8

    @property
    def is_undisclosed(self) -> bool:
        """Whether it is a model of the catalogue whose vendor says little."""
        return bool(self.outline)


Subject = Shaped | Counted


def fewest_bits(quant: str | None, precision: Precision) -> Fraction:
    """The fewest bits per element that a quantization, or the release where none is named, stores matrices in."""
    mixture = find_mixture(quant) if quant else None
    if mixture is not None:
        by_name = {type_.name: type_.bits_per_weight for type_ in TYPES}
        return by_name[mixture[0].type]
    recipe = find_recipe(quant) if quant else None
    if recipe is not None:
        return Fraction(recipe.format.bits)
    return Fraction(min(find_format(name).bits for name in precision.formats))


def _sum(counts: Iterable[Number]) -> Fraction:
    return sum((Fraction(count) for count in counts), start=Fraction(0))
