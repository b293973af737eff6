"""What can go wrong, and the one way it is said: exit codes, error types, message format, suggestions."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

EXIT_OK = 0
EXIT_CHECK_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_UNDETERMINED = 3
"""Not the same as "fine": a gate that cannot know must fail closed."""


class MoecalcError(Exception):
    """Base of every error that moecalc raises on purpose.

    `message` says what is wrong, with the value, in lower case and with names in backticks; `hint` says the
    exact thing to type or change. `file` and `line` (1-based) say where, if the error has a place in a file.
    """

    exit_code: ClassVar[int] = EXIT_BAD_INPUT

    def __init__(
        self, message: str, *, hint: str | None = None, file: str | None = None, line: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.file = file
        self.line = line

    @property
    def where(self) -> str | None:
        """`file:line`, `file`, or None where the error has no place."""
        if self.file is None:
            return None
        return self.file if self.line is None else f"{self.file}:{self.line}"

    def at(self, file: str, line: int | None = None) -> Self:
        """Name the place, unless the error already has one; return the error, for `raise error.at(...)`."""
        if self.file is None:
            self.file, self.line = file, line
        return self

    def __str__(self) -> str:
        """Return `file:line: message` on one line, without the hint."""
        return self.message if self.where is None else f"{self.where}: {self.message}"


class InputError(MoecalcError, ValueError):
    """Bad input or usage: a file, a value or a name that cannot be used as it stands (exit code 2).

    It is a ValueError too, so that msgspec wraps one raised in a hook and adds the path where it happened.
    """

    exit_code: ClassVar[int] = EXIT_BAD_INPUT


class UndeterminedError(MoecalcError):
    """The input is fine, but the answer cannot be determined: undisclosed, or offline (exit code 3)."""

    exit_code: ClassVar[int] = EXIT_UNDETERMINED


class CheckFailed(MoecalcError):  # noqa: N818 - a failed check is an outcome that was asked for, not a fault
    """A check was carried out and failed: over budget, impossible claim, does not fit (exit code 1)."""

    exit_code: ClassVar[int] = EXIT_CHECK_FAILED


def in_a_word(error: MoecalcError) -> str:
    """An error that stops nothing as a part of a sentence, its hint in brackets."""
    return f"{error} ({error.hint})" if error.hint else str(error)


def format_error(error: MoecalcError) -> str:
    r"""Return the text for stderr: `error: <where>: what`, then a blank line and `hint: ...` if there is one.

    Characters that a terminal would act on (escape sequences in a file name or a key) are shown as `\x1b`.
    """
    text = f"error: {error}"
    if error.hint:
        text += f"\n\nhint: {error.hint}"
    return printable(text)


def printable(text: str) -> str:
    r"""Return `text` with every character but newlines that is not printable written as an escape."""
    return "".join(
        char if char == "\n" or char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def did_you_mean(word: str, choices: Iterable[str], n: int = 3) -> list[str]:
    """Return at most `n` of `choices` that resemble `word`, closest first.

    Upper and lower case, `.`, `_`, `-` and spaces are forgiven. A choice that begins with the word
    (`deepseek` for `deepseek-v3-0324`) comes after those spelt like it.
    """
    import difflib  # takes time, and is needed only once something has gone wrong

    by_key: dict[str, list[str]] = {}
    for choice in choices:
        by_key.setdefault(_forgiving(choice), []).append(choice)
    key = _forgiving(word)
    matches = difflib.get_close_matches(key, by_key, n=n)
    if key:
        matches += [other for other in by_key if other.startswith(key) and other not in matches]
    return [choice for match in matches for choice in by_key[match]][:n]


def suggestion(word: str, choices: Iterable[str], n: int = 3) -> str | None:
    """Return ``did you mean `a`, `b` or `c`?`` for a hint, or None where nothing resembles `word`."""
    matches = [f"`{match}`" for match in did_you_mean(word, choices, n)]
    if not matches:
        return None
    *others, last = matches
    return f"did you mean {', '.join(others)} or {last}?" if others else f"did you mean {last}?"


def _forgiving(name: str) -> str:
    return name.casefold().replace(".", "-").replace("_", "-").replace(" ", "-")
