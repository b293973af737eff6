"""`moecalc accuracy`."""

from moecalc.calc.speed.accuracy import Accuracy, Known, accuracy
from moecalc.cli import options
from moecalc.cli.output import emit
from moecalc.report import Report
from moecalc.specs.expectations import ceilings, left_out
from moecalc.specs.measurements import folds, measurements

EXAMPLES = (
    "moecalc accuracy",
    "moecalc accuracy --markdown",
)


def command(json: options.JsonOption = False, markdown: options.MarkdownOption = False) -> None:
    """How far expected speeds are off what was published.

    Computed from what was predicted of each measurement by fits that had not seen its model, or its device.
    """
    found = table()
    if json:
        import msgspec

        from moecalc.render.json import report_json

        emit(report_json(Report(command="accuracy", models=(), extra=msgspec.to_builtins(found))))
        return
    from moecalc.render import accuracy as render

    emit(render.accuracy_markdown(found) if markdown else render.accuracy_text(found))


def table() -> Accuracy:
    """The errors of what is stored, against the measurements."""
    groups = folds()
    models = {name: group for group, names in groups.models.items() for name in names}
    devices = {name: group for group, names in groups.devices.items() for name in names}
    known = {m.id: Known(m.regime, models[m.model], devices[m.device], m.source) for m in measurements()}
    return accuracy(left_out(), ceilings(), known)
