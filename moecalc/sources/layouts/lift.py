"""A header's tensors grouped by what they are: name templates, layers, experts, quantized companions."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import prod

import msgspec

from moecalc.ir.roles import Component, Role
from moecalc.sources.headers.tensors import Header, StoredTensor
from moecalc.sources.layouts import companions
from moecalc.sources.layouts.classic import GPT, GPT_NEOX
from moecalc.sources.layouts.consolidated import CONSOLIDATED
from moecalc.sources.layouts.gguf import GGUF
from moecalc.sources.layouts.layout import Entry, Layout, Place
from moecalc.sources.layouts.native import NATIVE
from moecalc.sources.layouts.recurrent import BACKBONE, RWKV, XLSTM
from moecalc.sources.layouts.singles import SINGLES
from moecalc.sources.layouts.transformers import TRANSFORMERS

LAYOUTS = (TRANSFORMERS, CONSOLIDATED, GPT, GPT_NEOX, GGUF, BACKBONE, NATIVE, RWKV, XLSTM, *SINGLES)

_PREDICTION = {Role.MTP_PROJECTION, Role.MTP_NORM}

_SHARD = "shard_"
"""Before the number of a piece of one table."""

_WITH_EXPERTS = {Place.LAYER, Place.FIRST_HALF}
"""Where a second number is an expert's."""


class Part(msgspec.Struct, frozen=True):
    """Tensors of one template, shape and dtype in one layer: one tensor, or one of each expert.

    `entry` is what its matrix is, None where no layout knows the name. `companion` is what it stands for beside or
    in place of that matrix (`weight_scale_inv`, `qweight`), empty for the matrix itself.
    """

    template: str
    entry: Entry | None
    component: Component | None
    companion: str
    matrix: str
    """The template of the matrix that a companion belongs to; its own otherwise."""
    layer: int | None
    shape: tuple[int, ...]
    dtype: str
    tensors: int
    experts: int | None
    """How many experts have such a tensor; None where the name has no expert number."""
    bytes: int
    numbers: tuple[int, ...] = ()
    """The numbers of those experts, as the names have them."""

    @property
    def elements(self) -> int:
        """Stored elements, packed words as one."""
        return self.tensors * prod(self.shape)

    @property
    def kind(self) -> companions.Kind:
        """Values, block scales, or other things a quantizer stores."""
        return companions.kind_of(self.companion) if self.companion else "values"


class Lifted(msgspec.Struct, frozen=True):
    """A header read through a layout."""

    layout: Layout
    parts: tuple[Part, ...]
    stem: str | None = None
    """What stands before `layers` in its names; None where there are no layers, or a stem for each stack."""

    @property
    def unknown(self) -> tuple[Part, ...]:
        """Parts whose names no layout knows: counted, and never guessed at."""
        return tuple(part for part in self.parts if part.component is None)


def lift(header: Header) -> Lifted:
    """Group a header's tensors; the layout that knows most of the names reads them all."""
    named = [template_of(tensor.name) for tensor in header.tensors]
    templates = dict.fromkeys(template for template, *_ in named)
    layout = choose(templates)
    stem = _stem(layout, (template for template, *_ in named))
    known = {template: _look_up(layout, template, stem) for template in templates}
    groups = _grouped(header.tensors, named, known)
    predicted = _predicted_layers(groups, known)
    parts = []
    for (template, layer, shape, dtype), group in groups.items():
        entry, companion, matrix = known[template]
        component = layout.part_of(template) if entry is None else entry.component
        if component is Component.LANGUAGE and layer in predicted:
            component = Component.MTP
        numbers = tuple(group.numbers)
        experts = len(numbers) or None
        parts.append(
            Part(
                template,
                entry,
                component,
                companion,
                matrix,
                layer,
                shape,
                dtype,
                group.tensors,
                experts,
                group.bytes,
                numbers,
            )
        )
    return Lifted(layout, tuple(parts), stem)


def _stem(layout: Layout, templates: Iterable[str]) -> str | None:
    """The stem that most tensors of layers have: the names of one checkpoint begin alike."""
    if layout.stacks:
        return None
    counts = Counter(templates)
    stems: Counter[str] = Counter()
    for template, tensors in counts.items():
        if (found := layout.split(template)) and found[0] in layout.stems:
            stems[found[0]] += tensors
    return max(stems, key=stems.__getitem__) if stems else None


MAX_WEIGHED = 2_000
"""Templates that a choice of layout looks at; checkpoints have some hundred, damaged ones one for every tensor."""


def choose(templates: Iterable[str]) -> Layout:
    """The layout that knows most of the templates, the first of equals."""
    names = list(templates)[:MAX_WEIGHED]
    return max(LAYOUTS, key=lambda layout: sum(_look_up(layout, name)[0] is not None for name in names))


_Key = tuple[str, int | None, tuple[int, ...], str]
_Known = tuple[Entry | None, str, str]
_Name = tuple[str, int | None, int | None]


class _Group(msgspec.Struct):
    tensors: int = 0
    bytes: int = 0
    numbers: list[int] = []


def _grouped(
    tensors: Sequence[StoredTensor], named: Sequence[_Name], known: Mapping[str, _Known]
) -> dict[_Key, _Group]:
    """Tensors alike but for the expert."""
    places = {name: entry.place for name, (entry, *_) in known.items() if entry is not None}
    groups: dict[_Key, _Group] = {}
    for tensor, (template, first, second) in zip(tensors, named, strict=True):
        place = places.get(template, Place.LAYER)
        layer = first if place is Place.LAYER else place.layer(first, second)
        key = (template, layer, tensor.shape, tensor.dtype)
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group()
        group.tensors += 1
        group.bytes += tensor.bytes
        if second is not None and place in _WITH_EXPERTS:
            group.numbers.append(second)
    return groups


def template_of(name: str) -> _Name:
    """A name with `{}` for its numbers, and the first two of them: a layer's and an expert's, mostly."""
    words = name.split(".")
    first: int | None = None
    second: int | None = None
    for index, word in enumerate(words):
        stem, digits = (_SHARD, word[len(_SHARD) :]) if word.startswith(_SHARD) else ("", word)
        if is_number(digits):
            if first is None:
                first = int(digits)
            elif second is None:
                second = int(digits)
            words[index] = f"{stem}{{}}"
    return ".".join(words), first, second


MOST_DIGITS = 6
"""Of a number in a name: more layers and experts than `MAX_TENSORS` allows."""


def is_number(word: str) -> bool:
    """Whether a word of a name numbers a layer or an expert: `3`, and no other way to write it."""
    return (
        word.isascii() and word.isdecimal() and len(word) <= MOST_DIGITS and (word == "0" or word[0] != "0")
    )


def _look_up(layout: Layout, template: str, stem: str | None = None) -> _Known:
    """What a template is: (entry, companion, matrix); the entry None where the layout knows neither."""
    entry = layout.find(template, stem)
    if entry is not None:
        return entry, "", template
    for matrix, companion in companions.split(template):
        for name in (matrix, matrix.removesuffix(".weight")):
            entry = layout.find(name, stem)
            if entry is not None:
                return entry, companion, name
    return None, "", template


def _predicted_layers(groups: Iterable[_Key], known: dict[str, _Known]) -> set[int]:
    """Layers that are modules of multi-token prediction: they join two streams, which no other layer does."""
    found = set()
    for template, layer, *_ in groups:
        entry = known[template][0]
        if layer is None or entry is None or entry.component is not Component.LANGUAGE:
            continue
        if _PREDICTION & set(entry.roles):
            found.add(layer)
    return found
