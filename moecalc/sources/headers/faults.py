"""What is wrong with the files of a checkpoint, in the same words for a directory and a repository."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePath

from moecalc.errors import InputError

PICKLES = (".bin", ".pt", ".pth", ".ckpt")

NOT_THE_MODEL = ("adapter_model", "optimizer", "scheduler", "training_args", "rng_state", "tokenizer")
"""Beginnings of names that stand beside a model's weights in one directory and are not among them."""

SHOWN = 3


def pickles_among(names: Iterable[str]) -> list[str]:
    """The files that hold weights as pickles."""
    return [n for n in names if n.endswith(PICKLES) and not PurePath(n).name.startswith(NOT_THE_MODEL)]


def refuse_pickle(where: object, hint: str = "convert it to safetensors first") -> InputError:
    """The error about one file that is a pickle."""
    return InputError(f"a pickle is never opened, it can run code: `{where}`", hint=hint)


def refuse_pickles(whose: str, first: str, hint: str, file: str | None = None) -> InputError:
    """The error about weights that are pickles; `whose` ends before that word."""
    return InputError(
        f"{whose} pickles (`{first}`), which are never opened: they can run code", hint=hint, file=file
    )


def require_all(
    names: Sequence[str], has: Callable[[str], bool], what: str, where: str, hint: str, more: str = ""
) -> None:
    """Raise InputError where files of a set are absent, which are called `what`."""
    missing = [name for name in names if not has(name)]
    if missing:
        raise lacking(missing, len(names), what, hint, where, more)


def lacking(
    missing: Sequence[str], count: int, what: str, hint: str, where: str | None = None, more: str = ""
) -> InputError:
    """The error about files that are not there, of `count` in all."""
    are = "is" if len(missing) == 1 else "are"
    return InputError(
        f"{len(missing):,} of its {count:,} {what} {are} missing: {some(missing)}{more}",
        file=where,
        hint=hint,
    )


def some(names: Sequence[str]) -> str:
    """The first of the names, and how many more there are."""
    shown = ", ".join(f"`{name}`" for name in names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN:,} more"


def is_of_the_cache(link: Path) -> bool:
    """Whether a link is one of huggingface_hub's cache, whose snapshots are all links to `blobs` beside them."""
    if not link.is_file():  # it leads nowhere, or round in a circle
        return False
    blobs, snapshots = link.resolve().parent, link.absolute().parent.parent
    return (blobs.name, snapshots.name) == (
        "blobs",
        "snapshots",
    ) and blobs.parent == snapshots.parent.resolve()
