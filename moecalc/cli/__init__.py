"""The command line: one small module per command, imported when it is called."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moecalc.cli import options, paying

__all__ = ["options", "paying"]


def __getattr__(name: str) -> Any:
    # Commands are annotated with `cli.options.<...>` and `cli.paying.<...>`, which only Typer reads: without Typer
    # nothing imports them.
    if name in __all__:
        return import_module(f"moecalc.cli.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
