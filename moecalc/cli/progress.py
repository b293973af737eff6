"""A bar on the terminal while a command counts; nothing where nobody watches."""

import sys
from types import TracebackType
from typing import Self

CELLS = 30


class Bar:
    """A bar on stderr, written over itself, and gone when all is done."""

    def __init__(self, what: str, least: int) -> None:
        """`least` is the total below which nobody would see it."""
        self._what = what
        self._least = least
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def show(self, done: int, total: int) -> None:
        """So many of all are done."""
        if total < self._least or not sys.stderr.isatty():
            return
        self._shown = True
        full = CELLS * done // total
        bar = "#" * full + "-" * (CELLS - full)
        print(f"\r{self._what} [{bar}] {done:,} of {total:,}", end="", file=sys.stderr, flush=True)  # noqa: T201

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)  # noqa: T201
