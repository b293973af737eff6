"""`check` as GitHub workflow commands, which become annotations on the lines of the limits.

https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions#setting-an-error-message
"""

from moecalc.checks.budgets.outcome import Checked, Outcome
from moecalc.render.budgets.text import check_text
from moecalc.render.budgets.words import details, held

LEVELS = {"fail": "error", "undetermined": "error", "warn": "warning", "new": "notice"}


def check_github(checked: Checked, path: str, columns: int) -> str:
    """One command for each limit that is not kept, and the table for the log; `path` is from the repository's root."""
    commands = [_command(one, path) for one in checked.outcomes if one.status in LEVELS]
    return "\n".join([*commands, check_text(checked, columns)])


def error_command(message: str, hint: str | None, path: str | None, line: int | None) -> str:
    """The annotation of a check that could not be made; without a place where it has none."""
    place = "" if path is None else f"file={_property(path)},"
    if path is not None and line is not None:
        place += f"line={line},"
    said = message if hint is None else f"{message}\n{hint}"
    return f"::error {place}title=moecalc::{_data(said)}"


def _command(outcome: Outcome, path: str) -> str:
    title = _property(f"{outcome.model}: {outcome.name}")
    message = "\n".join([f"{outcome.model}: {outcome.name}: {held(outcome)}", *details(outcome)])
    place = f"file={_property(path)},line={outcome.line}"
    return f"::{LEVELS[outcome.status]} {place},title={title}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
