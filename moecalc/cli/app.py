"""The command group: finds a command, falls back to `show MODEL`, and says what is wrong with the arguments."""

import os
from importlib import import_module
from typing import Annotated, Any

import typer
from typer._click.exceptions import NoArgsIsHelpError, UsageError
from typer.core import TyperGroup

from moecalc.cli.options import complete_model
from moecalc.cli.run import fail
from moecalc.errors import EXIT_BAD_INPUT, EXIT_OK, InputError, did_you_mean

SECTIONS = {
    "One model": ("show", "explain", "flops", "routing", "export"),
    "Two or more": ("compare", "diff"),
    "Serving it": ("fit", "serve", "speed", "cost"),
    "Training and designing": ("train", "scaling", "design"),
    "Holding it to something": ("claim", "check", "reconcile", "profile", "accuracy"),
    "What moecalc knows": ("list", "hardware", "formats"),
}
"""The commands as `--help` lists them."""

COMMANDS = tuple(name for names in SECTIONS.values() for name in names)

MODULES = {"list": "catalogue"}
"""Modules in this package that are not called like their command; each has a `command` function and EXAMPLES."""

RENAMED = {
    "--utilization": (
        "--gpu-memory-utilization",
        (
            "the share of memory is `--gpu-memory-utilization`, as in vLLM; `--utilization` is a share of time, which "
            "`moecalc cost` and `moecalc compare` take"
        ),
    ),
}
"""Options that commands once had under another name: what has their meaning now, and what to type."""

NEEDS_A_MODEL = (
    "compare",
    "show",
    "explain",
    "reconcile",
    "flops",
    "fit",
    "serve",
    "speed",
    "routing",
    "cost",
    "train",
    "design",
    "profile",
    "export",
    "diff",
)


class Commands(TyperGroup):
    """Commands that are imported when they are called; anything else that can be a model means `show`."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the signature of the base class
        """All commands, in the order of `--help`."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the signature of the base class
        """The command of that name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"moecalc.cli.{MODULES.get(cmd_name, cmd_name)}")
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(
            cmd_name,
            no_args_is_help=cmd_name in NEEDS_A_MODEL,
            # \b keeps the lines below it as they stand
            epilog="\b\nExamples:\n" + "\n".join(f"  {example}" for example in module.EXAMPLES),
        )(module.command)
        return typer.main.get_command(single)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The commands of `--help`, by what they are for."""
        widest = max(map(len, COMMANDS))
        beside = formatter.width - widest - 4
        for title, names in SECTIONS.items():
            with formatter.section(title):
                said = [(name, self.get_command(ctx, name).get_short_help_str(beside)) for name in names]
                formatter.write_dl([(name.ljust(widest), words) for name, words in said])

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let `moecalc --json MODEL` mean `moecalc show --json MODEL`."""
        known = {option for parameter in self.get_params(ctx) for option in parameter.opts}
        if args and args[0].startswith("--") and args[0].partition("=")[0] not in known:
            args = ["show", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Commands, and catalogue names, since a model alone is a command too."""
        from typer._click.shell_completion import CompletionItem

        models = [CompletionItem(name) for name in complete_model(incomplete)] if incomplete else []
        return [*super().shell_complete(ctx, incomplete), *models]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command, or `show` where the word can only be a model; a misspelt command stays an error."""
        word = args[0]
        if word in COMMANDS:
            return super().resolve_command(ctx, args)
        if self._means_a_command(word, args[1:]):
            near = did_you_mean(word, COMMANDS, n=1)
            hint = (
                f"did you mean `moecalc {' '.join([near[0], *args[1:]])}`?"
                if near
                else "see `moecalc --help`"
            )
            raise UsageError(f"no command `{word}`\n\nhint: {hint}", ctx)
        return "show", self.get_command(ctx, "show"), args

    @staticmethod
    def _means_a_command(word: str, rest: list[str]) -> bool:
        """A word near a command's name, or followed by another model, is no model of its own."""
        from moecalc.sources import catalog

        if catalog.find(word) or os.path.exists(word) or "/" in word:  # noqa: PTH110 - a fast check, no Path needed
            return False
        return bool(did_you_mean(word, COMMANDS, n=1)) or bool(rest and not rest[0].startswith("-"))


app = typer.Typer(
    cls=Commands,
    name="moecalc",
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="How big is this language model really, and what does a token cost on it?\n\n"
    "MODEL is a catalogue name, a path (YAML spec, config.json, .safetensors, a directory, - for stdin), a "
    "hub id (org/repo), or two numbers (70B-A12B). `moecalc MODEL` alone means `moecalc show MODEL`.",
)


def _print_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        print(f"moecalc {version('moecalc')}")  # noqa: T201 - stdout is data
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that stand before any command."""


def run_app(arguments: list[str]) -> int:
    """Let Typer parse the arguments and call the command; return the exit code. Raises what the command raises."""
    try:
        result = typer.main.get_command(app).main(arguments, prog_name="moecalc", standalone_mode=False)
    except NoArgsIsHelpError as error:
        print(error.format_message())  # noqa: T201 - the help that was asked for
        return EXIT_OK
    except UsageError as error:
        return fail(_usage_message(error), EXIT_BAD_INPUT)
    except typer.Abort:
        return fail("error: interrupted", 130)
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # which Typer takes for a failure
            raise error.__context__ from None
        raise
    return result if isinstance(result, int) else EXIT_OK


def _usage_message(error: UsageError) -> str:
    message = error.format_message().rstrip(".")
    message = message[:1].lower() + message[1:]
    command = error.ctx.command_path if error.ctx else "moecalc"
    if isinstance(error.__context__, InputError):  # what reads an option knew better what is wrong with it
        return f"error: {error.__context__.message}\n\nhint: {error.__context__.hint}"
    renamed, said = RENAMED.get(getattr(error, "option_name", ""), ("", ""))
    if error.ctx and renamed in {option for given in error.ctx.command.params for option in given.opts}:
        return f"error: {message.partition(' (')[0]}\n\nhint: {said}"
    hint = "" if "\n\nhint:" in message else f"\n\nhint: `{command} --help` shows what it takes"
    return f"error: {message}{hint}"
