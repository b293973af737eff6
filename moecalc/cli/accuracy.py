"""`moecalc accuracy`."""

from typing import Annotated

import typer

from moecalc.calc.speed.accuracy import Accuracy, Known, accuracy
from moecalc.cli import options
from moecalc.cli.output import emit
from moecalc.report import Report
from moecalc.specs.expectations import ceilings, left_out
from moecalc.specs.measurements import folds, measurements

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
    found = table(runs)
    if json:
        import msgspec

        from moecalc.render.json import report_json

        emit(report_json(Report(command="accuracy", models=(), extra=msgspec.to_builtins(found))))
        return
    from moecalc.render import accuracy as render

    emit(render.accuracy_markdown(found) if markdown else render.accuracy_text(found))


def table(runs: str | None = None) -> Accuracy:
    """The errors of what is stored, against the measurements, and of a folder of run files where one is given."""
    groups = folds()
    models = {name: group for group, names in groups.models.items() for name in names}
    devices = {name: group for group, names in groups.devices.items() for name in names}
    known = {m.id: Known(m.regime, models[m.model], devices[m.device], m.source) for m in measurements()}
    found = accuracy(left_out(), ceilings(), known)
    if runs is None:
        return found
    from moecalc.calc.speed.profiled import ceilings_of, profiled
    from moecalc.specs.runs import read_all

    stored = read_all(runs)
    return Accuracy(
        regimes=(*found.regimes, *profiled(stored)), ceilings=(*found.ceilings, *ceilings_of(stored))
    )
