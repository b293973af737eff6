"""`check` as JUnit XML: one suite per model, one case per limit."""

from html import escape
from itertools import groupby

from moecalc.checks.budgets.outcome import Checked, Outcome
from moecalc.errors import printable
from moecalc.render.budgets.words import details, held


def check_junit(checked: Checked) -> str:
    """The report: `failure` where a limit is broken, `error` where it could not be judged; a warning is output."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="moecalc check" {_counts(checked.outcomes)}>',
    ]
    for model, group in groupby(checked.outcomes, key=lambda one: one.model):
        cases = tuple(group)
        lines.append(f'  <testsuite name="{_text(model)}" {_counts(cases)}>')
        for one in cases:
            lines += _case(one, checked.path)
        lines.append("  </testsuite>")
    return "\n".join([*lines, "</testsuites>"])


def _case(outcome: Outcome, path: str) -> list[str]:
    place = f'file="{_text(path)}" line="{outcome.line}"'
    start = f'    <testcase classname="{_text(outcome.model)}" name="{_text(outcome.name)}" {place}'
    said = _text(held(outcome))
    body = _text("\n".join([*details(outcome), f"counted: {outcome.figure.counted}"]))
    if outcome.status == "fail":
        inner = f'<failure message="{said}" type="budget">{body}</failure>'
    elif outcome.status == "undetermined":
        inner = f'<error message="{said}" type="undetermined">{body}</error>'
    else:
        inner = f"<system-out>{outcome.status}: {said}\n{body}</system-out>"
    return [f"{start}>", f"      {inner}", "    </testcase>"]


def _counts(outcomes: tuple[Outcome, ...]) -> str:
    failures = sum(one.status == "fail" for one in outcomes)
    errors = sum(one.status == "undetermined" for one in outcomes)
    return f'tests="{len(outcomes)}" failures="{failures}" errors="{errors}"'


def _text(text: str) -> str:
    """Text as XML has it, in attributes too; control characters, which XML has not, as escapes."""
    return escape(printable(text))
