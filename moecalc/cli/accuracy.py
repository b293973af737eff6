"""`moecalc accuracy`."""

from typing import Annotated

import typer

from moecalc.api.accuracy import accuracy
from moecalc.calc.speed.accuracy import accuracy_report
from moecalc.cli import options
from moecalc.cli.output import emit, warn

EXAMPLES = (
    "moecalc accuracy",
    "moecalc accuracy --markdown",
    "moecalc accuracy --runs runs/",
)

RunsOption = Annotated[
    str | None,
    typer.Option(
        "--runs", help="A folder of run files (`moecalc profile --save`): their steps are folded in."
    ),
]


def command(
    runs: RunsOption = None,
    json: options.JsonOption = False,
    markdown: options.MarkdownOption = False,
) -> None:
    """How far expected speeds are off what was published.

    Computed from what was predicted of each measurement by fits that had not seen its model, or its device.
    """
    found = accuracy(runs)
    if json:
        from moecalc.render.json import report_json

        emit(report_json(accuracy_report(found)))
    else:
        from moecalc.render import accuracy as render

        emit(render.accuracy_markdown(found) if markdown else render.accuracy_text(found))
    if runs is not None:
        from moecalc.api.stored_runs import stored_runs

        warn(stored_runs(runs).warnings)
