"""What `--json` prints of an answer, as a dict."""

from importlib import import_module
from typing import Any

REPORTS = {
    "Accuracy": "moecalc.calc.speed.accuracy:accuracy_report",
    "Cost": "moecalc.calc.cost.cost_lines:cost_report",
    "Designed": "moecalc.render.design:report_of",
    "Fit": "moecalc.calc.deploy.fit_lines:fit_report",
    "Routed": "moecalc.calc.routing.routing_lines:routing_report",
    "Scaling": "moecalc.calc.scaling.lines:scaling_report",
    "Serving": "moecalc.calc.serving.serving_lines:serving_report",
    "Speed": "moecalc.calc.speed.speed_lines:speed_report",
    "Sweep": "moecalc.calc.speed.sweep_lines:sweep_report",
    "Training": "moecalc.calc.training.training_lines:training_report",
}
"""Class of an answer -> what makes its report. By name: each is imported with the command that gives it."""


def as_dict(answer: Any) -> dict[str, Any]:
    """What the command's `--json` prints: `moecalc.as_dict(moecalc.fit("mixtral-8x7b", "8xh100"))`.

    Of `fit`, `serve`, `speed`, `cost`, `sweep`, `accuracy`, `routing`, `train`, `scaling` and `design`.
    Raises TypeError for anything else.
    """
    name = type(answer).__name__
    if name not in REPORTS:
        raise TypeError(f"{answer!r} is no answer of {', '.join(sorted(REPORTS))}")
    module, _, function = REPORTS[name].partition(":")
    found: dict[str, Any] = getattr(import_module(module), function)(answer).to_dict()
    return found
