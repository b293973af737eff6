"""The catalogue: one YAML file per model under architectures/<vendor>/, found by name, alias or hub id.

A name is resolved by its file name, so that one look-up parses one file. Aliases and hub ids are found by a
plain text search for candidates first; only those are parsed.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from moecalc.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moecalc.sources.spec import ModelSpec

TELLING_LETTERS = 6
"""A repository's name of fewer (`small`) says nothing about which model is meant."""

_PACKAGE = Path(__file__).parent.parent


@cache
def root() -> Path:
    """The folder of the catalogue: inside an installed package, or beside it in a checkout."""
    for folder in (_PACKAGE / "architectures", _PACKAGE.parent / "architectures"):
        if folder.is_dir():
            return folder
    raise InputError(
        "the catalogue is missing", hint="reinstall moecalc: `architectures/` belongs to the package"
    )


@cache
def files() -> dict[str, Path]:
    """Every catalogue file by model name, sorted by name."""
    # Path.glob takes as long as parsing a file.
    vendors = [entry.path for entry in os.scandir(root()) if entry.is_dir()]
    found = [entry for vendor in vendors for entry in os.scandir(vendor) if entry.name.endswith(".yaml")]
    paths = {entry.name.removesuffix(".yaml"): entry.path for entry in found}
    return {name: Path(paths[name]) for name in sorted(paths)}


def normal(name: str) -> str:
    """A name with case forgiven, and every dot, dash, space and underscore a dash."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def collapsed(name: str) -> str:
    """A name with nothing left but letters and digits: `Mixtral8x7B` is `mixtral-8x7b`."""
    return normal(name).replace("-", "")


def find(name: str) -> Path | None:
    """The file of the model with that name, alias or hub id; None where there is none.

    Separators count first (`qwen2-57b` is not `qwen2.5-7b`); only a name that is nobody's is tried without them.
    """
    if name in files():
        return files()[name]
    if not collapsed(name):
        return None
    for spelt in (normal, collapsed):
        wanted = spelt(name)
        for stem, path in files().items():
            if "/" not in name and spelt(stem) == wanted:
                return path
        for path in _mentioning(name):
            if any(spelt(other) == wanted for other in _listed(path, "hub" if "/" in name else "aliases")):
                return path
    return None


def load(path: Path) -> ModelSpec:
    """The spec in a file, strictly checked. Raises InputError with file and line."""
    # Imported here: tab completion asks for names only.
    from moecalc import strict_yaml
    from moecalc.sources.spec import ModelSpec

    return strict_yaml.decode(strict_yaml.load(path), ModelSpec)


def parse(text: str, source: str) -> ModelSpec:
    """The spec in a text, as strictly checked; `source` names it in errors."""
    from moecalc import strict_yaml
    from moecalc.sources.spec import ModelSpec

    return strict_yaml.decode(strict_yaml.parse(text, source), ModelSpec)


def from_data(data: dict[str, object], source: str) -> ModelSpec:
    """The spec in a mapping that was read from JSON. Raises InputError with the place of what is wrong in it."""
    import msgspec

    from moecalc.sources.spec import ModelSpec

    try:
        return msgspec.convert(data, ModelSpec)
    except msgspec.ValidationError as error:
        raise InputError(f"not a spec: {error}", file=source) from error


def nearest(name: str) -> list[str]:
    """The three catalogue names most like the given one, aliases considered."""
    names = {alias: stem for stem, path in files().items() for alias in [stem, *_listed(path, "aliases")]}
    wanted = collapsed(name)
    containing = [names[known] for known in names if len(wanted) > 1 and wanted in collapsed(known)]
    similar = [names[match] for match in did_you_mean(name, names, n=6)]
    return list(dict.fromkeys([*containing[:3], *similar]))[:3]


@cache
def spellings() -> dict[str, str]:
    """Every name, alias and hub id of the catalogue, as `normal` and as `collapsed` spell it -> the model's name.

    Where two models could be meant, a name goes before an alias, and an alias before the repository of a hub id.
    """
    known: dict[str, str] = {}
    listed = [(stem, path.read_text(encoding="utf-8")) for stem, path in files().items()]
    for stem, _ in listed:
        known.setdefault(normal(stem), stem)
    for key in ("aliases", "hub"):
        for stem, text in listed:
            for entry in _entries(text, key):
                if key == "aliases" or re.search(r"\d", entry):  # `small` alone names nothing
                    known.setdefault(normal(entry.rpartition("/")[2]), stem)
    for spelt, stem in list(known.items()):
        known.setdefault(collapsed(spelt), stem)
    return known


def nearest_repositories(repo: str) -> dict[str, str]:
    """Hub ids of the catalogue that resemble the given one, with the names of their models; itself where it is one.

    A repository resembles another by its whole id, or by its name whoever owns it.
    """
    ids = {hub: stem for stem, path in files().items() for hub in _listed(path, "hub")}
    exact = next((hub for hub in ids if hub.lower() == repo.lower()), None)
    if exact is not None:
        return {exact: ids[exact]}
    by_name: dict[str, str] = {}
    for hub in ids:
        by_name.setdefault(hub.partition("/")[2], hub)
    name = repo.partition("/")[2]
    wanted = collapsed(name)
    long = len(wanted) >= TELLING_LETTERS
    containing = [by_name[known] for known in by_name if long and wanted in collapsed(known)]
    similar = [by_name[known] for known in did_you_mean(name, by_name)] if long else []
    models: dict[str, str] = {}
    for hub in (*containing, *did_you_mean(repo, ids), *similar):
        models.setdefault(ids[hub], hub)
    return {hub: stem for stem, hub in list(models.items())[:3]}


def _mentioning(name: str) -> Iterator[Path]:
    loose = re.compile("[^a-z0-9]*".join(collapsed(name)), re.IGNORECASE)
    for path in files().values():
        if loose.search(path.read_text(encoding="utf-8")):
            yield path


def _listed(path: Path, key: str) -> list[str]:
    """The entries of a flat list written on one line, `key: [a, b]`, without parsing the file."""
    return _entries(path.read_text(encoding="utf-8"), key)


def _entries(text: str, key: str) -> list[str]:
    match = re.search(rf"^{key}: \[([^\]]*)\]", text, re.MULTILINE)
    return [entry.strip().strip("\"'") for entry in match.group(1).split(",")] if match else []
