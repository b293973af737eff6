"""What a config says must be stored: the rows of its ledger, each once per layer."""

from functools import cache

import msgspec

from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger, Weight
from moecalc.specs.formats import Format, Precision

Unit = tuple[Component, int | None]
"""One layer of a component, or what stands outside its layers."""

Units = dict[Unit, list["Row"]]


class Row(msgspec.Struct, frozen=True, eq=False):
    """A row of the ledger in one layer."""

    weight: Weight
    layer: int | None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its tensor, [experts, out, in] for routed matrices."""
        return tuple(int(side.size) for side in self.weight.shape)

    @property
    def elements(self) -> int:
        """Elements in this layer."""
        return int(self.weight.elements_per_layer)

    @property
    def is_matrix(self) -> bool:
        """Whether it has an input side."""
        return len(self.weight.shape) - (self.weight.pool is not None) > 1

    @property
    def first_dims(self) -> set[str]:
        """The names of the dimensions of its first side, behind the experts."""
        sides = self.weight.shape
        side = sides[1] if self.weight.pool is not None and len(sides) > 1 else sides[0]
        dims = side.parts[0].dims if side.parts else side.dims
        return {dim.name for dim in dims} | ({"experts"} if self.weight.pool is not None else set())

    @property
    def one(self) -> Weight:
        """The row for this layer alone."""
        return msgspec.structs.replace(self.weight, layers=1, indices=())


def expected_rows(ledger: Ledger) -> Units:
    """Rows by component and layer; those outside the layers, and all of prediction modules, under None.

    What several layers share is stored with the first that runs it (transformers, Zamba).
    """
    units: Units = {}
    for weight in ledger.weights:
        if weight.tied_to:
            continue
        copies = int(weight.layers)
        in_layers = weight.component is Component.LANGUAGE and len(weight.indices) >= copies
        layers = weight.indices[:copies] if in_layers else [None] * copies
        for layer in layers:
            units.setdefault((weight.component, layer), []).append(Row(weight, layer))
    return units


def format_at(precision: Precision, row: Row) -> Format:
    """The format the config gives a row in its layer."""
    return _formats(precision, row.weight).get(row.layer) or precision.format_of(row.weight)


@cache
def _formats(precision: Precision, weight: Weight) -> dict[int | None, Format]:
    return {
        layer: format_ for part, format_ in precision.parts(weight) for layer in (part.indices or (None,))
    }
