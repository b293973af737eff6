"""A ledger split over the ranks of one stage, with the bytes of every layer: what all pipelines over it share.

Stages are ranges of layers, so the bytes of any stage are sums over its layers, and a search over pipelines, devices
and precisions computes each row's bytes once per precision and split.
"""

from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction
from functools import cached_property

import msgspec

from moecalc.calc.deploy.sharding import layer_count, split_ledger
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Ledger, Weight
from moecalc.specs.formats import Format, Precision
from moecalc.specs.plan import Plan

_TOWERS = frozenset({Component.VISION, Component.AUDIO})

Groups = Mapping[str, Number]
"""Bytes by group of roles: `routed`, `attention` ..."""


class SharedCopies(msgspec.Struct, frozen=True):
    """Copies that several layers run in turn: a stage stores as many as it has uses for."""

    group: str
    indices: tuple[int, ...]
    copies: int
    copy_bytes: Number


class LayerBytes(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of one rank's weights in one precision, by the place where they stand."""

    layers: tuple[Groups, ...]
    shared: tuple[SharedCopies, ...]
    lookups: Groups
    """Look-up tables before the first layer."""
    before: Groups
    """What else stands before the first layer: towers."""
    behind: Groups
    """Behind the last layer: the head, norms, prediction modules."""
    tied: Groups
    """What the last stage stores again because the tensor it is tied to stands elsewhere, in that tensor's format."""

    def of(self, layers: range, lookups_in_ram: bool = False) -> dict[str, Number]:
        """Bytes by group of a stage with these layers; those of all layers are a stage of their own.

        With `lookups_in_ram` look-up tables are not on the rank, and a head tied to one is a copy (llama.cpp).
        """
        found: dict[str, Number] = defaultdict(int)
        first, last = layers.start == 0, layers.stop == len(self.layers)
        parts = [self.layers[index] for index in layers]
        if first:
            parts += [self.before] if lookups_in_ram else [self.lookups, self.before]
        if last:
            parts.append(self.behind)
            if lookups_in_ram or not first:
                parts.append(self.tied)
        for part in parts:
            for group, size in part.items():
                found[group] += size
        for row in self.shared:
            uses = sum(index in layers for index in row.indices)
            found[row.group] += min(uses, row.copies) * row.copy_bytes
        return {group: size for group, size in found.items() if size}


class Formats:
    """Which layers of a ledger's rows are stored in which format, looked up once per precision."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._parts: dict[int, tuple[Precision, list[tuple[tuple[Weight, Format], ...]]]] = {}

    def parts(self, precision: Precision) -> list[tuple[tuple[Weight, Format], ...]]:
        """For each row the rows of one format each that it is cut into."""
        key = id(precision)  # hashing the thousand placements of a mixture takes longer than the answer
        if key not in self._parts:
            self._parts[key] = precision, [precision.parts(weight) for weight in self._ledger.weights]
        return self._parts[key][1]


class Shares:
    """A ledger, and what one rank holds of every row under the sizes that split a layer; stages come later."""

    def __init__(self, ledger: Ledger, plan: Plan, formats: Formats | None = None) -> None:
        self.ledger = ledger
        self.plan = flat(plan)
        self.formats = formats or Formats(ledger)
        self._bytes: dict[int, tuple[Precision, LayerBytes]] = {}

    @cached_property
    def split(self) -> Ledger:
        """One rank's rows. Raises InputError where the sizes cannot be laid over them."""
        return split_ledger(self.ledger, self.plan)

    @cached_property
    def layers(self) -> int:
        """Layers that a pipeline can cut between."""
        return layer_count(self.ledger)

    def bytes(self, precision: Precision) -> LayerBytes:
        """Bytes of every layer in that precision."""
        key = id(precision)
        if key not in self._bytes:
            self._bytes[key] = precision, self._layer_bytes(precision)
        return self._bytes[key][1]

    def _layer_bytes(self, precision: Precision) -> LayerBytes:
        layers: tuple[dict[str, Number], ...] = tuple(defaultdict(int) for _ in range(self.layers))
        shared = []
        places: tuple[dict[str, Number], ...] = tuple(defaultdict(int) for _ in range(4))
        lookups, before, behind, tied = places
        by_role = {weight.role: weight for weight in self.ledger.weights if weight.tied_to is None}
        rows = zip(self.ledger.weights, self.split.weights, self.formats.parts(precision), strict=True)
        for whole, share, parts in rows:
            group = whole.role.group
            if whole.component is Component.LANGUAGE and whole.indices:
                if len(whole.indices) != whole.layers:
                    size = parts_bytes(parts, share)
                    shared.append(
                        SharedCopies(
                            group, whole.indices, int(whole.layers), Fraction(size) / int(whole.layers)
                        )
                    )
                    continue
                one = share_of_layers(share, 1)
                for part, format_ in parts:
                    each = format_.bytes_of(one)
                    for index in part.indices:
                        layers[index][group] += each
            elif whole.component in _TOWERS:
                before[group] += parts_bytes(parts, share)
            elif whole.component is Component.MTP:
                behind[group] += parts_bytes(parts, share)
            elif group == "embedding":
                lookups[group] += parts_bytes(parts, share)
            elif whole.tied_to is not None:
                tied[group] += copy_bytes(precision, whole, share, by_role)
            else:
                behind[group] += parts_bytes(parts, share)
        return LayerBytes(
            layers=layers, shared=tuple(shared), lookups=lookups, before=before, behind=behind, tied=tied
        )


def flat(plan: Plan) -> Plan:
    """The plan without its pipeline."""
    return msgspec.structs.replace(plan, pipeline=1, stages=())


def share_bytes(precision: Precision, whole: Weight, share: Weight) -> Number:
    """Bytes of a rank's share of a row, in the formats of the whole: a quantizer sees matrices before they are cut."""
    return precision.bytes_of(whole) if share is whole else parts_bytes(precision.parts(whole), share)


def parts_bytes(parts: tuple[tuple[Weight, Format], ...], share: Weight) -> Number:
    """Bytes of a rank's share of a row that is cut into parts of one format each."""
    return sum(
        format_.bytes_of(msgspec.structs.replace(share, layers=part.layers, indices=part.indices))
        for part, format_ in parts
    )


def copy_bytes(precision: Precision, whole: Weight, share: Weight, by_role: Mapping[Role, Weight]) -> Number:
    """Bytes of a tied row as a tensor of its own: a copy of the tensor it is tied to, so in that one's format."""
    alone = msgspec.structs.replace(share, tied_to=None)
    source = by_role.get(whole.tied_to) if whole.tied_to is not None else None
    if source is None:
        return share_bytes(precision, msgspec.structs.replace(whole, tied_to=None), alone)
    return sum(format_.bytes_of(alone) for _, format_ in precision.parts(source)[:1])


def share_of_layers(share: Weight, layers: int) -> Weight:
    """So many layers of a row."""
    return msgspec.structs.replace(share, layers=layers, indices=())


def loaded_bytes(ledger: Ledger, precision: Precision, components: tuple[Component, ...]) -> Number:
    """Stored bytes of the components, each tensor once."""
    return sum(precision.bytes_of(weight) for weight in ledger.weights if weight.component in components)
