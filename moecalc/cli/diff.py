"""`moecalc diff A B`."""

from typing import Annotated

import typer

from moecalc.api.differing import diff
from moecalc.cli import options
from moecalc.cli.output import emit, warn
from moecalc.cli.values import one_format, tokens
from moecalc.errors import EXIT_CHECK_FAILED, EXIT_OK

EXAMPLES = (
    "moecalc diff qwen3-30b-a3b qwen3-235b-a22b",
    "moecalc diff git:origin/main:models/config.json models/config.json",
    "moecalc diff old/config.json new/config.json --exit-code",
)

HELP = "A catalogue name, path, hub id or two numbers, or git:REV:path."

Old = Annotated[str, typer.Argument(metavar="A", help=HELP, autocompletion=options.complete_model)]
New = Annotated[str, typer.Argument(metavar="B", help=HELP, autocompletion=options.complete_model)]


def command(
    old: Old,
    new: New,
    context: options.ContextOption = None,
    prompt: options.PromptOption = None,
    batch: options.BatchOption = 1,
    quant: options.QuantOption = None,
    kv_dtype: options.KvDtypeOption = None,
    convention: options.ConventionOption = "causal",
    json: options.JsonOption = False,
    markdown: options.MarkdownOption = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit code 1 where anything differs.")
    ] = False,
) -> int:
    """What differs between two models: keys, lines and rows.

    Each changed key is also applied alone, to say which lines it moves by how much.
    """
    one_format(json, markdown)
    found = diff(
        old,
        new,
        context=tokens(context),
        prompt=tokens(prompt),
        batch=batch,
        quant=quant,
        kv_dtype=kv_dtype,
        convention=convention,
    )
    if json:
        from moecalc.render.diff import diff_json

        emit(diff_json(found))
    elif markdown:
        from moecalc.render.diff import diff_markdown

        emit(diff_markdown(found))
    else:
        from moecalc.render.diff import diff_text
        from moecalc.render.layout import width

        emit(diff_text(found, width()))
        warn(found.warnings)
    return EXIT_CHECK_FAILED if exit_code and not found.is_empty else EXIT_OK
