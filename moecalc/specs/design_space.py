"""The designs to try: all combinations of the axes that a family's kernels and blocks allow, and why others are not."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import compress, islice, product, repeat
from math import prod

import msgspec

from moecalc.errors import InputError
from moecalc.ir.rows import Ledger
from moecalc.ir.symbolic import Columns
from moecalc.specs.design_axes import GRANULARITY, KINDS, LAYERS, SHARED, WIDTHS, Axis
from moecalc.specs.design_template import REPEATS, Template, name_of

MOST = 2_000_000
"""Combinations beyond which a search takes minutes: the axes are finer than anybody reads."""

WIDE = 4
"""The dense feed-forward that granularity refers to is so many times as wide as the hidden size."""


class Rule(msgspec.Struct, frozen=True):
    """What sizes must keep for there to be such a model, or a kernel for it."""

    words: str
    sizes: tuple[str, ...]
    holds: Callable[..., bool]


class Structure(msgspec.Struct, frozen=True):
    """Designs whose rows differ in sizes only: one ledger of formulas stands for all."""

    ledger: Ledger
    axes: tuple[Axis, ...]


class Space(msgspec.Struct, frozen=True, dict=True):
    """A family, the sizes that vary and the rules that their combinations keep."""

    template: Template
    axes: tuple[Axis, ...]
    multiple: int

    @property
    def names(self) -> tuple[str, ...]:
        """The sizes that vary, in the order of a candidate's values."""
        return tuple(axis.name for axis in self.axes)

    @property
    def count(self) -> int:
        """Combinations in all, those that break a rule included."""
        return prod(len(axis.values) for axis in self.axes)

    @cached_property
    def structures(self) -> tuple[Structure, ...]:
        """Designs without shared experts apart from those with some. Raises UndeterminedError as `lowered` does."""
        found = []
        for keep in (lambda count: count == 0, lambda count: count > 0):
            axes = tuple(
                msgspec.structs.replace(axis, values=tuple(filter(keep, axis.values)))
                if axis.name == SHARED
                else axis
                for axis in self.axes
            )
            if all(axis.values for axis in axes):
                found.append(Structure(self._lowered(axes), axes))
            if SHARED not in self.names:
                break
        return tuple(found)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """What the combinations must keep, where any of the sizes that it is about varies."""
        template, multiple = self.template, self.multiple
        rules = self._paired(
            "key-value heads divide the query heads",
            ("heads", "kv_heads"),
            template.heads,
            lambda heads, kv_heads: heads % kv_heads == 0,
        )
        rules += self._paired(
            "no more experts per token than experts",
            ("experts", "top_k"),
            template.choices,
            lambda experts, top_k: top_k <= experts,
        )
        if "experts" in self.names:
            for groups in sorted(template.groups):
                rules.append(_divided(groups))
        if GRANULARITY in self.names:
            rules.append(
                Rule(
                    f"experts are a multiple of {multiple} wide",
                    ("hidden", GRANULARITY),
                    lambda hidden, granularity: WIDE * hidden % (granularity * multiple) == 0,
                )
            )
        if LAYERS in self.names:
            once, step = template.layer_step
            words = f"whole repeats of {step} layers" + (f" behind the first {once}" if once else "")
            rules.append(Rule(words, (LAYERS,), lambda n: n > once and (n - once) % step == 0))
        return tuple(rules)

    def _paired(
        self,
        words: str,
        sizes: tuple[str, str],
        pairs: frozenset[tuple[int, int]],
        holds: Callable[[int, int], bool],
    ) -> list[Rule]:
        """A rule over two sizes of a block, each of them as it varies, else as every kind of layer has it."""
        one, two = sizes
        if not pairs or set(sizes).isdisjoint(self.names):
            return []
        if one not in self.names:
            return [Rule(words, (two,), lambda b: all(holds(a, b) for a, _ in pairs))]
        if two not in self.names:
            return [Rule(words, (one,), lambda a: all(holds(a, b) for _, b in pairs))]
        return [Rule(words, sizes, holds)]

    def chunks(
        self, structure: Structure, size: int, broken: Counter[str]
    ) -> Iterator[tuple[int, list[tuple[int, ...]]]]:
        """How many combinations were looked at, and those of them that keep the rules, so many at a time.

        What broke a rule is counted under its words.
        """
        every = product(*(axis.values for axis in structure.axes))
        while chunk := list(islice(every, size)):
            kept = chunk
            for rule in self.rules:
                if kept:
                    by_name = dict(zip(self.names, zip(*kept, strict=True), strict=True))
                    columns = (by_name.get(name) or repeat(self.template.sizes[name]) for name in rule.sizes)
                    held = list(map(rule.holds, *columns))
                    broken[rule.words] += held.count(False)
                    kept = list(compress(kept, held))
            yield len(chunk), kept

    def columns(self, candidates: Sequence[Sequence[int]]) -> Columns:
        """The values of every name in the formulas, one for each candidate."""
        columns: dict[str, Sequence[int]] = dict(zip(self.names, zip(*candidates, strict=True), strict=True))
        if LAYERS in columns:
            once, step = self.template.layer_step
            columns[REPEATS] = [(layers - once) // step for layers in columns.pop(LAYERS)]
        if GRANULARITY in columns:
            hidden = columns.get("hidden") or [self.template.sizes["hidden"]] * len(candidates)
            pairs = zip(hidden, columns.pop(GRANULARITY), strict=True)
            columns["expert_width"] = [WIDE * size // granularity for size, granularity in pairs]
        return columns

    def sizes(self, candidate: Sequence[int]) -> dict[str, int]:
        """The sizes of one candidate as the family's blocks take them."""
        sizes = dict(zip(self.names, candidate, strict=True))
        if GRANULARITY in sizes:
            hidden = sizes.get("hidden", self.template.sizes["hidden"])
            sizes["expert_width"] = WIDE * hidden // sizes.pop(GRANULARITY)
        return {name: sizes[name] for name in KINDS if name in sizes}

    def _lowered(self, axes: tuple[Axis, ...]) -> Ledger:
        """The ledger with a formula for every size that varies."""
        names = {"expert_width" if axis.name == GRANULARITY else axis.name for axis in axes}
        sizes = {REPEATS if name == LAYERS else name: name for name in names}
        without = next((axis for axis in axes if axis.name == SHARED), None)
        formulas = {name: name_of(name) for name in sizes}
        if without is not None and without.values == (0,):
            return self.template.lowered({**formulas, SHARED: 0})
        return self.template.lowered(formulas)


def _divided(groups: int) -> Rule:
    return Rule(
        f"the {groups} groups of experts are equal", ("experts",), lambda experts: experts % groups == 0
    )


def space_of(template: Template, axes: Sequence[Axis], multiple: int) -> Space:
    """The space of these axes. Raises InputError where the family lacks one, none is left, or there are too many."""
    if not axes:
        options = ", ".join(f"`{KINDS[name].option}`" for name in template.sizes)
        raise InputError(
            f"nothing of `{template.name}` varies",
            hint=f"give values, lists or ranges: `--experts 32..512 --top-k 4..16`; sizes that can vary: {options}",
        )
    names = [axis.name for axis in axes]
    if GRANULARITY in names and "expert_width" in names:
        raise InputError(
            "`--granularity` and `--expert-width` both say how wide an expert is",
            hint="leave one of them out",
        )
    for name in names:
        template.check("expert_width" if name == GRANULARITY else name)
    ordered = tuple(sorted(axes, key=lambda axis: list(KINDS).index(axis.name)))
    space = Space(template, ordered, multiple)
    if space.count > MOST:
        longest = max(ordered, key=lambda axis: len(axis.values))
        lengths = " x ".join(f"{len(axis.values)} {axis.kind.option}" for axis in ordered)
        coarser = (
            f"{longest.values[0]}..{longest.values[-1]}/{4 * (longest.values[1] - longest.values[0])}"
            if longest.name in WIDTHS or longest.name == LAYERS
            else ",".join(map(str, longest.values[:: max(1, len(longest.values) // 4)][:4]))
        )
        raise InputError(
            f"{space.count:,} combinations are more than {MOST:,}: {lengths}",
            hint=f"name fewer values: `{longest.kind.option} {coarser}`",
        )
    return space
