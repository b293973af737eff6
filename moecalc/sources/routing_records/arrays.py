"""Files of numpy: `.npy` and members of an uncompressed `.npz` are mapped, compressed members are read up to 1 GiB."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from moecalc.errors import InputError
from moecalc.sources.routing_records.fields import CHOICES, COUNTS, LOGITS, OTHERS, PHYSICAL, numpy

if TYPE_CHECKING:
    from pathlib import Path
    from zipfile import ZipFile, ZipInfo

MAX_UNPACKED_BYTES = 2**30
"""Of one compressed member, which has to be held in memory as a whole."""

UNPACKED_HINT = "store it with `numpy.savez`, which does not compress, or as `.npy`: it is mapped then"

_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
"""Of a member of a zip file; name and extra field follow it (APPNOTE.TXT 4.3.7)."""


def read_npy(file: Path) -> dict[str, Any]:
    """The one array: two axes are counts, three are choices."""
    array = _mapped(file, 0, file.stat().st_size)
    return {COUNTS[0] if array.ndim == 2 else CHOICES[0]: array}


def read_npz(file: Path) -> dict[str, Any]:
    """The arrays by their names, of those that mean something in a recording."""
    import zipfile

    known = {*COUNTS, *CHOICES, *PHYSICAL, *OTHERS, LOGITS}
    fields: dict[str, Any] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                name = member.filename.removesuffix(".npy")
                if name in known:
                    fields[name] = _member(file, archive, member)
                else:
                    fields.setdefault(name, None)
    except zipfile.BadZipFile:
        raise InputError("it is no npz file, or a damaged one", hint="`numpy.savez` writes them") from None
    return fields


def _member(file: Path, archive: ZipFile, member: ZipInfo) -> Any:
    import zipfile

    if member.compress_type == zipfile.ZIP_STORED:
        with file.open("rb") as stream:
            stream.seek(member.header_offset)
            header = stream.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size:
            raise InputError(f"`{member.filename}` ends early", hint="the file is damaged: write it again")
        *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        start = member.header_offset + _LOCAL_HEADER.size + name_length + extra_length
        return _mapped(file, start, member.file_size)
    if member.file_size > MAX_UNPACKED_BYTES:
        raise InputError(f"`{member.filename}` unpacks to {member.file_size:,} bytes", hint=UNPACKED_HINT)
    np = numpy()
    with archive.open(member) as stream:
        packed = stream.read(MAX_UNPACKED_BYTES + 1)
    if len(packed) > MAX_UNPACKED_BYTES:
        raise InputError(f"`{member.filename}` unpacks to more than it says", hint=UNPACKED_HINT)
    import io

    try:
        return np.lib.format.read_array(io.BytesIO(packed), allow_pickle=False)
    except ValueError:
        raise InputError(
            f"`{member.filename}` is no array", hint="`numpy.savez` writes arrays of numbers"
        ) from None


def _mapped(file: Path, start: int, size: int) -> Any:
    """The array whose `.npy` stands at `start` of the file and takes `size` bytes, mapped."""
    np = numpy()
    with file.open("rb") as stream:
        stream.seek(start)
        try:
            version = np.lib.format.read_magic(stream)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, fortran, dtype = read(stream)
        except ValueError:
            raise InputError("it is no npy file, or a damaged one", hint="`numpy.save` writes them") from None
        offset = stream.tell()
    if dtype.hasobject:
        raise InputError("it holds Python objects, which are not read", hint="save an array of whole numbers")
    elements = 1
    for length in shape:
        elements *= int(length)
    if elements * dtype.itemsize != size - (offset - start):
        raise InputError(
            f"it says {list(shape)} elements of {dtype.itemsize} bytes and has {size - (offset - start):,} bytes",
            hint="the file is cut off or damaged: write it again",
        )
    if elements == 0:
        return np.zeros(shape, dtype)
    return np.memmap(file, dtype, "r", offset, shape, "F" if fortran else "C")
