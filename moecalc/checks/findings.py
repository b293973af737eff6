"""What holding a config against a header finds, of all layers that have it alike."""

from collections.abc import Collection, Iterable, Sequence
from math import prod
from typing import Literal, get_args

import msgspec

from moecalc.checks.expected import Row
from moecalc.checks.stored_types import PLAIN
from moecalc.ir.roles import Component, Role
from moecalc.sources.layouts.bundles import Bundle
from moecalc.sources.layouts.lift import Part
from moecalc.specs.formats import Placement

FindingKind = Literal[
    "missing",
    "unexpected",
    "unknown name",
    "duplicate",
    "index",
    "other shape",
    "other dtype",
    "copy",
    "buffer",
    "beside",
    "by sum",
    "total size",
]

DISAGREEMENTS: frozenset[FindingKind] = frozenset(
    {"missing", "unexpected", "unknown name", "duplicate", "index", "other shape", "other dtype"}
)
"""What makes a check fail; the other findings explain stored tensors that are no parameters of the config."""

_BY_DTYPE = {dtype: name for name, dtype in PLAIN.items()}


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing found, of all layers that have it alike."""

    kind: FindingKind
    name: str
    """The tensors' name, `{}` for a layer or an expert; a role where nothing is stored."""
    layers: tuple[int, ...] = ()
    expected: str = ""
    stored: str = ""
    tensors: int = 0
    elements: int = 0
    """Values concerned: stored ones, or expected ones where nothing is stored."""
    bytes: int = 0

    @property
    def disagrees(self) -> bool:
        """Whether config and header contradict each other."""
        return self.kind in DISAGREEMENTS


class Findings:
    """Findings as they come, then one for all layers that are alike."""

    def __init__(self) -> None:
        self._found: dict[tuple[FindingKind, str, str, str], list[tuple[int | None, int, int, int]]] = {}
        self.bits: dict[str, int] = {}
        """Bits per value of packed matrices by template, as the config says."""
        self.idle: set[str] = set()
        """Templates of values that stand for nothing in the model."""
        self.agreeing = 0
        self._placed: dict[tuple[Role, Component, str], set[int] | None] = {}

    def place(self, row: Row, dtype: str) -> None:
        """A row is stored in a plain dtype other than the config's."""
        format_ = _BY_DTYPE.get(dtype)
        if format_ is not None:
            key = (row.weight.role, row.weight.component, format_)
            layers = self._placed.setdefault(key, None if row.layer is None else set())
            if layers is not None and row.layer is not None:
                layers.add(row.layer)

    def placements(self) -> tuple[Placement, ...]:
        """What `place` was told, joined over layers."""
        return tuple(
            Placement(role.value, format_, None if layers is None else tuple(sorted(layers)), component)
            for (role, component, format_), layers in self._placed.items()
        )

    def add(
        self, kind: FindingKind, each: Bundle, elements: int, expected: str = "", stored: str | None = None
    ) -> None:
        """Something about stored tensors."""
        said = each.said if stored is None else stored
        entry = (each.layer, each.tensors, elements, each.bytes)
        self._found.setdefault((kind, each.template, expected, said), []).append(entry)

    def add_part(self, kind: FindingKind, part: Part, expected: str, stored: str) -> None:
        """Something about some of the experts' tensors."""
        entry = (part.layer, part.tensors, part.elements, part.bytes)
        name = numbered(part.template, part.numbers)
        self._found.setdefault((kind, name, expected, stored), []).append(entry)

    def add_experts(self, kind: FindingKind, part: Part, numbers: Collection[int]) -> None:
        """Something about the tensors of experts with these numbers, which are like the part's."""
        if numbers:
            count, size = len(numbers), part.bytes // part.tensors
            entry = (part.layer, count, count * prod(part.shape), count * size)
            said = f"{sides(part.shape)} {part.dtype}"
            self._found.setdefault((kind, numbered(part.template, numbers), "", said), []).append(entry)

    def miss(self, row: Row, name: str) -> None:
        """A row of which nothing is stored."""
        pool, experts = row.weight.pool, 1
        if pool is not None and name.count("{}") > 1:
            experts = int(pool.experts)
        expected = sides(row.shape if experts == 1 else row.shape[1:])
        entry = (row.layer, experts, row.elements, 0)
        self._found.setdefault(("missing", name, expected, ""), []).append(entry)

    def miss_experts(
        self, template: str, layer: int | None, numbers: Collection[int], shape: Sequence[int]
    ) -> None:
        """Tensors of single experts, where those of the others are stored."""
        if numbers:
            entry = (layer, len(numbers), len(numbers) * prod(shape), 0)
            key: tuple[FindingKind, str, str, str] = (
                "missing",
                numbered(template, numbers),
                sides(shape),
                "",
            )
            self._found.setdefault(key, []).append(entry)

    def say(self, finding: Finding) -> None:
        """A finding made elsewhere, about one layer or none."""
        layer = finding.layers[0] if finding.layers else None
        entry = (layer, finding.tensors, finding.elements, finding.bytes)
        self._found.setdefault((finding.kind, finding.name, finding.expected, finding.stored), []).append(
            entry
        )

    def collapsed(self) -> Iterable[Finding]:
        """By kind, disagreements first."""
        kinds = get_args(FindingKind)
        ordered = sorted(self._found.items(), key=lambda item: kinds.index(item[0][0]))
        for (kind, name, expected, stored), entries in ordered:
            layers = tuple(sorted({layer for layer, *_ in entries if layer is not None}))
            tensors, elements, size = (
                sum(counts) for counts in zip(*(entry[1:] for entry in entries), strict=True)
            )
            yield Finding(kind, name, layers, expected, stored, tensors, elements, size)


def sides(shape: Sequence[int]) -> str:
    """`[2048, 7168]`."""
    return f"[{', '.join(map(str, shape))}]"


def numbered(template: str, experts: Iterable[int]) -> str:
    """A name with the experts' numbers in place, the layer's left open."""
    before, _, behind = template.rpartition("{}")
    numbers = sorted(experts)
    return f"{before}{ranges(numbers)}{behind}" if numbers and "{}" in before else template


def ranges(numbers: Sequence[int]) -> str:
    """`0-2,5` for 0, 1, 2, 5; long lists are cut behind three runs."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    words = [f"{first}-{last}" if last > first else str(first) for first, last in runs]
    return ",".join(words if len(words) <= 4 else [*words[:3], "..", words[-1]])
