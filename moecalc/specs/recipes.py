"""Recipes: what a quantizer converts, into which format, and what it leaves at 16 bits.

One file per recipe, `data/recipes/<name>.yaml`. A recipe names roles, or groups of them; a matrix of a role that it
does not speak of is an error, because what a quantizer does with it was not looked up. Vectors (norms, biases) and
buffers are converted by none. llama-quantize's mixtures are no tables but rules (`specs/gguf_mixtures.py`).
"""

import os
import re
from functools import cache
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from moecalc import strict_yaml
from moecalc.errors import InputError
from moecalc.ir.dims import Dim, axis
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Access, Kind, Ledger, Weight
from moecalc.specs.formats import Format, Placement, Precision, find_format

_DATA = Path(__file__).parent / "data" / "recipes"

ALL = "all"
"""In `converts`: every weight, embeddings and vectors too."""

LINEAR = "linear"
"""In `converts`: every linear layer inside the decoder layers."""

REST = "rest"
"""In `keeps`: every role that `converts` does not name."""

_LINEAR = {
    "attention",
    "ffn",
    "routed",
    "shared",
    "latent",
    "adapter",
    Role.RECURRENT_IN.value,
    Role.RECURRENT_OUT.value,
    Role.RECURRENT_GATE.value,
    Role.RECURRENT_PROJECTION.value,
    Role.INDEXER_Q.value,
    Role.INDEXER_K.value,
}

_CONVOLUTIONS = {Role.RECURRENT_CONV}
"""Matrices that are multiplied, and yet no linear layers."""

_HALVES = {"bf16", "fp16"}
_TOWERS = {Component.VISION, Component.AUDIO}


class Choice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number in a recipe's name: `g` and 32 are `-g32`. The first of the values is the default."""

    behind: str
    values: tuple[int, ...]


class Recipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one quantizer makes of the matrices of a model, by role or group; roles go before groups."""

    name: str
    title: str
    source: str
    stores: str
    """The format of what is converted, with a `{name}` for each of the choices."""
    converts: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    keeps: dict[str, str] = {}
    """Role or group -> why it stays at 16 bits, or where that was read."""
    choices: dict[str, Choice] = {}
    whole_groups: bool = False
    """Whether the quantizer refuses a matrix whose sides do not fill its groups and words."""
    needs_experts: bool = False
    mtp: bool = False
    """Whether prediction modules are converted too; most quantizers never see them."""
    note: str | None = None

    @property
    def format(self) -> Format:
        """The format of what is converted."""
        return find_format(self.stores)

    @property
    def bits_per_weight(self) -> float:
        """Bits of an element of a 4,096 x 4,096 matrix, scales and zero points included."""
        side = axis(Dim("side", 4096))
        return float(8 * self.format.bytes_of(Weight(role=Role.FFN_UP, shape=(side, side))) / 4096**2)

    @property
    def spelling(self) -> str:
        """How its name is typed, with what may stand behind it: `gptq[-int4|2|3|8][-g128|32|64]`."""
        parts = (f"[-{choice.behind}{'|'.join(map(str, choice.values))}]" for choice in self.choices.values())
        return f"{self.name}{''.join(parts)}"

    def precision(self, ledger: Ledger, released: str = "bf16") -> Precision:
        """How this recipe stores the rows of a ledger.

        `released` is the format of the model's unquantized weights, which stays that of what is not converted where
        it has 16 bits. Raises InputError for a role that the recipe does not speak of, a matrix whose sides do not
        fill its groups, and experts that are not there.
        """
        if ALL in self.converts:
            return Precision(self.stores)
        matrices = [weight for weight in ledger.weights if _is_matrix(weight)]
        converted: dict[str, None] = {}
        for weight in matrices:
            if self._converts(weight.role):
                self._check_sides(weight)
                converted[weight.role.value] = None
        if self.needs_experts and not converted:
            raise InputError(
                f"`{self.name}` converts routed experts, and the model has none",
                hint="a recipe for all linear layers works: `moecalc formats` lists them",
            )
        rest = released if released in _HALVES else "bf16"
        modules = {weight.role.value for weight in matrices if weight.component is Component.MTP}
        left = () if self.mtp else tuple(role for role in converted if role in modules)
        return Precision(
            rest,
            tuple((role, self.stores) for role in converted),
            tuple(Placement(role, rest, component=Component.MTP) for role in left),
            title=self.name,
            note=self._words(ledger, converted, rest),
        )

    def _converts(self, role: Role) -> bool:
        """Whether matrices of the role are converted. Raises InputError where the recipe does not say."""
        for word in (role.value, role.group):
            if word in self.keeps:
                return False
            if word in self.converts:
                return True
        if LINEAR in self.converts and not _LINEAR.isdisjoint({role.value, role.group}):
            return True
        if REST in self.keeps:
            return False
        raise InputError(
            f"`{self.name}` has no recipe for role `{role.value}`: what its quantizer does with it is not known",
            hint="choose a recipe that has one, such as `bf16`, or a llama.cpp mixture such as `q4_k_m`",
        )

    def _words(self, ledger: Ledger, converted: dict[str, None], rest: str) -> str:
        """What is stored how: `awq-int4-g128; bf16: embedding, router, head`."""
        kept = dict.fromkeys(
            weight.role.group
            for weight in ledger.part(Component.LANGUAGE).weights
            if weight.role.value not in converted
            and len(weight.shape) > 1
            and weight.access is not Access.ELEMENTWISE
            and weight.tied_to is None
            and weight.stored_as is None
        )
        return f"{self.stores}; {rest}: {', '.join(kept)}"

    def _check_sides(self, weight: Weight) -> None:
        if not self.whole_groups:
            return
        rows, columns = (int(side.size) for side in weight.shape[-2:])
        stored = self.format
        groups = [tensor.block[1] for tensor in stored.tensors] + [stored.block[1] if stored.block else None]
        group = max((size for size in groups if size is not None), default=1)
        words = [
            tensor.bits // tensor.value_bits
            for tensor in stored.tensors
            if tensor.value_bits is not None and tensor.packed is not tensor.packed.IN
        ]
        word = max(words, default=1)
        if columns % group or rows % word:
            sides = f"{columns:,} inputs" if columns % group else f"{rows:,} outputs"
            raise InputError(
                f"`{self.name}` takes whole groups of {group if columns % group else word}, and "
                f"`{weight.role.value}` has {sides}",
                hint=self._other_groups(columns) or "choose another recipe: `moecalc formats`",
            )

    def _other_groups(self, columns: int) -> str | None:
        choice = self.choices.get("group")
        fitting = [size for size in choice.values if columns % size == 0] if choice else []
        base = re.sub(r"-g\d+$", "", self.name)
        return f"a smaller group may do: `{base}-g{max(fitting)}`" if fitting else None


def find_recipe(text: str) -> Recipe | None:
    """The recipe of that name or alias, with what follows it (`gptq-int8-g32`) put in; None where there is none.

    Raises InputError where the name is a recipe's and what follows is not one of its choices.
    """
    key = re.sub(r"[\s_.]+", "-", text.strip().lower())
    for recipe in recipes():
        for name in sorted((recipe.name, *recipe.aliases), key=len, reverse=True):
            if key == name:
                return _chosen(recipe, {})
            if key.startswith(f"{name}-") and recipe.choices and not _names_another(key):
                return _chosen(recipe, _parse(recipe, text, key.removeprefix(f"{name}-")))
    return None


def recipes() -> tuple[Recipe, ...]:
    """Every recipe, by name, with its choices open."""
    return tuple(_load(entry) for entry in _files())


def recipe_names() -> list[str]:
    """The name of every recipe. Parses nothing."""
    return [entry.rpartition(os.sep)[2].removesuffix(".yaml") for entry in _files()]


def _names_another(key: str) -> bool:
    return any(key in {recipe.name, *recipe.aliases} for recipe in recipes())


def _parse(recipe: Recipe, text: str, rest: str) -> dict[str, int]:
    chosen: dict[str, int] = {}
    for part in rest.split("-"):
        for name, choice in recipe.choices.items():
            digits = part.removeprefix(choice.behind)
            if part.startswith(choice.behind) and digits.isdecimal() and name not in chosen:
                if len(digits) > 6 or int(digits) not in choice.values:
                    raise InputError(f"`{recipe.name}` has no `{part}`", hint=f"type `{recipe.spelling}`")
                chosen[name] = int(digits)
                break
        else:
            raise InputError(f"`{text}`: `{recipe.name}` has no `{part}`", hint=f"type `{recipe.spelling}`")
    return chosen


def _chosen(recipe: Recipe, chosen: dict[str, int]) -> Recipe:
    """The recipe with its choices made: those given, and the default of the others."""
    if not recipe.choices:
        return recipe
    made = {name: chosen.get(name, choice.values[0]) for name, choice in recipe.choices.items()}
    named = "".join(
        f"-{recipe.choices[name].behind}{value}" for name, value in made.items() if name in chosen
    )
    return replace(recipe, name=f"{recipe.name}{named}", stores=recipe.stores.format(**made))


def _is_matrix(weight: Weight) -> bool:
    """Whether a row is of matrices that are multiplied by, and in no format of their own."""
    return (
        weight.access is Access.MATMUL
        and len(weight.shape) > 1
        and weight.kind is Kind.PARAMETER
        and weight.stored_as is None
        and weight.role not in _CONVOLUTIONS
        and weight.component not in _TOWERS
    )


@cache
def _files() -> tuple[str, ...]:
    return tuple(sorted(entry.path for entry in os.scandir(_DATA) if entry.name.endswith(".yaml")))


@cache
def _load(path: str) -> Recipe:
    return strict_yaml.decode(strict_yaml.load(path), Recipe)
