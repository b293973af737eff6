"""stdout is data, stderr is talk."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from moecalc.report import Report


def emit(text: str) -> None:
    """Write data to stdout, in UTF-8 whatever the locale says where that is possible."""
    if (sys.stdout.encoding or "").lower().replace("-", "") != "utf8" and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")
    print(text)  # noqa: T201 - the command's answer


def warn(warnings: Iterable[str]) -> None:
    """Write warnings to stderr."""
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)  # noqa: T201 - talk


def emit_as(
    json: bool,
    markdown: bool,
    found: Any,
    report: Callable[[Any], Report],
    as_markdown: Callable[[Any], str],
    as_text: Callable[[Any, int], str],
) -> None:
    """Write an answer in the form that was asked for; beside JSON its warnings are talk."""
    if json:
        from moecalc.render.json import report_json

        made = report(found)
        emit(report_json(made))
        warn(made.warnings)
    elif markdown:
        emit(as_markdown(found))
    else:
        from moecalc.render.layout import width

        emit(as_text(found, width()))
