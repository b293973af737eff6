"""A safetensors header: 8 bytes of length, then JSON that names each tensor's dtype, shape and byte range.

The format is that of the safetensors library (huggingface/safetensors, README "Format"): ranges follow each other
without gap or overlap and fill the file. Everything is checked before it is believed, and memory stays bounded: the
header's length against the file and the format's own limit, its size in JSON before it is decoded.
"""

import json
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from moecalc.errors import InputError
from moecalc.sources.headers.tensors import StoredTensor
from moecalc.sources.json_objects import MAX_WIDE_BYTES, is_too_wide

MAX_HEADER_BYTES = 100_000_000  # the safetensors library's own limit, MAX_HEADER_SIZE (src/tensor.rs)

MAX_JSON_TOKENS = 3_000_000
"""Quotes and commas in one header: some 200,000 tensors. The largest shard published has a few thousand."""

MAX_METADATA_BYTES = 2**16
"""Of `__metadata__` that are kept: it has names of tools and formats, and at times whole workflows."""

MAX_DIMENSION = 2**48
MAX_DIMENSIONS = 32
MAX_NAME = 1000
"""Characters of a tensor's name; the longest published ones have about a hundred."""

LENGTH_BYTES = 8

DTYPE_BITS = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "C64": 64,
    "F64": 64,
    "I64": 64,
    "U64": 64,
}
"""Bits of one element of each dtype (huggingface/safetensors, src/tensor.rs, `Dtype`)."""

Shapes = dict[tuple[int, ...], tuple[int, ...]]

_LFS = b"version https://git-lfs"


class _Entry(msgspec.Struct, frozen=True, gc=False):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def read_file(
    path: Path, name: str, shapes: Shapes | None = None
) -> tuple[list[StoredTensor], Mapping[str, Any]]:
    """The tensors and the `__metadata__` of one file, called `name` in them; its weights stay unread.

    `shapes` lets the files of a checkpoint share equal shapes. Raises InputError for anything that is no sound
    safetensors file.
    """
    where = str(path)
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            start = file.read(LENGTH_BYTES)
            length = header_length(
                start + file.read(16) if start == _LFS[:LENGTH_BYTES] else start, size, where
            )
            raw = file.read(length)
    except OSError as error:
        raise InputError(f"cannot read it: {error.strerror or error}", file=where) from error
    return parse(raw, name, size - LENGTH_BYTES - length, where, shapes)


def header_length(start: bytes, size: int | None, where: str) -> int:
    """The length in bytes of the JSON header, read from the file's first 8 bytes.

    `size` is the file's, in bytes, None where it is not known. Raises InputError for a length that cannot be.
    """
    if start.startswith(_LFS):
        raise InputError(
            "a Git LFS pointer stands here in place of the file", file=where, hint="fetch it: `git lfs pull`"
        )
    if len(start) < LENGTH_BYTES:
        raise InputError(f"{len(start)} bytes are no safetensors file: its header is missing", file=where)
    length = int.from_bytes(start[:LENGTH_BYTES], "little")
    if length > MAX_HEADER_BYTES:
        raise InputError(
            f"no safetensors file: it declares a header of {length:,} bytes, and {MAX_HEADER_BYTES:,} are the most",
            file=where,
        )
    if size is not None and length > size - LENGTH_BYTES:
        raise InputError(
            f"cut short: it declares a header of {length:,} bytes and has {size - LENGTH_BYTES:,}",
            file=where,
            hint="download it again",
        )
    return length


def parse(
    raw: bytes, name: str, data_bytes: int | None, where: str, shapes: Shapes | None = None
) -> tuple[list[StoredTensor], Mapping[str, Any]]:
    """The tensors and the `__metadata__` in a header's JSON.

    `data_bytes` is what follows the header in the file, None where that is not known. `where` stands in errors.
    Raises InputError.
    """
    shapes = {} if shapes is None else shapes
    entries, metadata = _decode(raw, where)
    made = []
    end = 0
    for key, entry in sorted(entries.items(), key=lambda item: item[1].data_offsets):
        begin, stop = entry.data_offsets
        if begin != end or stop < begin:
            _refuse_range(entries, where)
        sides = entry.shape
        if len(sides) > MAX_DIMENSIONS or (sides and not 0 <= min(sides) <= max(sides) <= MAX_DIMENSION):
            raise InputError(f"`{key}` has the impossible shape {_cut(list(sides[:9]))}", file=where)
        bits = DTYPE_BITS.get(entry.dtype)
        if bits is None:
            raise InputError(
                f"`{key}` has the dtype `{_cut(entry.dtype)}`",
                file=where,
                hint=f"known: {', '.join(DTYPE_BITS)}",
            )
        needed = prod(entry.shape) * bits
        if needed != 8 * (stop - begin):
            raise InputError(
                f"`{key}`: {list(entry.shape)} of {entry.dtype} takes {_bytes_words(needed)}, its range has "
                f"{stop - begin:,}",
                file=where,
            )
        shape = shapes.setdefault(entry.shape, entry.shape)
        made.append(StoredTensor(key, entry.dtype, shape, stop - begin, name))
        end = stop
    if data_bytes is not None and end != data_bytes:
        what = "cut short" if data_bytes < end else "longer than its header says"
        raise InputError(
            f"{what}: the tensors take {end:,} bytes, {data_bytes:,} follow the header",
            file=where,
            hint="download it again",
        )
    return made, metadata


def _decode(raw: bytes, where: str) -> tuple[dict[str, _Entry], Mapping[str, str]]:
    if raw.count(b",") + raw.count(b'"') > MAX_JSON_TOKENS:
        raise InputError("the header is larger than that of any checkpoint", file=where)
    if is_too_wide(raw):
        raise InputError(
            f"the header is {len(raw):,} bytes of text beyond ASCII; {MAX_WIDE_BYTES:,} are the most",
            file=where,
        )
    if not raw.startswith(b"{"):
        raise InputError("no safetensors file: its header is no JSON mapping", file=where)
    try:
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        metadata = fields.pop("__metadata__", None)
        entries = {key: _ENTRY.decode(field) for key, field in fields.items()}
        said = {} if metadata is None else _metadata(metadata)
    except (ValueError, RecursionError) as error:  # msgspec's and Unicode's errors are ValueErrors
        raise InputError(f"no safetensors header: {_cut(error)}", file=where) from error
    if max(map(len, entries), default=0) > MAX_NAME:
        raise InputError(f"a tensor's name has more than {MAX_NAME:,} characters", file=where)
    # JSON keeps the last of two equal keys; each tensor has one range, so the ranges tell.
    if raw.count(b'"data_offsets"') != len(entries) or raw.count(b'"__metadata__"') > 1:
        _refuse_duplicates(raw, where)
    return entries, said


_ENTRY = msgspec.json.Decoder(_Entry)


def _metadata(raw: msgspec.Raw) -> Mapping[str, str]:
    """What `__metadata__` says, nothing where it is too much to keep. Raises ValueError unless all of it is text."""
    if memoryview(raw).nbytes <= MAX_METADATA_BYTES:
        return msgspec.json.decode(raw, type=dict[str, str])
    values = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    if any(bytes(memoryview(value)[:1]) != b'"' for value in values.values()):
        raise ValueError("`__metadata__` holds other things than text")
    return {}


def _refuse_duplicates(raw: bytes, where: str) -> None:
    """Raise for a name that occurs twice. What looked like one may be a tensor named like a field."""

    def names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
            raise InputError(f"`{_cut(twice)}` occurs twice in the header", file=where)
        return dict(pairs)

    if len(raw) > MAX_WIDE_BYTES:  # to tell which would take several times its bytes
        raise InputError("a name occurs twice in the header, or one is that of a field", file=where)
    json.loads(raw, object_pairs_hook=names)


def _refuse_range(entries: Mapping[str, _Entry], where: str) -> NoReturn:
    """Say which byte range is impossible."""
    ordered = sorted(entries.items(), key=lambda item: item[1].data_offsets)
    for key, entry in ordered:
        begin, stop = entry.data_offsets
        if begin < 0 or stop < begin:
            raise InputError(
                f"`{key}` has the impossible byte range {_cut(begin)} to {_cut(stop)}", file=where
            )
    if ordered[0][1].data_offsets[0] > 0:
        raise InputError(f"the first tensor, `{ordered[0][0]}`, does not begin at byte 0", file=where)
    for (one, first), (other, second) in pairwise(ordered):
        if second.data_offsets[0] < first.data_offsets[1]:
            raise InputError(f"`{one}` and `{other}` overlap in the file", file=where)
        if second.data_offsets[0] > first.data_offsets[1]:
            gap = second.data_offsets[0] - first.data_offsets[1]
            raise InputError(f"{gap:,} bytes between `{one}` and `{other}` belong to no tensor", file=where)
    raise AssertionError("a range was refused that is sound")


def _cut(value: object) -> str:
    """A value from a file as an error shows it."""
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _bytes_words(bits: int) -> str:
    """Bytes in digits, unless they would fill the line: shapes in a damaged header multiply to anything."""
    return f"{-(-bits // 8):,} bytes" if bits < 2**80 else "more bytes than any file has"
