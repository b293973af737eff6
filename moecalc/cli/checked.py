"""What `moecalc check` does once its arguments are known; `cli/run.py` calls it too, without Typer."""

import os
from pathlib import Path

from moecalc.api.checking import Check, check
from moecalc.cli.output import emit, warn
from moecalc.errors import (
    EXIT_CHECK_FAILED,
    EXIT_UNDETERMINED,
    CheckFailed,
    InputError,
    MoecalcError,
    UndeterminedError,
)


def answer(config: str | None = None, base: str | None = None, format_: str = "text") -> None:
    """Check, print, and raise what its exit code is made of: CheckFailed (1) or UndeterminedError (3)."""
    try:
        done = check(config, base)
    except MoecalcError as error:
        if format_ == "github":
            from moecalc.render.budgets.github import error_command

            place = None if error.file is None else _from_root(error.file)
            emit(error_command(error.message, error.hint, place, error.line))
        raise
    checked = done.checked
    emit(_rendered(done, format_))
    if format_ == "github":
        _write_summary(done)
    if format_ in {"text", "github"}:
        warn(checked.warnings)
    if checked.exit_code == EXIT_CHECK_FAILED:
        raise CheckFailed(checked.summary)
    if checked.exit_code == EXIT_UNDETERMINED:
        raise UndeterminedError(checked.summary)


def _rendered(done: Check, format_: str) -> str:
    checked = done.checked
    if format_ == "json":
        from moecalc.render.budgets.record import check_json

        return check_json(checked, done.sources)
    if format_ == "markdown":
        from moecalc.render.budgets.markdown import check_markdown

        return check_markdown(checked)
    if format_ == "junit":
        from moecalc.render.budgets.junit import check_junit

        return check_junit(checked)
    if format_ == "sarif":
        from importlib.metadata import version

        from moecalc.render.budgets.sarif import check_sarif

        return check_sarif(checked, _from_root(checked.path), version("moecalc"))
    from moecalc.render.layout import width

    if format_ == "github":
        from moecalc.render.budgets.github import check_github

        return check_github(checked, _from_root(checked.path), width())
    from moecalc.render.budgets.text import check_text

    return check_text(checked, width())


def _from_root(path: str) -> str:
    """The path from the root of the repository that a workflow checked out; else from the working directory."""
    root = os.environ.get("GITHUB_WORKSPACE") or os.curdir
    return os.path.relpath(path, root).replace(os.sep, "/")


def _write_summary(done: Check) -> None:
    """Add the table to the summary of a workflow's step, where there is one."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if not summary:
        return
    from moecalc.render.budgets.markdown import check_markdown

    try:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(f"{check_markdown(done.checked)}\n")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"cannot write the step summary `{summary}`: {reason}") from None
