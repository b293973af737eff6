"""`moecalc formats [FILTER]`."""

from typing import Annotated, Any

import typer

from moecalc.cli import options
from moecalc.cli.output import emit
from moecalc.errors import InputError
from moecalc.render.layout import bold, dim, paragraph, table, width
from moecalc.report import Report
from moecalc.specs.gguf_mixtures import MIXTURES, PLAIN, SOURCE, Mixture
from moecalc.specs.kv_formats import kv_names
from moecalc.specs.recipes import ALL, Recipe, find_recipe, recipes

EXAMPLES = (
    "moecalc formats",
    "moecalc formats nvfp4",
)

FEW = 4
"""Up to so many recipes are shown with their sources."""


def command(
    filter_: Annotated[str, typer.Argument(metavar="[FILTER]", help="Part of a name, alias or title.")] = "",
    json: options.JsonOption = False,
) -> None:
    """Recipes of quantization: bits per weight, what stays high.

    What `--quant` takes: quantizers' recipes, each with its source, and llama-quantize's mixtures.
    """
    wanted = filter_.strip().lower()
    mixtures = [mixture for mixture in MIXTURES.values() if mixture.name not in PLAIN]
    listed = [*map(_recipe, recipes()), *map(_mixture, mixtures)]
    found = [entry for entry in listed if _is(entry, wanted)]
    if not found:
        raise InputError(f"no format matches `{filter_}`", hint="`moecalc formats` lists all")
    if json:
        from moecalc.render.json import report_json

        extra = {"formats": found, "kv_formats": kv_names()}
        emit(report_json(Report(command="formats", models=(), extra=extra)))
        return
    columns = width()
    rows = [[e["name"], _bits(e["bits_per_weight"]), ", ".join(e["keeps"]), e["title"]] for e in found]
    lines = table([["name", "bits", "stays high", "what it is"], *rows], "<><<")
    if max(map(len, lines)) > columns:
        lines = table([["name", "bits", "what it is"], *[[row[0], row[1], row[3]] for row in rows]], "<><")
    out = [bold(lines[0]), *lines[1:]]
    if len(found) <= FEW:
        for entry in found:
            out += ["", *_details(entry, columns)]
    note = (
        "bits: per converted weight, scales and zero points included; norms and biases stay in 16 bits (in 32 in "
        "GGUF); - of a mixture: its types differ by layer and tensor, so its bits are the model's "
        f"(`moecalc show MODEL --quant q4_k_m`); KV cache (`--kv-dtype`): {', '.join(kv_names())}"
    )
    emit("\n".join([*out, "", *paragraph(note, columns)]))


def _is(entry: dict[str, Any], wanted: str) -> bool:
    return wanted in " ".join([entry["name"], *entry["aliases"], entry["title"]]).lower()


def _bits(bits: float | None) -> str:
    return "-" if bits is None else f"{bits:.3g}"


def _recipe(recipe: Recipe) -> dict[str, Any]:
    chosen = find_recipe(recipe.name) or recipe
    return {
        "name": recipe.name,
        "aliases": list(recipe.aliases),
        "title": recipe.title,
        "bits_per_weight": chosen.bits_per_weight,
        "stores": recipe.stores,
        "choices": {name: list(choice.values) for name, choice in recipe.choices.items()},
        "spelling": recipe.spelling,
        "converts": list(recipe.converts),
        "keeps": {} if ALL in recipe.converts else dict(recipe.keeps),
        "source": recipe.source,
        "note": recipe.note,
    }


def _mixture(mixture: Mixture) -> dict[str, Any]:
    needs = ", needs an importance matrix" if mixture.imatrix else ""
    name = mixture.name.lower()
    return {
        "name": name,
        "aliases": [],
        "title": f"GGUF of llama-quantize, mostly {mixture.type}{needs}",
        "bits_per_weight": None,
        "stores": mixture.type,
        "choices": {},
        "spelling": name if mixture.imatrix else f"{name}[-imatrix]",
        "converts": [],
        "keeps": {"router": "float32 in every file (conversion/base.py of llama.cpp)"},
        "source": SOURCE,
        "note": None,
    }


def _details(entry: dict[str, Any], columns: int) -> list[str]:
    lines = [bold(entry["spelling"])]
    if entry["aliases"]:
        lines.append(f"  also {', '.join(entry['aliases'])}")
    if entry["converts"]:
        lines.append(f"  {', '.join(entry['converts'])}: {entry['stores']}")
    for role, why in entry["keeps"].items():
        lines += paragraph(f"  stays: {role}: {why}", columns, "    ")
    lines += [dim(line) for line in paragraph(f"  source: {entry['source']}", columns, "    ")]
    if entry["note"]:
        lines += paragraph(f"  note: {entry['note']}", columns, "    ")
    return lines
