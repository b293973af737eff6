"""Models as a git revision has them."""

from pathlib import Path

from moecalc.api.loading import SPEC_SUFFIXES, WEIGHTS, from_text
from moecalc.api.model import AnyModel
from moecalc.errors import InputError
from moecalc.sources.revision import Revision

CONFIGS = ("config.json", "params.json")

PREFIX = "git:"
"""`git:REV:path`: what a revision has at a path from the working directory."""


def candidates(revision: Revision, path: Path) -> list[str]:
    """The files in the repository that a path may mean: itself, or the config of a directory."""
    is_file = path.suffix in (*SPEC_SUFFIXES, ".json")
    meant = [path] if is_file else [path / name for name in CONFIGS]
    inside = [revision.path_of(one) for one in meant]
    return [one for one in inside if one is not None]


def loaded(content: bytes, path: str, revision: str) -> AnyModel:
    """The model that a file of a revision describes. Raises InputError."""
    source = f"{revision}:{path}"
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise InputError("it is not UTF-8 text", file=source) from None
    return from_text(text, path, source)


def load_at(text: str) -> AnyModel:
    """The model that `git:REV:path` names.

    Raises InputError for what is none or cannot be read, UndeterminedError where git is not at hand.
    """
    name, colon, where = text.removeprefix(PREFIX).partition(":")
    if not colon or not where:
        raise InputError(
            f"`{text}` names no file of a revision", hint="type `git:origin/main:path/to/config.json`"
        )
    path = Path(where)
    if path.name.endswith(WEIGHTS):
        raise InputError(f"`{text}`: weights are not read from git", hint="name a config or a YAML spec")
    revision = Revision(name, Path())
    meant = candidates(revision, path)
    if not meant:
        raise InputError(
            f"`{where}` lies outside the repository", hint="paths are from the working directory"
        )
    contents = revision.read(meant)
    found = next((one for one in meant if one in contents), None)
    if found is None:
        raise InputError(
            f"`{name}` has no config or spec at `{where}`",
            hint=f"`git ls-tree -r --name-only {name}` lists its files",
        )
    return loaded(contents[found], found, name)
