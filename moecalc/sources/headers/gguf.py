"""A GGUF header: metadata as typed key-values, then the list of tensors with their types, shapes and offsets.

Versions 2 and 3, in either byte order, in one file or split into several (docs/gguf.md of ggml-org/ggml). Dimensions
are turned round: GGUF writes the length of a row first, here it stands last. Everything is checked before it is
believed; a weight is never read.
"""

import re
from collections.abc import Mapping
from itertools import pairwise
from math import prod
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, NamedTuple

from moecalc.errors import InputError
from moecalc.sources.headers.faults import is_of_the_cache, require_all, some
from moecalc.sources.headers.gguf_bytes import Buffer, Cursor, Cut, NeedsMore
from moecalc.sources.headers.tensors import Header, StoredTensor
from moecalc.specs.gguf_types import BY_CODE, REMOVED

SUFFIX = ".gguf"
MAGIC = b"GGUF"
DEFAULT_ALIGNMENT = 32  # GGUF_DEFAULT_ALIGNMENT, gguf.h
MAX_TENSORS = 20_000
"""In one model. llama.cpp stacks the experts of a layer, so that the largest published have some 2,000."""
MAX_PAIRS = 65_536
MAX_KEY_BYTES = 65_535  # docs/gguf.md: "at most 2^16-1 bytes long"
MAX_NAME_BYTES = 1024  # GGML_MAX_NAME is 64; forks allow 128
MAX_DIMS = 4  # GGML_MAX_DIMS, ggml.h
MAX_SPLITS = 4096
ONE_DIRECTORY = "download all parts into one directory"
SHOWN = 80
"""Characters of a key or a name in an error."""

_OLDER = (b"lmgg", b"tjgg", b"fmgg", b"algg")
_SPLIT = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")


class Piece(NamedTuple):
    """What one file says."""

    metadata: Mapping[str, Any]
    tensors: list[StoredTensor]
    notes: list[str]


def read_gguf(path: Path) -> Header:
    """The header of a `.gguf` file, with all of its parts where the file is one of a split model.

    Raises InputError where a file is missing, damaged or none of this kind.
    """
    paths = parts_of(path)
    names = [part.name for part in paths]
    if len(paths) > 1:
        require_all(names, lambda name: path.with_name(name).is_file(), "parts", str(path), ONE_DIRECTORY)
    links = [part.name for part in paths if part.is_symlink() and not is_of_the_cache(part)]
    pieces = [read_piece(part) for part in paths]
    notes = [f"symbolic links were followed: {some(links)}"] if links else []
    return join(str(path), names, pieces, notes)


def parts_of(path: Path) -> list[Path]:
    """All parts of the split model that a file belongs to, in order; the file itself where it is not split."""
    return [path.with_name(name) for name in part_names(path.name)]


def part_names(name: str) -> list[str]:
    """As `parts_of`, of the name of a file."""
    match = _SPLIT.fullmatch(name)
    if match is None:
        return [name]
    count, number = int(match["count"]), int(match["number"])
    if not 1 <= number <= count <= MAX_SPLITS:
        raise InputError(f"part {number:,} of {count:,} cannot be: `{name}`")
    return [f"{match['stem']}-{part:05}-of-{count:05}.gguf" for part in range(1, count + 1)]


def model_name(path: Path) -> str:
    """The name of the model in a file: the file's, without the part that it is."""
    match = _SPLIT.fullmatch(path.name)
    return path.stem if match is None else match["stem"]


def join(source: str, names: list[str], pieces: list[Piece], notes: list[str]) -> Header:
    """One header of the pieces of a model; the first one's metadata speaks for all."""
    tensors: dict[str, StoredTensor] = {}
    every = [tensor for piece in pieces for tensor in piece.tensors]
    if len(every) > MAX_TENSORS:
        raise InputError(f"its parts hold {len(every):,} tensors; {MAX_TENSORS:,} are the most", file=source)
    duplicates = [tensor for tensor in every if tensors.setdefault(tensor.name, tensor) is not tensor]
    metadata = pieces[0].metadata
    said = metadata.get("split.tensors.count")
    notes = [*notes, *(note for piece in pieces for note in piece.notes)]
    if isinstance(said, int) and said != len(tensors):
        notes.append(f"it says that all parts hold {said:,} tensors; they hold {len(tensors):,}")
    parts = metadata.get("split.count")
    if isinstance(parts, int) and parts not in {0, len(names)}:
        notes.append(f"it says that it has {parts:,} parts; {len(names):,} were read")
    if duplicates:
        names_twice = list(dict.fromkeys(tensor.name for tensor in duplicates))
        occur = "name occurs" if len(names_twice) == 1 else "names occur"
        notes.append(f"{len(names_twice):,} {occur} in two parts, counted once: {some(names_twice)}")
    return Header(
        source=source,
        format="gguf",
        tensors=tuple(tensors.values()),
        metadata=metadata,
        files=tuple(names),
        duplicates=tuple(duplicates),
        notes=tuple(notes),
    )


def read_piece(path: Path) -> Piece:
    """The header of one file. Raises InputError."""
    where = str(path)
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size == 0:
                raise InputError("the file is empty", file=where)
            with mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
                return parse(mapped, size, path.name, where)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read it: {reason}", file=where) from error


def parse(buffer: Buffer, size: int | None, name: str, where: str) -> Piece:
    """The header at the beginning of a file.

    `buffer` holds the file's first bytes, `size` is that of the whole file, None where it is unknown. `name` is what
    its tensors call the file, `where` stands in errors. Raises InputError for what is no sound GGUF file, NeedsMore
    where the header goes on beyond the buffer.
    """
    cursor = Cursor(buffer, size, where)
    tensor_count, pair_count = _start(cursor)
    metadata = _pairs(cursor, pair_count)
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment <= 0 or alignment & (alignment - 1):
        cursor.fail(f"`general.alignment` is {alignment!r}, no power of 2")
    listed = _tensors(cursor, tensor_count, name)
    start = -(-cursor.at // alignment) * alignment
    notes = _check_ranges(cursor, listed, alignment, None if size is None else size - start)
    return Piece(metadata, [tensor for tensor, _ in listed], notes)


def _start(cursor: Cursor) -> tuple[int, int]:
    """The numbers of tensors and of key-values; sets the byte order."""
    magic = cursor.raw(4, "its magic number")
    if magic != MAGIC:
        if magic in _OLDER:
            cursor.fail("a file of ggml's formats before GGUF", "convert it: llama.cpp has scripts for each")
        if magic == b"vers":
            cursor.fail("a Git LFS pointer stands here in place of the file", "fetch it: `git lfs pull`")
        cursor.fail(f"no GGUF file: it begins with {magic!r}")
    version = cursor.number("I", "its version")
    if version and not version & 0xFFFF:
        cursor.order = ">"
        version = int.from_bytes(version.to_bytes(4, "little"), "big")
    if version not in {2, 3}:
        cursor.fail(
            f"GGUF version {version:,}; 2 and 3 are read",
            "convert the model again: llama.cpp reads version 1 no more" if version == 1 else None,
        )
    tensors = cursor.number("Q", "its number of tensors")
    pairs = cursor.number("Q", "its number of key-values")
    if tensors > MAX_TENSORS:
        cursor.fail(f"it declares {tensors:,} tensors; {MAX_TENSORS:,} are the most")
    if pairs > MAX_PAIRS:
        cursor.fail(f"it declares {pairs:,} key-values; {MAX_PAIRS:,} are the most")
    return tensors, pairs


def _pairs(cursor: Cursor, count: int) -> Mapping[str, Any]:
    metadata: dict[str, Any] = {}
    for index in range(count):
        key = cursor.text(f"key {index:,} of {count:,}", MAX_KEY_BYTES)
        shown = f"`{key if len(key) <= SHOWN else key[:SHOWN] + '...'}`"
        kind = cursor.number("I", shown)
        value = cursor.value(kind, shown)
        if key in metadata:
            cursor.fail(f"the key {shown} stands there twice")
        metadata[key] = value
    return metadata


def _tensors(cursor: Cursor, count: int, file: str) -> list[tuple[StoredTensor, int]]:
    """Every tensor with the offset of its data."""
    made: dict[str, tuple[StoredTensor, int]] = {}
    shapes: dict[tuple[int, ...], tuple[int, ...]] = {}
    for index in range(count):
        name = cursor.text(f"the name of tensor {index:,} of {count:,}", MAX_NAME_BYTES)
        shown = f"`{name if len(name) <= SHOWN else name[:SHOWN] + '...'}`"
        sides = cursor.number("I", shown)
        if sides > MAX_DIMS:
            cursor.fail(f"{shown} has {sides:,} dimensions; {MAX_DIMS} are the most")
        dims = [cursor.number("Q", shown) for _ in range(sides)]
        code = cursor.number("I", shown)
        offset = cursor.number("Q", shown)
        type_ = BY_CODE.get(code)
        if type_ is None:
            known = REMOVED.get(code)
            cursor.fail(
                f"{shown} has the type {code:,}"
                + (f" ({known}), which llama.cpp reads no more" if known else ""),
                None
                if known
                else "forks of llama.cpp (ik_llama.cpp) have types of their own, which are not read",
            )
        if prod(dims) >= 2**63:
            cursor.fail(f"{shown} has the shape {dims[::-1]}")
        row = dims[0] if dims else 1
        if row % type_.block:
            cursor.fail(
                f"{shown}: rows of {row:,} are no whole blocks of {type_.name} ({type_.block} elements)"
            )
        if name in made:
            cursor.fail(f"two tensors are named {shown}")
        shape = tuple(dims[::-1])
        size = prod(dims) // type_.block * type_.bytes
        made[name] = StoredTensor(name, type_.name, shapes.setdefault(shape, shape), size, file), offset
    return list(made.values())


def _check_ranges(
    cursor: Cursor, listed: list[tuple[StoredTensor, int]], alignment: int, data_bytes: int | None
) -> list[str]:
    """Raise where data lies outside the file, overlaps or is not aligned; say where bytes belong to no tensor."""
    ranges = sorted((offset, offset + tensor.bytes, tensor.name) for tensor, offset in listed)
    for begin, end, name in ranges:
        if begin % alignment:
            cursor.fail(f"`{name}` begins at {begin:,}, which is not aligned to {alignment:,} bytes")
        if data_bytes is not None and end > data_bytes:
            cursor.fail(
                f"cut short: `{name}` ends at byte {end:,} of the data, and {max(data_bytes, 0):,} are there",
                "download it again",
            )
    gap = ranges[0][0] if ranges else 0
    for (_, end, name), (begin, _, other) in pairwise(ranges):
        if begin < end:
            cursor.fail(f"the data of `{name}` and of `{other}` overlap")
        gap += begin - -(-end // alignment) * alignment
    last = ranges[-1][1] if ranges else 0
    if data_bytes is not None and data_bytes - last >= alignment:
        gap += data_bytes - last
    return [f"{gap:,} bytes between or behind the tensors belong to none"] if gap else []


__all__ = ["Cut", "Header", "NeedsMore", "Piece", "join", "parse", "parts_of", "read_gguf", "read_piece"]
