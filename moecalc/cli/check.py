"""`moecalc check`."""

from typing import Annotated, Literal

import typer

from moecalc.cli.checked import answer
from moecalc.cli.options import complete_model
from moecalc.cli.output import emit
from moecalc.errors import InputError

EXAMPLES = (
    "moecalc check",
    "moecalc check --base origin/main",
    "moecalc check -c models/moecalc.yaml --format json > base.json",
    "moecalc check --base base.json --format github",
    "moecalc check --init path/to/config.json mixtral-8x7b",
)


def command(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL ...]",
            help="With --init: the models to write limits for. Default: every config.json found here.",
            autocompletion=complete_model,
        ),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            "-c",
            "--config",
            metavar="FILE",
            help="Budget file. Default: moecalc.yaml, or [tool.moecalc] in pyproject.toml, here or above.",
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="REV|FILE",
            help="Compare with a git revision (nothing is checked out), or with a file of --format json.",
        ),
    ] = None,
    format_: Annotated[
        Literal["text", "json", "markdown", "github", "junit", "sarif"],
        typer.Option("--format", help="How to answer."),
    ] = "text",
    init: Annotated[
        bool,
        typer.Option("--init", help="Write a budget file from the current figures; an existing one stays."),
    ] = False,
) -> None:
    """Hold models to the limits in a budget file.

    Exit code 1 where a limit is broken, 3 where one could not be judged, 2 where the file or a model is wrong.
    """
    if init:
        if base is not None or format_ != "text":
            raise InputError(
                "`--init` writes a file and checks nothing", hint="leave out `--base` and `--format`"
            )
        from moecalc.api.first_budgets import write_first

        emit(write_first(config, models or []))
        return
    if models:
        raise InputError(
            f"`{models[0]}`: what is checked stands in the budget file",
            hint=f"`moecalc check --init {' '.join(models)}` writes one for it",
        )
    answer(config, base, format_)
