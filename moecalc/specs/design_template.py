"""A family to design in: an architecture whose sizes are put in anew, as numbers or as names without a value."""

import copy
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import msgspec

from moecalc.errors import InputError, UndeterminedError
from moecalc.ir import symbolic
from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.ffn import Dense, Gated
from moecalc.ir.blocks.mla import MLA
from moecalc.ir.blocks.moe import MoE, SharedExpert
from moecalc.ir.blocks.pattern import compress
from moecalc.ir.blocks.stack import Stack
from moecalc.ir.numeric import Number
from moecalc.ir.rows import Ledger
from moecalc.specs.design_axes import KINDS, LAYERS, SHARED

FIELDS: dict[str, tuple[tuple[type, ...], str]] = {
    "hidden": ((Architecture,), "hidden_size"),
    "heads": ((GQA, MLA), "heads"),
    "kv_heads": ((GQA,), "kv_heads"),
    "head_dim": ((GQA,), "head_dim"),
    "experts": ((MoE,), "experts"),
    "top_k": ((MoE,), "top_k"),
    "expert_width": ((MoE,), "intermediate_size"),
    "dense_width": ((Dense, Gated), "intermediate_size"),
}
"""Size -> the blocks that have it, and the field."""

REPEATS = "repeats"
"""How often the repeating part of the layers stands in a row."""

Sizes = Mapping[str, Number]


class Template(msgspec.Struct, frozen=True, dict=True):
    """The architecture of a model, its language model alone."""

    name: str
    whole: Architecture

    @cached_property
    def architecture(self) -> Architecture:
        """Without prediction modules, drafters and towers, which stand beside the language model."""
        return msgspec.structs.replace(self.whole, mtp=None, drafter=None, towers=())

    @property
    def left_out(self) -> tuple[str, ...]:
        """What the model has beside its language model."""
        whole = self.whole
        found = {
            "multi-token prediction": whole.mtp,
            "drafter": whole.drafter,
            "towers": whole.towers,
        }
        return tuple(name for name, part in found.items() if part)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The sizes that this family has one value of, by name; its others cannot be varied."""
        found = {name: values.pop() for name in FIELDS if len(values := self._values(name)) == 1}
        if self.zero_experts:
            found.pop("experts", None)  # what a token uses of them is then a ratio, and no product of sizes
        shared = self._shared_experts()
        if shared is not None:
            found[SHARED] = shared
        if self._period is not None:
            found[LAYERS] = len(self._kinds)
        return {name: found[name] for name in KINDS if name in found}

    def check(self, name: str) -> None:
        """Raise InputError where the family has no such size, or several values of it."""
        if name in self.sizes or (name == SHARED and "expert_width" in self.sizes):
            return
        option = KINDS[name].option
        others = ", ".join(f"`{KINDS[other].option}`" for other in self.sizes)
        hint = f"sizes of `{self.name}` that can vary: {others}"
        if name == LAYERS:
            raise InputError(f"the layers of `{self.name}` repeat in no pattern to go on with", hint=hint)
        if name == "experts" and self.zero_experts:
            raise InputError(
                f"`{self.name}` chooses among experts and {self.zero_experts} that compute nothing: its `--experts` "
                "stay as they are",
                hint=hint,
            )
        values = self._values(name) if name in FIELDS else set()
        if values:
            listed = ", ".join(f"{value:,}" for value in sorted(values))
            raise InputError(f"`{option}` means one size, and `{self.name}` has several: {listed}", hint=hint)
        raise InputError(f"`{self.name}` has no {KINDS[name].words} to vary with `{option}`", hint=hint)

    @cached_property
    def heads(self) -> frozenset[tuple[int, int]]:
        """Query and key-value heads of every kind of layer that shares the latter."""
        return frozenset((block.heads, block.kv_heads) for block in self._blocks(GQA))

    @cached_property
    def choices(self) -> frozenset[tuple[int, int]]:
        """Experts to choose among (those without weights included), and experts per token, of every kind of layer."""
        return frozenset((moe.experts + moe.zero_experts, moe.top_k) for moe in self._blocks(MoE))

    @cached_property
    def groups(self) -> frozenset[int]:
        """Numbers of groups that experts are dealt into, each of which divides the number of experts."""
        return frozenset(moe.groups for moe in self._blocks(MoE) if moe.groups > 1)

    @cached_property
    def zero_experts(self) -> int:
        """Experts without weights that stand in the same choice."""
        return max((moe.zero_experts for moe in self._blocks(MoE)), default=0)

    @property
    def layer_step(self) -> tuple[int, int]:
        """Layers that stand once, and layers that repeat behind them. Only where layers can vary."""
        assert self._period is not None
        return self._period

    def built(self, sizes: Mapping[str, int]) -> Architecture:
        """The architecture with these sizes. Raises InputError where they make none."""
        try:
            made: Architecture = _changed(self.architecture, lambda node: self._fields(node, sizes), _valid)
        except ValueError as error:
            raise InputError(f"no architecture of `{self.name}`: {error}") from error
        return made

    def lowered(self, sizes: Sizes) -> Ledger:
        """The ledger with these sizes, any of them a formula. Layers are given as `REPEATS` of the repeating part.

        Raises UndeterminedError where a block needs the value of a size that is a formula.
        """
        numbers = {name: value for name, value in sizes.items() if name != REPEATS}
        try:
            made = _changed(self.architecture, lambda node: self._fields(node, numbers), _unchecked)
            ledger: Ledger = made.lower_to_ledger()
        except TypeError as error:
            names = ", ".join(f"`{KINDS[name].option}`" for name in sizes if name in KINDS)
            raise UndeterminedError(
                f"`{self.name}` has a part whose rows follow from the numbers themselves: {error}",
                hint=f"vary fewer sizes than {names}",
            ) from error
        return self._with_layers(ledger, sizes[REPEATS]) if REPEATS in sizes else ledger

    def _fields(self, node: Any, sizes: Sizes) -> dict[str, Any]:
        changes = {
            field: sizes[name]
            for name, (blocks, field) in FIELDS.items()
            if name in sizes and isinstance(node, blocks)
        }
        if isinstance(node, MoE):
            shared = self._shared(node, sizes)
            if shared is not node.shared:
                changes["shared"] = shared
        if isinstance(node, Stack) and LAYERS in sizes:
            changes["pattern"] = compress(self._kinds_of(sizes[LAYERS]))
        return changes

    def _shared(self, moe: MoE, sizes: Sizes) -> SharedExpert | None:
        """The shared experts under new sizes: as many as said, else as many as there are."""
        if SHARED not in sizes and ("expert_width" not in sizes or self._shared_experts() is None):
            return moe.shared
        count = sizes.get(SHARED, self._shared_experts())
        if isinstance(count, int) and count == 0:
            return None
        width = count * sizes.get("expert_width", moe.intermediate_size)
        block = moe.shared or SharedExpert(intermediate_size=1, gated=moe.gated, bias=moe.bias)
        made = copy.copy(block)
        msgspec.structs.force_setattr(made, "intermediate_size", width)
        return made

    def _shared_experts(self) -> int | None:
        """How many routed experts the shared ones are as wide as; None where that is no whole or no one number."""
        counts = set()
        for moe in self._blocks(MoE):
            width = moe.shared.intermediate_size if moe.shared else 0
            if width % moe.intermediate_size:
                return None
            counts.add(width // moe.intermediate_size)
        return counts.pop() if len(counts) == 1 else None

    def _with_layers(self, ledger: Ledger, repeats: Number) -> Ledger:
        """The rows of each kind of layer as often as the pattern names it in that many repeats."""
        once, _ = self.layer_step
        kinds = self._kinds
        unit = kinds[once:][: self.layer_step[1]]
        counts: dict[tuple[int, ...], Number] = {}
        for kind in set(kinds):
            indices = tuple(index for index, name in enumerate(kinds) if name == kind)
            counts[indices] = kinds[:once].count(kind) + unit.count(kind) * repeats
        layered = {
            part: tuple(
                msgspec.structs.replace(row, layers=counts[row.indices]) if row.indices else row
                for row in getattr(ledger, part)
            )
            for part in ledger.__struct_fields__
        }
        return Ledger(**layered)

    def _kinds_of(self, layers: int) -> list[str]:
        once, step = self.layer_step
        return [*self._kinds[:once], *self._kinds[once : once + step] * ((layers - once) // step)]

    @cached_property
    def _kinds(self) -> list[str]:
        return list(self.architecture.stacks[0].kinds)

    @cached_property
    def _period(self) -> tuple[int, int] | None:
        """Layers that stand once at the beginning, and the shortest part that repeats behind them at least twice."""
        stacks = self.architecture.stacks
        if len(stacks) != 1 or stacks[0].attention_residual or self.architecture.embedding.per_layer:
            return None  # something else counts the layers
        if any(layer.shared or layer.before or layer.ngram for layer in stacks[0].layers.values()):
            return None
        kinds = self._kinds
        found = []
        for once in range(len(kinds)):
            rest = kinds[once:]
            for step in range(1, len(rest) // 2 + 1):
                if len(rest) % step == 0 and rest == rest[:step] * (len(rest) // step):
                    found.append((once, step))
                    break
        best = min(found, key=sum, default=None)
        return best if best is not None and 2 * sum(best) <= len(kinds) else None

    def _values(self, name: str) -> set[int]:
        blocks, field = FIELDS[name]
        return {getattr(node, field) for node in self._blocks(*blocks)}

    def _blocks(self, *kinds: type) -> Iterator[Any]:
        return (node for node in _nodes(self.architecture) if isinstance(node, kinds))


def name_of(name: str) -> symbolic.Polynomial:
    """The size of that name, without a value."""
    return symbolic.size(name)


def _nodes(node: Any) -> Iterator[Any]:
    if isinstance(node, msgspec.Struct):
        yield node
        for field in node.__struct_fields__:
            yield from _nodes(getattr(node, field))
    elif isinstance(node, dict):
        for item in node.values():
            yield from _nodes(item)
    elif isinstance(node, list | tuple):
        for item in node:
            yield from _nodes(item)


def _changed(
    node: Any, fields: Callable[[Any], dict[str, Any]], make: Callable[[Any, dict[str, Any]], Any]
) -> Any:
    """The tree of blocks with new fields where `fields` has some; what stays the same is not copied."""
    if isinstance(node, msgspec.Struct):
        changes = {}
        for field in node.__struct_fields__:
            old = getattr(node, field)
            new = _changed(old, fields, make)
            if new is not old:
                changes[field] = new
        changes |= fields(node)
        return make(node, changes) if changes else node
    if isinstance(node, dict):
        items = {key: _changed(item, fields, make) for key, item in node.items()}
        return items if any(items[key] is not node[key] for key in node) else node
    if isinstance(node, list | tuple):
        made = [_changed(item, fields, make) for item in node]
        same = all(new is old for new, old in zip(made, node, strict=True))
        return node if same else type(node)(made)
    return node


def _valid(node: Any, changes: dict[str, Any]) -> Any:
    """A block with new fields, checked as any other."""
    return msgspec.structs.replace(node, **changes)


def _unchecked(node: Any, changes: dict[str, Any]) -> Any:
    """The same with formulas, of which no check can be made: each candidate's numbers are checked instead."""
    made = copy.copy(node)
    for field, value in changes.items():
        msgspec.structs.force_setattr(made, field, value)
    return made
