"""What a Layout is: a table from stored tensor names to the rows of the ledger that they hold.

A name's layer and expert numbers are `{}` in the table. The entry beside it says what it holds:

    attention.q                         one row of that role
    attention.bias[kv_heads]            of several rows of the role the one with that dimension
    attention.q + attention.k           several rows, joined along the outputs
    routed.gate + routed.up turned      which may also be stored as [in, out]
    routed.gate flat                    experts under one another in one matrix, [experts x out, in]
    shared.gate led                     experts that the row joins, each for itself: [experts, out, in]
    attention.q | recurrent.in          the first in a layer that has such a row, else the second
    buffer                              no parameter and in no ledger: rotary frequencies, masks
    copy of embedding.tokens            a second copy of another tensor
    attention.q at outside              in the ledger outside the layers, whatever numbers the name has
"""

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache, cached_property

import msgspec

from moecalc.ir.roles import Component, Role

_ROW = re.compile(r"(?P<role>[a-z_]+\.[a-z_]+)(?:\[(?P<dim>\w+)\])?")

_FORMS = ("turned", "flat", "led")


class Place(Enum):
    """Which layer of the ledger a name's numbers mean."""

    LAYER = "layer"
    """The first number; a second one is an expert's."""
    OUTSIDE = "outside"
    """None: what several layers share, and lists that are not of layers."""
    NEXT = "next"
    """The first number + 1: a list that the first layer has no entry in."""
    HALF = "half"
    """2 x the first number + the second: two layers stored as one."""
    FIRST_HALF = "first_half"
    """2 x the first number: what the first of two layers stored as one has alone."""

    def layer(self, first: int | None, second: int | None) -> int | None:
        """The ledger's layer for a name's first two numbers."""
        if first is None or self is Place.OUTSIDE:
            return None
        if self is Place.NEXT:
            return first + 1
        if self is Place.LAYER:
            return first
        return 2 * first + (second or 0 if self is Place.HALF else 0)


class Wanted(msgspec.Struct, frozen=True):
    """A row by its role and, where a layer has several of it, by a dimension of its first side."""

    role: Role
    dim: str | None = None


class Reading(msgspec.Struct, frozen=True):
    """One way to read a name: the rows it holds, joined along the outputs."""

    rows: tuple[Wanted, ...]
    turned: bool = False
    """Whether it may also be stored as [in, out]."""
    flat: bool = False
    """Whether the experts stand under one another in one matrix."""
    led: bool = False
    """Whether a leading side counts experts whose intermediate sizes the row joins."""


class Entry(msgspec.Struct, frozen=True):
    """What a stored tensor is."""

    readings: tuple[Reading, ...] = ()
    copy_of: Role | None = None
    component: Component = Component.LANGUAGE
    place: Place = Place.LAYER

    @property
    def is_buffer(self) -> bool:
        """Whether it is a buffer that no ledger has."""
        return not self.readings and self.copy_of is None

    @property
    def roles(self) -> tuple[Role, ...]:
        """Every role it may hold, the likeliest first."""
        return tuple(dict.fromkeys(row.role for reading in self.readings for row in reading.rows))


class Layout(msgspec.Struct, frozen=True, dict=True):
    """One dialect of names.

    `stems` are what may stand before `layers` and before the names in `top`; `prediction` the same for modules of
    multi-token prediction that are stored apart. `parts` are beginnings of names that tell the component alone.
    With `stacks` each stem is a stack of layers of its own; without, a checkpoint has one stem throughout. `foreign`
    names are of another code than the type's in transformers.
    """

    name: str
    stems: tuple[str, ...]
    layers: str
    layer: Mapping[str, str]
    top: Mapping[str, str]
    anywhere: Mapping[str, str] = {}
    """Whole names that take no stem."""
    prediction: tuple[str, ...] = ()
    prediction_top: Mapping[str, str] = {}
    parts: Mapping[str, Component] = {}
    stacks: bool = False
    foreign: bool = False

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Every whole template with what it is."""
        made: dict[str, Entry] = {}
        for template, text, component in self._spelt():
            made.setdefault(template, parse(text, component))
        return made

    def _spelt(self) -> Iterator[tuple[str, str, Component]]:
        for name, text in self.anywhere.items():
            yield name, text, Component.LANGUAGE
        for stem in self.stems:
            for suffix, text in self.layer.items():
                yield f"{stem}{self.layers}.{{}}.{suffix}", text, Component.LANGUAGE
            for suffix, text in self.top.items():
                yield f"{stem}{suffix}", text, Component.LANGUAGE
        for stem in self.prediction:
            for suffix, text in self.layer.items():
                yield f"{stem}{self.layers}.{{}}.{suffix}", text, Component.MTP
            for suffix, text in self.prediction_top.items():
                yield f"{stem}{suffix}", text, Component.MTP

    def find(self, template: str, stem: str | None = None) -> Entry | None:
        """What a name with its numbers left out is, without regard to quantized companions; None if unknown.

        `stem` is the one that the checkpoint has, where that is told.
        """
        if template in self.anywhere:
            return parse(self.anywhere[template])
        for stems, top, component in (
            (self.stems if stem is None else (stem,), self.top, Component.LANGUAGE),
            (self.prediction, self.prediction_top, Component.MTP),
        ):
            for beginning in stems:
                if template.startswith(beginning):
                    rest = template[len(beginning) :]
                    suffix = rest[len(self._list) :] if rest.startswith(self._list) else None
                    text = self.layer.get(suffix) if suffix else None
                    text = text or top.get(rest)
                    if text is not None:
                        return parse(text, component)
        return None

    @cached_property
    def _list(self) -> str:
        return f"{self.layers}.{{}}."

    def split(self, template: str) -> tuple[str, str] | None:
        """The stem of a layer's tensor and its name within the layer; None for whatever stands in no layer."""
        for stem in (*self.stems, *self.prediction):
            if template.startswith(stem + self._list):
                return stem, template[len(stem + self._list) :]
        return None

    def part_of(self, template: str) -> Component | None:
        """The component that a name's beginning tells."""
        return next((part for prefix, part in self.parts.items() if template.startswith(prefix)), None)

    def spellings(self, role: Role, component: Component) -> list[str]:
        """The templates that may hold a role, in the order of the tables."""
        return self._by_role.get((role, component), [])

    @cached_property
    def _by_role(self) -> dict[tuple[Role, Component], list[str]]:
        made: dict[tuple[Role, Component], list[str]] = {}
        for template, entry in self.entries.items():
            for role in entry.roles:
                made.setdefault((role, entry.component), []).append(template)
        return made


@cache
def parse(text: str, component: Component = Component.LANGUAGE) -> Entry:
    """An entry of a table. Raises ValueError where it is none."""
    text, _, at = text.partition(" at ")
    place = Place(at or "layer")
    if text == "buffer":
        return Entry(component=component, place=place)
    if text.startswith("copy of "):
        return Entry(copy_of=Role(text.removeprefix("copy of ")), component=component, place=place)
    return Entry(tuple(_reading(part) for part in text.split(" | ")), component=component, place=place)


def _reading(text: str) -> Reading:
    words = text.split(" ")
    forms = set()
    while words[-1] in _FORMS:
        forms.add(words.pop())
    rows = []
    for part in " ".join(words).split(" + "):
        match = _ROW.fullmatch(part)
        if match is None:
            raise ValueError(f"no entry of a layout: `{text}`")
        rows.append(Wanted(Role(match["role"]), match["dim"]))
    return Reading(tuple(rows), *(form in forms for form in _FORMS))
