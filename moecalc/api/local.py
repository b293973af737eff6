"""Weights on disk: what a path means, the config that belongs to it, and what a directory holds that is not read."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from moecalc.errors import InputError
from moecalc.sources.headers import checkpoint, gguf
from moecalc.sources.headers.checkpoint import has_weights, read_checkpoint, read_index
from moecalc.sources.headers.faults import pickles_among, refuse_pickles
from moecalc.sources.headers.gguf_models import Place, StoredModel, pick, several, stored_models
from moecalc.sources.headers.tensors import Header

CONFIGS = ("config.json", "params.json")

SHARD = re.compile(r".*-\d+-of-\d+\.safetensors")
"""The name of one file of several, which is not the model that the config beside it describes."""

MAX_ENTRIES = 20_000
"""Files of a directory that are looked at, those of its own directories included."""


class Weights(msgspec.Struct, frozen=True):
    """Where a checkpoint is, and its config."""

    path: Path
    config: Path | None
    name: str

    def read_header(self) -> Header:
        """The header of all its files. Raises InputError."""
        read = gguf.read_gguf if self.path.suffix == gguf.SUFFIX else read_checkpoint
        return read(self.path)

    @staticmethod
    def vocab_size(header: Header) -> int | None:
        """Rows of the token embedding, for a params.json that leaves them to the tokenizer."""
        names = {"tok_embeddings.weight", "model.embed_tokens.weight"}
        return next((t.shape[0] for t in header.tensors if t.name in names and t.shape), None)


class ConfigOnly(msgspec.Struct, frozen=True):
    """A directory whose config has to answer alone."""

    config: Path
    index: checkpoint.Index | None = None
    """What is left of a checkpoint whose weights were not fetched."""
    warning: str | None = None
    """Which weights stand beside it and are not read."""


def find_weights(path: Path, headers: bool) -> Weights | ConfigOnly:
    """The checkpoint a path means, or the config that answers where its weights cannot be read.

    Raises InputError for what does not exist or cannot answer; with `headers`, for whatever has no header to read.
    """
    if path.is_dir():
        return _in_directory(path, headers)
    if not path.exists():
        raise InputError(f"no such file: `{path}`", hint="a MODEL is a path, a catalogue name or a hub id")
    if not path.is_file():  # reading a pipe or a device might never end
        raise InputError(f"not a regular file: `{path}`", hint="give a file that holds weights")
    if path.suffix == gguf.SUFFIX:
        return Weights(path, _release_beside(path.parent), gguf.model_name(path))
    if path.name.endswith(".index.json"):
        return Weights(path, config_beside(path.parent), path.resolve().parent.name)
    whole = path.suffix == ".safetensors" and SHARD.fullmatch(path.name) is None
    # One shard of several is not the model that the config beside it describes.
    return Weights(path, config_beside(path.parent) if whole else None, path.stem)


def picked(text: str) -> Path:
    """The file that `directory:file` or `directory:Q4_K_M` means. Raises InputError where there is none."""
    name, _, wanted = text.rpartition(":")
    folder = Path(name)
    if (folder / wanted).is_file() and ".." not in Path(wanted).parts:
        return folder / wanted
    return folder / pick(_place(folder), wanted)


def config_beside(folder: Path) -> Path | None:
    """The config of a directory, None where it has none. Raises InputError where what has its name is no file."""
    for path in (folder / name for name in CONFIGS):
        if path.is_file():
            return path
        if path.is_symlink() or path.exists():
            raise InputError(
                f"not a regular file: `{path}`", hint="a link must lead to a file; or take it away"
            )
    return None


def _release_beside(folder: Path) -> Path | None:
    """The config.json of the release that the GGUF files of a directory were made of; None where it has none."""
    path = folder / CONFIGS[0]
    return path if path.is_file() else None


def _in_directory(folder: Path, headers: bool) -> Weights | ConfigOnly:
    if has_weights(folder):
        return Weights(folder, config_beside(folder), folder.resolve().name)
    config = config_beside(folder)
    place = _place(folder)
    models = stored_models(place)
    if len(models) == 1:
        file = folder / models[0].file
        return Weights(file, _release_beside(folder), gguf.model_name(file))
    index = folder / checkpoint.INDEX
    indexed = index.is_symlink() or index.exists()
    if config is not None and not headers:
        if indexed:
            return ConfigOnly(config, read_index(index))
        warning = next(_unread(place, models, _pickles(folder)), None)
        return ConfigOnly(config, warning=f"{folder}: {warning}" if warning else None)
    if models:
        raise several(place, models, lambda model: _elements(folder, model), "each model's own parameters")
    if indexed:
        return Weights(folder, config, folder.resolve().name)  # reading it says which files are missing
    raise _no_header(folder, config)


def _unread(place: Place, models: list[StoredModel], pickles: list[str]) -> Iterator[str]:
    """What to say of the weights beside a config that answers alone."""
    if models:
        yield f"{len(models)} GGUF models are not read: `{place.where(models[0].file)}` picks one"
    if pickles:
        yield f"pickles (`{pickles[0]}`) are never opened, they can run code: the config answers alone"


def _no_header(folder: Path, config: Path | None) -> InputError:
    """The error about a directory that has no header to read, and no config or none that was asked for."""
    pickles = _pickles(folder)
    if pickles:
        instead = f"give `{config}` alone" if config else "give a config.json"
        hint = f"convert them to safetensors; or {instead}"
        return refuse_pickles(f"the weights in `{folder}` are", pickles[0], hint)
    missing = "weights" if config else "config.json and no weights"
    return InputError(
        f"the directory has no {missing}: `{folder}`",
        hint="give a directory that holds some, the file itself, or a YAML spec",
    )


def _pickles(folder: Path) -> list[str]:
    return sorted(pickles_among(path.name for path in folder.iterdir() if path.is_file()))


def _place(folder: Path) -> Place:
    """The GGUF files of a directory and of its own directories, where repositories keep split models."""
    sizes: dict[str, int | None] = {}
    seen = 0
    for inner in (folder, *_directories(folder)):
        for path in sorted(_listed(inner)):
            seen += 1
            if seen > MAX_ENTRIES:
                return Place(str(folder), sizes)
            if path.suffix == gguf.SUFFIX and path.is_file():
                sizes[path.relative_to(folder).as_posix()] = path.stat().st_size
    if (folder / "config.json").is_file():
        sizes["config.json"] = None
    return Place(str(folder), sizes)


def _directories(folder: Path) -> list[Path]:
    entries = _listed(folder)[:MAX_ENTRIES]
    return sorted(path for path in entries if not path.name.startswith(".") and path.is_dir())


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []  # a directory that cannot be read has nothing to offer


def _elements(folder: Path, model: StoredModel) -> int | None:
    """The parameters of one model; None where its header cannot be read, which is said when it is picked."""
    try:
        return gguf.read_gguf(folder / model.file).elements
    except InputError:
        return None
