"""Whether names belong together, and what a row that is not stored would have been named.

One checkpoint is written by one code: layers alike are named alike, and the modules of a layer have the names of one
vocabulary. A tensor whose name breaks that stands for no row, however well its shape would do.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from moecalc.checks.expected import Row, Unit, Units
from moecalc.ir.roles import Component, Role
from moecalc.sources.layouts.bundles import Bundle
from moecalc.sources.layouts.layout import Entry
from moecalc.sources.layouts.lift import Lifted
from moecalc.sources.layouts.vocabularies import norm_of, norms_beside, word_of, words_beside

Stored = Mapping[Unit, Sequence[Bundle]]


class Naming:
    """The names of one checkpoint, against the rows that they should be of."""

    def __init__(self, lifted: Lifted, rows: Units, stored: Stored, norms: frozenset[str]) -> None:
        self._layout = lifted.layout
        self._stem = lifted.stem
        self._norms_known = norms
        self._rows = rows
        self._own = {
            unit: dict.fromkeys(e.template for e in stored.get(unit, ()) if e.values) for unit in rows
        }
        self._everywhere = Counter(
            part for each in dict.fromkeys(p.matrix for p in lifted.parts) for part in _parents(each)
        )
        self._by_wrong_words = {unit: self._of_another_code(unit) for unit in rows}
        self._usual = self._usual_names()

    def strays(self, unit: Unit) -> frozenset[str]:
        """Names in the unit that are not of this checkpoint's code."""
        return self._by_wrong_words[unit] | self._renamed(unit) if unit in self._rows else frozenset()

    def _entries(self, unit: Unit) -> Iterable[tuple[str, Entry]]:
        for template in self._own[unit]:
            entry = self._layout.find(template, self._stem)
            if entry is not None and entry.roles:
                yield template, entry

    def _of_another_code(self, unit: Unit) -> frozenset[str]:
        """Names with words that do not stand beside the others of their layer."""
        found: set[str] = set()
        words: dict[str, list[tuple[str, str]]] = {}
        norms: list[tuple[str, str]] = []
        for template, entry in self._entries(unit):
            name = self._within_layer(template)
            if name is None:
                continue
            group = entry.roles[0].group
            if entry.roles[0] is Role.NORM:
                if norm := norm_of(name):
                    norms.append((template, norm))
            elif word := word_of(name, group):
                words.setdefault(group, []).append((template, word))
        for group, named in words.items():
            fitting = words_beside([word for _, word in named], group)
            found.update(template for template, word in named if word not in fitting)
        if norms:
            fitting = self._norms_beside(unit, [norm for _, norm in norms])
            found.update(template for template, norm in norms if norm not in fitting)
        return frozenset(found)

    def _norms_beside(self, unit: Unit, own: Iterable[str]) -> frozenset[str]:
        """The norms that stand beside these, none but those that the model's code has."""
        allowed = [norm for norm in own if norm in self._norms_known]
        fitting = norms_beside(allowed, self._norms_in(unit), self._norms_known)
        return fitting & self._norms_known

    def _norms_in(self, unit: Unit) -> int:
        """Norms that a layer should have: half as many as rows where each has a bias."""
        rows = sum(row.weight.role is Role.NORM for row in self._rows[unit])
        has_bias = any(
            template.endswith(".bias") and entry.roles[0] is Role.NORM
            for template, entry in self._entries(unit)
        )
        return rows // 2 if has_bias else rows

    def _within_layer(self, template: str) -> str | None:
        found = self._layout.split(template)
        return found[1] if found else None

    def _kind(self, unit: Unit) -> tuple[Component, frozenset[int]]:
        """What layers of the same rows have in common."""
        return unit[0], frozenset(id(row.weight) for row in self._rows[unit])

    def _usual_names(self) -> dict[tuple[Component, frozenset[int]], frozenset[str]]:
        """The names that most layers of a kind have; the first layer's, of equals."""
        votes: dict[tuple[Component, frozenset[int]], Counter[frozenset[str]]] = {}
        for unit in self._rows:
            names = frozenset(name for name, _ in self._entries(unit)) - self._by_wrong_words[unit]
            votes.setdefault(self._kind(unit), Counter())[names] += 1
        return {kind: counts.most_common(1)[0][0] for kind, counts in votes.items()}

    def _renamed(self, unit: Unit) -> frozenset[str]:
        """Names that stand in place of what the other layers of the kind have."""
        usual, own = self._usual[self._kind(unit)], dict(self._entries(unit))
        lacking = {role for name in usual - own.keys() for role in self._roles(name)}
        return frozenset(
            name for name, entry in own.items() if name not in usual and lacking & set(entry.roles)
        )

    def _roles(self, template: str) -> tuple[Role, ...]:
        entry = self._layout.find(template, self._stem)
        return entry.roles if entry else ()

    def spell(self, unit: Unit, row: Row, taken: Collection[str]) -> str:
        """The name that a row which is not stored would have here; its role where no layout spells it."""
        role, own = row.weight.role, self._own[unit].keys() - self.strays(unit)
        usual = [name for name in self._usual[self._kind(unit)] if name not in own]
        candidates = [name for name in self._spellings(row) if name not in own and name not in taken]
        if not candidates:
            part = "" if row.weight.component is Component.LANGUAGE else f"{row.weight.component.value}: "
            return f"{part}{role.value}"
        norms = self._norms(unit, own)
        return max(candidates, key=lambda name: (name in usual, *self._likelihood(name, row, norms, own)))

    def _spellings(self, row: Row) -> Iterable[str]:
        """Every name that this checkpoint could have for a row."""
        component = row.weight.component
        among = dict.fromkeys((component, Component.LANGUAGE))
        names = [name for part in among for name in self._layout.spellings(row.weight.role, part)]
        return [name for name in names if self._layout.find(name, self._stem) is not None]

    def _norms(self, unit: Unit, own: Iterable[str]) -> frozenset[str]:
        names = (self._within_layer(name) for name in own)
        return self._norms_beside(unit, filter(None, (norm_of(name) for name in names if name)))

    def _likelihood(
        self, template: str, row: Row, norms: frozenset[str], own: Collection[str]
    ) -> tuple[int, ...]:
        """The more of it fits, the likelier; of equals the first in the tables."""
        entry = self._layout.find(template, self._stem)
        name = self._within_layer(template)
        if entry is None:
            return (0,)
        role = row.weight.role
        readings = [reading for reading in entry.readings if any(r.role is role for r in reading.rows)]
        wanted = [each for reading in readings for each in reading.rows if each.role is role]
        group = role.group
        beside = [w for n in own if (s := self._within_layer(n)) and (w := word_of(s, group))]
        word = word_of(name, group) if name else None
        return (
            row.layer is None or name is not None,
            any(each.dim is not None and each.dim in row.first_dims for each in wanted)
            or all(each.dim is None for each in wanted),
            name is not None and norm_of(name) in norms,
            bool(beside) and word in words_beside(beside, group),
            not template.endswith(".bias"),
            name is not None or self._is_beside_the_stem(template),
            # what stands in a module that is stored, the nearer the better
            max(
                (self._everywhere[parent] and parent.count(".") + 1 for parent in _parents(template)),
                default=0,
            ),
            min(len(reading.rows) for reading in readings) == 1 and entry.readings[0].rows[0].role is role,
        )

    def _is_beside_the_stem(self, template: str) -> bool:
        """Whether a head stands where the decoder does: `language_model.lm_head` beside `language_model.model`."""
        outer = (self._stem or "").removesuffix(".").rpartition(".")[0]
        return template.rpartition(".")[0].rpartition(".")[0] == outer


def _parents(template: str) -> list[str]:
    """The modules that a name stands in."""
    words = template.split(".")
    return [".".join(words[:count]) for count in range(1, len(words))]
