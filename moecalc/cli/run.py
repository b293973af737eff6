"""From arguments to an exit code: the short way for plain questions, and the one place where errors are said."""

import gc
import os
import sys

from moecalc.errors import EXIT_BAD_INPUT, EXIT_OK, MoecalcError, format_error

EXIT_PIPE = 128 + 13
"""Of every program that SIGPIPE ends, as a shell tells it."""


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code. Errors go to stderr, without a traceback."""
    if sys.stdout is None:  # closed by the caller: the exit code is all the answer then
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - open as long as stdout would be
    try:
        exit_code = EXIT_OK if _answered(arguments) else _run_app(arguments)
        sys.stdout.flush()
    except MoecalcError as error:
        return fail(format_error(error), error.exit_code)
    except KeyboardInterrupt:
        return fail("\nerror: interrupted", 130)
    except BrokenPipeError:
        # The reader has left (`| head`): nothing more can be said to it. A gate that was cut short has not passed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE
    except OSError as error:
        if error.filename is not None:  # not about stdout, and not expected
            raise
        return fail(f"error: cannot write the answer: {error.strerror}", EXIT_BAD_INPUT)
    return exit_code


def fail(message: str, exit_code: int) -> int:
    """Say what went wrong on stderr, and return the exit code."""
    print(message, file=sys.stderr)  # noqa: T201 - stderr is talk
    return exit_code


def _answered(arguments: list[str]) -> bool:
    """Answer a question that is made of plain words only; False where it is not.

    Importing Typer and letting it build a command takes as long as all else that `compare A B` does, and these
    questions, the commonest, have nothing for it to parse. The functions called are the ones Typer would call.
    """
    if arguments[:1] == ["check"]:
        options = _check_options(arguments[1:])
        if options is not None:
            _import_msgspec()
            from moecalc.cli.checked import answer

            answer(**options)
        return options is not None
    if not arguments or any(word.startswith("-") for word in arguments):
        return False
    command, *models = arguments
    _import_msgspec()
    if command == "compare" and models:
        from moecalc.cli import compare

        compare.command(models)
        return True
    if (command == "show" and len(models) == 1) or (not models and _in_catalogue(command)):
        from moecalc.cli import show

        show.command(arguments[-1])
        return True
    return False


_CHECK_OPTIONS = {"-c": "config", "--config": "config", "--base": "base", "--format": "format_"}


def _check_options(words: list[str]) -> dict[str, str] | None:
    """The options of `check` by name, each given once and with a value; None where Typer has to look at them.

    A gate that runs on every commit has these, and half of its time would be Typer's.
    """
    options: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        option = _CHECK_OPTIONS.get(name)
        if not equals or name == "-c":
            value = next(rest, "")
        if option is None or option in options or not value or value.startswith("-"):
            return None
        options[option] = value
    return None if options.get("format_", "text") not in _FORMATS else options


_FORMATS = ("text", "json", "markdown", "github", "junit", "sarif")


def _import_msgspec() -> None:
    """Import msgspec without typing_extensions, which it asks first for what Python 3.11 has itself.

    Typer brings typing_extensions along, and that imports inspect, ast and tokenize: a tenth of the whole answer.
    """
    if "typing_extensions" in sys.modules:
        return
    sys.modules["typing_extensions"] = None  # type: ignore[assignment] # an import of it now fails
    try:
        import msgspec  # noqa: F401
    finally:
        del sys.modules["typing_extensions"]


def _in_catalogue(word: str) -> bool:
    from moecalc.sources import catalog

    return word in catalog.files()


def _run_app(arguments: list[str]) -> int:
    gc.enable()  # `main` has it off; what comes here may run for long
    from moecalc.cli.app import run_app

    return run_app(arguments)
