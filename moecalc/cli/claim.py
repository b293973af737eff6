"""`moecalc claim`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from moecalc import cli
from moecalc.cli.output import emit
from moecalc.cli.values import one_format
from moecalc.errors import EXIT_CHECK_FAILED, EXIT_OK, EXIT_UNDETERMINED, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moecalc.checks.claiming.judging import Judged

EXAMPLES = (
    'moecalc claim "Mixtral 8x22B, 39B active, int4 on 1x h100, 120 tok/s, $0.60/M output"',
    'moecalc claim "70B, 12B active, int4 fits on one 24 GB card"',
    "moecalc claim --model deepseek-v3 --active 37B --vram 22GB --quant q4_k_m",
    "moecalc claim --file claims.yaml --strict",
    "moecalc claim --catalogue",
)


def command(
    sentence: Annotated[
        str | None, typer.Argument(metavar="[SENTENCE]", help="A claim in one sentence, in quotes.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="A catalogue name, path or hub id; without one the counts stand for the model.",
            autocompletion=cli.options.complete_model,
        ),
    ] = None,
    total: Annotated[str | None, typer.Option("--total", help="Total parameters, as printed: 46.7B.")] = None,
    active: Annotated[
        str | None, typer.Option("--active", help="Active parameters, as printed: 12.9B.")
    ] = None,
    size: Annotated[str | None, typer.Option("--size", help="What weights or a file take: 43.1GB.")] = None,
    vram: Annotated[
        str | None,
        typer.Option(
            "--vram", help="Memory that it is said to need or to fit in, with its base: 24GB, 24GiB."
        ),
    ] = None,
    ram: Annotated[str | None, typer.Option("--ram", help="Memory beside the GPU's: 382GB.")] = None,
    gpu: Annotated[
        str | None,
        typer.Option("--gpu", help="Devices: h100, 8xh100.", autocompletion=cli.options.complete_gpu),
    ] = None,
    quant: cli.options.QuantOption = None,
    tokens_per_second: Annotated[
        str | None,
        typer.Option("--tokens-per-second", help="Decode speed: 120 (all sequences), 120/user, 1627/gpu."),
    ] = None,
    batch: Annotated[str | None, typer.Option("--batch", help="Sequences at once.")] = None,
    context: Annotated[str | None, typer.Option("--context", help="Context length: 32k.")] = None,
    prompt: Annotated[str | None, typer.Option("--prompt", help="Prompt length of `--ttft`.")] = None,
    price: Annotated[
        str | None, typer.Option("--price", help="USD per million tokens: 0.60, '$0.27/M input'.")
    ] = None,
    ttft: Annotated[str | None, typer.Option("--ttft", help="Time to the first token: 200ms.")] = None,
    file: Annotated[
        str | None, typer.Option("--file", "-f", help="A YAML list of claims, checked one by one.")
    ] = None,
    catalogue: Annotated[
        bool, typer.Option("--catalogue", help="Every claim of the catalogue: whose convention counts what.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 where a statement is inconsistent, not only impossible.")
    ] = False,
    require: Annotated[
        bool, typer.Option("--require", help="Exit 3 where a statement is undetermined.")
    ] = False,
    json: cli.options.JsonOption = False,
    markdown: cli.options.MarkdownOption = False,
) -> int:
    """Can it be true? Statements about a model, held against physics.

    Shapes, memory, bandwidth and listed prices decide.

    Exit code 1 where a statement is impossible, 2 where a number of the sentence was not understood.
    """
    one_format(json, markdown)
    parts = {
        "model": model,
        "total": total,
        "active": active,
        "size": size,
        "vram": vram,
        "ram": ram,
        "gpu": gpu,
        "quant": quant,
        "tokens_per_second": tokens_per_second,
        "batch": batch,
        "context": context,
        "prompt": prompt,
        "price": price,
        "ttft": ttft,
    }
    given = [f"--{name.replace('_', '-')}" for name, value in parts.items() if value is not None]
    if sentence is not None:
        given.insert(0, "a sentence")
    alone = [word for word, chosen in (("--file", file is not None), ("--catalogue", catalogue)) if chosen]
    if alone and (given or len(alone) > 1):
        raise InputError(
            f"`{alone[0]}` and {given[0] if given else alone[1]} exclude each other",
            hint="leave one of them out",
        )
    if catalogue:
        return _catalogue(json, markdown)
    from moecalc.api.claiming import claim, claims_in

    judged = claims_in(file) if file is not None else (claim(sentence, parts),)
    _emit(judged, file, json, markdown)
    return _exit_code([one.exit_code(strict=strict, require=require) for one in judged])


def _emit(judged: Sequence[Judged], source: str | None, json: bool, markdown: bool) -> None:
    if json:
        _emit_json({"claimed": [{**one.to_dict(), "line": one.line} for one in judged]})
        return
    from moecalc.render import claim as render
    from moecalc.render.layout import width

    emit(render.claims_markdown(judged, source) if markdown else render.claims_text(judged, width(), source))


def _catalogue(json: bool, markdown: bool) -> int:
    from moecalc.api.claiming import catalogue

    found = catalogue()
    if json:
        _emit_json({"conventions": [one.to_dict() for one in found]})
    elif markdown:
        from moecalc.render.claim import catalogue_markdown

        emit(catalogue_markdown(found))
    else:
        from moecalc.render.claim import catalogue_text

        emit(catalogue_text(found))
    return EXIT_OK if all(one.holds for one in found) else EXIT_CHECK_FAILED


def _emit_json(extra: dict[str, Any]) -> None:
    from moecalc.render.json import report_json
    from moecalc.report import Report

    emit(report_json(Report(command="claim", models=(), extra=extra)))


def _exit_code(codes: list[int]) -> int:
    """Failure goes before what could not be determined."""
    return next((code for code in (EXIT_CHECK_FAILED, EXIT_UNDETERMINED) if code in codes), EXIT_OK)
