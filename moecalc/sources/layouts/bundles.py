"""Matrices with what is stored beside them: a lifted header's parts joined again, one bundle for each matrix."""

from collections.abc import Iterable, Sequence

import msgspec

from moecalc.ir.roles import Component
from moecalc.sources.layouts.layout import Entry
from moecalc.sources.layouts.lift import Part
from moecalc.sources.layouts.packing import logical_elements, logical_shape


class Bundle(msgspec.Struct, frozen=True):
    """What is stored for one matrix or vector of one layer, or for that of every expert of the layer."""

    template: str
    entry: Entry | None
    component: Component | None
    layer: int | None
    values: tuple[Part, ...]
    companions: tuple[Part, ...] = ()

    @property
    def bytes(self) -> int:
        """Stored bytes, companions included."""
        return sum(part.bytes for part in (*self.values, *self.companions))

    @property
    def tensors(self) -> int:
        """Stored tensors, companions included."""
        return sum(part.tensors for part in (*self.values, *self.companions))

    @property
    def dtypes(self) -> str:
        """The file's names of the values' dtypes, with the companions' names."""
        names = dict.fromkeys([part.dtype for part in self.values])
        beside = dict.fromkeys(part.companion.lstrip("_") for part in self.companions)
        return "/".join(names) + (f" with {', '.join(beside)}" if beside else "")

    @property
    def said(self) -> str:
        """Shapes and dtypes in words."""
        return f"{stored_shape(self.values or self.companions)} {self.dtypes.strip()}".strip()

    def shape(self, bits: int | None = None) -> tuple[int, ...] | None:
        """The logical shape, over all experts or copies; None where it cannot be told or differs between them."""
        own = self.shape_of_one(bits)
        tensors = sum(part.tensors for part in self.values)
        if own is None or (self.values[0].experts is None and tensors == 1):
            return own
        return (tensors, *own)

    def shape_of_one(self, bits: int | None = None) -> tuple[int, ...] | None:
        """The logical shape of each tensor; None where it cannot be told or differs between them."""
        shapes = {logical_shape(part, self.companions, bits) for part in self.values}
        return shapes.pop() if len(shapes) == 1 else None

    @property
    def numbers(self) -> tuple[int, ...]:
        """The experts' numbers, in order; empty where the name has none."""
        return tuple(sorted(number for part in self.values for number in part.numbers))

    def elements(self, bits: int | None = None) -> int:
        """Values, packed ones unpacked."""
        return sum(logical_elements(part, self.companions, bits) for part in self.values)

    @property
    def scales(self) -> int:
        """Block scales stored beside the values."""
        return sum(part.elements for part in self.companions if part.kind == "scale")

    @property
    def others(self) -> int:
        """Elements of what else a quantizer stores: zero points, orders, look-up tables."""
        return sum(part.elements for part in self.companions if part.kind == "other")


def bundle(parts: Iterable[Part]) -> list[Bundle]:
    """Join parts by matrix and layer, in their order."""
    groups: dict[tuple[str, int | None], list[Part]] = {}
    for part in parts:
        groups.setdefault((part.matrix, part.layer), []).append(part)
    return [_joined(template, layer, group) for (template, layer), group in groups.items()]


def _joined(template: str, layer: int | None, parts: Sequence[Part]) -> Bundle:
    values = tuple(part for part in parts if part.kind == "values")
    beside = tuple(part for part in parts if part.kind != "values")
    return Bundle(template, parts[0].entry, parts[0].component, layer, values, beside)


def stored_shape(values: Sequence[Part]) -> str:
    """The stored shapes in words, `256 x [2048, 7168]`."""
    words = []
    for part in values:
        sides = f"[{', '.join(map(str, part.shape))}]"
        words.append(f"{part.tensors} x {sides}" if part.experts is not None or part.tensors > 1 else sides)
    return ", ".join(dict.fromkeys(words))
