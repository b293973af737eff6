"""`--quant NAME` -> how a model's weights are stored: a recipe, or one of llama-quantize's mixtures."""

from typing import TYPE_CHECKING, Any

from moecalc.errors import InputError, did_you_mean
from moecalc.specs.formats import Precision, find_format
from moecalc.specs.gguf_mixtures import ALIASES, MIXTURES, PLAIN, find_mixture
from moecalc.specs.recipes import find_recipe, recipe_names, recipes

if TYPE_CHECKING:
    from moecalc.api.model import Model

RELEASED = "released"
"""The name of no recipe: the weights as their vendor stores them."""


def precision_for(model: "Model", quant: Any) -> Precision:
    """How the weights of a model are stored under a recipe (`awq`, `gptq-g32`, `q4_k_m`) or as `released`.

    Raises InputError for a name that is no recipe's, and as `Recipe.precision` does.
    """
    if not isinstance(quant, str):
        raise InputError(f"{quant!r} is no name of a recipe", hint="`moecalc formats` lists them")
    if quant.strip().lower() == RELEASED:
        return model.precision
    recipe = find_recipe(quant)
    if recipe is not None:
        return recipe.precision(model.ledger, model.precision.default)
    if find_mixture(quant) is None:
        raise unknown_recipe(quant)
    from moecalc.api.gguf_dialect import dialect_of  # only if asked for
    from moecalc.calc.gguf_mixture import gguf_precision

    return gguf_precision(model.ledger, quant, dialect_of(model.name, model.model_type))


def quant_names() -> list[str]:
    """Everything `--quant` takes, without aliases and open choices. Parses nothing."""
    return [*recipe_names(), *(name.lower() for name in MIXTURES if name not in PLAIN)]


def unknown_recipe(quant: str) -> InputError:
    """The error for a name that is no recipe's."""
    aliases = {alias: recipe.name for recipe in recipes() for alias in recipe.aliases}
    aliases |= {alias.lower(): name.lower() for alias, name in ALIASES.items()}
    near = [aliases.get(name, name) for name in did_you_mean(quant, [*quant_names(), *aliases])]
    words = " or ".join(f"`{name}`" for name in dict.fromkeys(near))
    hint = f"did you mean {words}? " if words else ""
    return InputError(
        f"unknown quantization `{quant}`", hint=f"{hint}`moecalc formats` lists the recipes and mixtures"
    )


def chosen_precision(model: "Model", dtype: str | None, quant: str | None) -> Precision:
    """How weights are stored under `--dtype` (all in one format) or `--quant` (a recipe). InputError for both."""
    if quant is None:
        return model.precision if dtype is None else plain_precision(dtype)
    if dtype is not None:
        raise InputError(
            f"`--dtype {dtype}` and `--quant {quant}` exclude each other",
            hint="`--dtype` stores every weight in one format, `--quant` as a quantizer's recipe does",
        )
    return precision_for(model, quant)


def plain_precision(dtype: str) -> Precision:
    """All weights in one format. Raises InputError for an unknown one, or the name of a recipe."""
    found = find_mixture(dtype)
    if found is not None and found[0].name not in PLAIN:
        raise _is_a_recipe(dtype)
    try:
        return Precision(find_format(dtype).name)
    except InputError:
        if find_recipe(dtype) is not None:
            raise _is_a_recipe(dtype) from None
        raise


def _is_a_recipe(name: str) -> InputError:
    return InputError(
        f"`{name}` is a recipe of several formats, and `--dtype` takes one", hint=f"type `--quant {name}`"
    )
