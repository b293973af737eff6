"""The safetensors files that make up one checkpoint: a file, a sharded directory, Mistral's and Meta's layouts."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from moecalc.errors import InputError
from moecalc.sources.headers import safetensors
from moecalc.sources.headers.faults import (
    NOT_THE_MODEL,
    PICKLES,
    is_of_the_cache,
    lacking,
    pickles_among,
    refuse_pickle,
    refuse_pickles,
    require_all,
    some,
)
from moecalc.sources.headers.tensors import Header, StoredTensor
from moecalc.sources.json_objects import is_too_wide, refuse_repeated_keys

INDEX = "model.safetensors.index.json"
SUFFIX = ".safetensors"
MAX_INDEX_BYTES = 64 * 2**20
"""The index of a 1T-parameter model with 200,000 tensors is some 20 MB."""

MAX_FILES = 4096
MAX_TENSORS = 500_000
"""In one checkpoint: three times as many as the largest published one has."""

OR_CONFIG = "convert them to safetensors, or give config.json alone"

LONGEST_FILE_NAME = 255
"""Bytes; no file system in use has longer ones."""

_NUMBERED = re.compile(r"(?P<stem>.+?)-(?P<part>\d+)-of-(?P<parts>\d+)(?P<rest>(?:\.[^.]+)?)\.safetensors")
"""`model-00001-of-00003.safetensors`, a variant's name before or behind the number."""

Piece = tuple[str, list[StoredTensor], Mapping[str, object]]
"""One file: its name, its tensors, its `__metadata__`."""


class Index(msgspec.Struct, frozen=True):
    """`model.safetensors.index.json`: which file holds each tensor, and the bytes it says they take together."""

    weight_map: dict[str, str]
    total_size: int | None = None


def has_weights(folder: Path) -> bool:
    """Whether the directory holds safetensors files: an index alone is what is left where they were not fetched."""
    return bool(_candidates(folder))


def read_checkpoint(path: Path) -> Header:
    """The header of a `.safetensors` file, an index.json or a directory.

    Raises InputError where a file is missing, damaged or of a kind that is never opened (pickle).
    """
    if path.name.endswith(".index.json"):
        return _read_sharded(path.parent, path)
    if path.is_dir():
        return _read_directory(path)
    if path.suffix in PICKLES:
        raise refuse_pickle(path)
    return _assemble(path, [path], [])


def read_index(path: Path) -> Index:
    """An index file, checked. Raises InputError where it is no index or names a file outside its directory."""
    if not path.is_file():  # reading a pipe or a device might never end
        raise InputError(f"not a regular file: `{path}`", hint="a link must lead to a file")
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_INDEX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read it: {error.strerror or error}", file=str(path)) from error
    return parse_index(raw, str(path))


def parse_index(raw: bytes, where: str) -> Index:
    """As `read_index`, of bytes at hand."""
    if len(raw) > MAX_INDEX_BYTES or raw.count(b'"') > 4 * MAX_TENSORS + 1000 or is_too_wide(raw):
        raise InputError("larger than the index of any checkpoint", file=where)
    try:
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        made = msgspec.json.decode(raw, type=_IndexFile)
        refuse_repeated_keys(raw, len(fields) + len(made.weight_map) + len(made.metadata))
    except InputError as error:
        raise error.at(where) from None
    except (ValueError, RecursionError) as error:  # msgspec's and Unicode's errors are ValueErrors
        raise InputError(f"no index of safetensors: {error}", file=where) from error
    for name in dict.fromkeys(made.weight_map.values()):
        if not _is_beside(name):
            raise InputError(
                f"it names the file `{name[:80]}`, which is not beside it",
                file=where,
                hint="the files of a checkpoint stand in one directory",
            )
    size = made.metadata.get("total_size")
    return Index(made.weight_map, int(size) if isinstance(size, int | float) else None)


def _is_beside(name: str) -> bool:
    """Whether a name can be that of a file in one directory with another."""
    plain = Path(name).name == name and name not in {"", ".", ".."} and "\\" not in name and "\0" not in name
    return plain and len(name.encode()) <= LONGEST_FILE_NAME


class _IndexFile(msgspec.Struct, frozen=True):
    weight_map: dict[str, str]
    metadata: dict[str, object] = {}


def _read_directory(folder: Path) -> Header:
    if (folder / INDEX).is_symlink() or (folder / INDEX).exists():
        return _read_sharded(folder, folder / INDEX)
    files = _candidates(folder)
    if not files:
        pickles = pickles_among(path.name for path in _listed(folder))
        if pickles:
            raise refuse_pickles(f"the weights in `{folder}` are", pickles[0], OR_CONFIG)
        raise InputError(
            f"the directory has no safetensors files: `{folder}`", hint="give one that holds a checkpoint"
        )
    names, notes = without_copies([path.name for path in files])
    return _assemble(folder, [folder / name for name in names], notes)


def _read_sharded(folder: Path, index_path: Path) -> Header:
    index = read_index(index_path)
    names = files_of(index, lambda name: (folder / name).is_file(), str(index_path))
    notes = beside_index(names, [path.name for path in _candidates(folder)])
    return with_index(_assemble(folder, [folder / name for name in names], notes), index)


def files_of(index: Index, has: Callable[[str], bool], where: str) -> list[str]:
    """The files that an index names. Raises InputError for pickles, and where some are not there."""
    names = sorted(set(index.weight_map.values()))
    if names and names[0].endswith(PICKLES):
        raise refuse_pickles("it names", names[0], OR_CONFIG, where)
    takes = "" if index.total_size is None else f"; it says that all take {index.total_size:,} bytes"
    require_all(names, has, "files", where, "download them, or give config.json alone", takes)
    return names


def with_index(header: Header, index: Index) -> Header:
    """The header of all files with what their index says otherwise."""
    said, sum_said = tuple(against_index(header, index)), tuple(against_total_size(header, index))
    return msgspec.structs.replace(
        header,
        notes=(*header.notes, *said, *sum_said),
        contradictions=(*header.contradictions, *said),
        misstatements=(*header.misstatements, *sum_said),
    )


def against_index(header: Header, index: Index) -> Iterable[str]:
    """What the header of all files has otherwise than their index says."""
    stored = {tensor.name: tensor.file for tensor in header.tensors}
    absent = sorted(index.weight_map.keys() - stored.keys())
    if absent:
        yield f"{_tensors(absent, 'of the index')} in no file: {some(absent)}"
    unnamed = sorted(stored.keys() - index.weight_map.keys())
    if unnamed:
        yield f"{_tensors(unnamed, 'stored')} not in the index: {some(unnamed)}"
    moved = sorted(name for name, file in stored.items() if index.weight_map.get(name, file) != file)
    if moved:
        yield f"{_tensors(moved, '')} in another file than the index says: {some(moved)}"


def against_total_size(header: Header, index: Index) -> Iterable[str]:
    """Whether the index gives another sum than that of the tensors: false, but of none of them."""
    size = sum(tensor.bytes for tensor in header.tensors)
    if index.total_size is not None and index.total_size != size:
        yield f"the index says total_size {index.total_size:,}; the tensors take {size:,} bytes"


def _assemble(source: Path, files: list[Path], notes: list[str]) -> Header:
    if len(files) > MAX_FILES:
        raise InputError(f"{len(files):,} files; {MAX_FILES:,} are the most", file=str(source))
    shapes: safetensors.Shapes = {}
    links = [path.name for path in files if path.is_symlink() and not is_of_the_cache(path)]

    def pieces() -> Iterable[Piece]:
        for path in files:
            if not path.is_file():
                raise InputError(f"no such file: `{path}`", hint="a link must lead to a file")
            yield path.name, *safetensors.read_file(path, path.name, shapes)

    if links:
        notes = [*notes, f"symbolic links were followed: {some(links)}"]
    return join(str(source), pieces(), notes)


def join(source: str, pieces: Iterable[Piece], notes: list[str]) -> Header:
    """One header of the files of a checkpoint. Raises InputError where they hold more than any model."""
    tensors: dict[str, StoredTensor] = {}
    duplicates: list[StoredTensor] = []
    metadata: dict[str, object] = {}
    files = []
    for name, own, said in pieces:
        files.append(name)
        metadata |= said
        if len(tensors) + len(own) > MAX_TENSORS:
            raise InputError(f"more than {MAX_TENSORS:,} tensors", file=source)
        duplicates += [t for t in own if tensors.setdefault(t.name, t) is not t]
    if duplicates:
        names = list(dict.fromkeys(tensor.name for tensor in duplicates))
        occur = "name occurs" if len(names) == 1 else "names occur"
        notes = [*notes, f"{len(names):,} {occur} in two files, counted once: {some(names)}"]
    return Header(
        source=source,
        format="safetensors",
        tensors=tuple(tensors.values()),
        metadata=metadata,
        files=tuple(files),
        duplicates=tuple(duplicates),
        notes=tuple(notes),
    )


def _candidates(folder: Path) -> list[Path]:
    return [path for path in _listed(folder) if holds_weights(path.name)]


def holds_weights(name: str) -> bool:
    """Whether a file of that name is a part of the model."""
    return name.endswith(SUFFIX) and not name.startswith(NOT_THE_MODEL)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"cannot read the directory: {error.strerror or error}", file=str(folder)) from error


def without_copies(files: list[str]) -> tuple[list[str], list[str]]:
    """Of the weights of a directory without an index those that count, and what to say about the others.

    Mistral's repositories hold the weights twice: `consolidated*` in its own names, `model*` in transformers'. Beside
    the default files variants may stand (`model.fp16.safetensors`), which transformers reads only when asked to.
    Raises InputError where a part of a numbered set is absent, or one variant is as good as another.
    """
    kept, notes = _without_variants(files)
    own = [name for name in kept if name.startswith("consolidated")]
    if own and any(name.startswith("model") for name in kept):
        notes.append(f"`consolidated*` and `model*` are the same weights twice: {some(own)} left out")
        kept = [name for name in kept if name not in own]
    _require_all_parts(kept)
    return kept, notes


def _without_variants(files: list[str]) -> tuple[list[str], list[str]]:
    variants: dict[str, dict[str, list[str]]] = {}
    for name in files:
        match = _NUMBERED.fullmatch(name)
        plain = match["stem"] + match["rest"] if match else name.removesuffix(SUFFIX)
        stem, _, variant = plain.partition(".")
        if variant.isdecimal():  # MLX once numbered its files so
            stem, variant = plain, ""
        variants.setdefault(stem, {}).setdefault(variant, []).append(name)
    kept, notes = set(files), []
    for stem, found in variants.items():
        others = [name for variant, names in found.items() if variant for name in names]
        if "" in found and others:
            kept -= set(others)
            notes.append(f"variants of `{stem}` beside the default are left out: {some(others)}")
        elif len(found) > 1:
            raise InputError(
                f"the directory holds the weights in {len(found)} variants: {some(others)}",
                hint="give the file of one of them",
            )
    return [name for name in files if name in kept], notes


def _require_all_parts(files: list[str]) -> None:
    """Raise InputError where parts of a numbered set are absent."""
    sets: dict[tuple[str, str, str], dict[int, str]] = {}
    for match in filter(None, map(_NUMBERED.fullmatch, files)):
        key = match["stem"], match["parts"], match["rest"]
        sets.setdefault(key, {})[int(match["part"])] = match["part"]
    for (stem, parts, rest), found in sets.items():
        count, width = int(parts), len(next(iter(found.values())))
        if count > MAX_FILES:
            raise InputError(f"`{stem}` says that it has {count:,} files; {MAX_FILES:,} are the most")
        first = 0 if 0 in found else 1
        absent = [number for number in range(first, first + count) if number not in found]
        if absent:
            names = [f"{stem}-{number:0{width}}-of-{parts}{rest}{SUFFIX}" for number in absent]
            raise lacking(names, count, "files", "download what is missing, or give config.json alone")


def beside_index(named: list[str], present: list[str]) -> list[str]:
    """What to say about files that hold weights and are not among those the index names."""
    others = [name for name in present if name not in set(named)]
    if not others:
        return []
    own = [name for name in others if name.startswith("consolidated")]
    if own and named and named[0].startswith("model"):
        return [f"`consolidated*` and `model*` are the same weights twice: {some(own)} left out"]
    return [f"files that the index does not name are left out: {some(others)}"]


def _tensors(names: list[str], which: str) -> str:
    """`1 tensor of the index is`, `2 stored tensors are`."""
    noun, verb = ("tensor", "is") if len(names) == 1 else ("tensors", "are")
    words = (noun, which) if which.startswith("of ") else (which, noun)
    return " ".join(word for word in (f"{len(names):,}", *words, verb) if word)
