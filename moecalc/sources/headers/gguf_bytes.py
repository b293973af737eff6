"""The primitives of a GGUF header, read from a buffer that may end anywhere and may lie about everything.

The format is docs/gguf.md of ggml-org/ggml: integers in the file's byte order, strings as a 64-bit length and UTF-8,
arrays as an element type, a 64-bit count and the elements.
"""

import struct
from mmap import mmap
from typing import Any, NoReturn

import msgspec

from moecalc.errors import InputError

MAX_HEADER_BYTES = 100_000_000
"""Metadata and tensor list of one file. The largest vocabularies with their merges take some 20 MB."""

MAX_KEPT = 4096
"""Elements of an array that are kept; the layers of any model are fewer, every vocabulary is larger."""

MAX_KEPT_IN_ALL = 500_000
"""Array elements kept of one file."""

MAX_KEPT_TEXT = 65_536
"""Bytes of a string (or of all strings of an array) that are kept: a chat template has some 10,000."""

MAX_TEXT_IN_ALL = 8 * 2**20
"""Bytes of text kept of one file, and as much again of keys and the names of tensors; a model has some 100,000."""

MAX_DEPTH = 4
"""Arrays in arrays: the format allows them, and no model has any."""

MAX_INNER = 10_000
"""Arrays in arrays, of one file: passing over millions of them would take minutes."""

STRING, ARRAY, BOOL = 8, 9, 7
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", BOOL: "?", 10: "Q", 11: "q", 12: "d"}
"""struct's letter of each value type that has a fixed size (`enum gguf_type`)."""

Buffer = bytes | mmap


class Cut(msgspec.Struct, frozen=True):
    """What stands in the metadata in place of a value too large to keep: an array's or a string's length."""

    length: int

    def __len__(self) -> int:
        return self.length


class NeedsMore(Exception):  # noqa: N818 - no fault: a buffer that holds only the file's beginning
    """The header goes on beyond the buffer; `at_least` bytes of the file are needed."""

    def __init__(self, at_least: int) -> None:
        super().__init__(at_least)
        self.at_least = at_least


class Cursor:
    """A position in the beginning of a file of `size` bytes (None: unknown), read in one byte order."""

    def __init__(self, buffer: Buffer, size: int | None, where: str) -> None:
        self._buffer = buffer
        self._held = len(buffer)
        self._size = size
        self._where = where
        self.order = "<"
        self.at = 0
        self._room = MAX_KEPT_IN_ALL
        self._text_room = self._name_room = MAX_TEXT_IN_ALL
        self._inner = 0

    def fail(self, message: str, hint: str | None = None) -> NoReturn:
        """Raise InputError about this file."""
        raise InputError(message, file=self._where, hint=hint)

    def need(self, count: int, what: str) -> None:
        """Raise unless `count` more bytes are there: InputError beyond the file, NeedsMore beyond the buffer."""
        end = self.at + count
        if self._size is not None and end > self._size:
            self.fail(
                f"cut short: {what} at byte {self.at:,} needs {count:,} bytes, and {self._size - self.at:,} are left",
                "download it again",
            )
        if end > MAX_HEADER_BYTES:
            self.fail(
                f"no GGUF header: {what} at byte {self.at:,} needs {count:,} bytes, and {MAX_HEADER_BYTES:,} are the "
                "most that a header may take"
            )
        if end > self._held:
            if self._size is not None and self._held >= self._size:
                self.fail(f"cut short: {what} at byte {self.at:,}", "download it again")
            raise NeedsMore(end)

    def raw(self, count: int, what: str) -> bytes:
        """The next `count` bytes."""
        self.need(count, what)
        self.at += count
        return self._buffer[self.at - count : self.at]

    def number(self, letter: str, what: str) -> Any:
        """The next number, by struct's letter."""
        form = self.order + letter
        size = struct.calcsize(form)
        self.need(size, what)
        self.at += size
        return struct.unpack_from(form, self._buffer, self.at - size)[0]

    def text(self, what: str, limit: int = MAX_HEADER_BYTES) -> str:
        """The next string, at most `limit` bytes long, a key or a name: all of them are kept."""
        length = self.number("Q", what)
        if length > limit:
            self.fail(f"{what} is {length:,} bytes long; {limit:,} are the most")
        self._name_room -= length
        if self._name_room < 0:
            self.fail(f"its keys and names are more than {MAX_TEXT_IN_ALL:,} bytes long")
        return self.raw(length, what).decode("utf-8", "replace")

    def value(self, kind: int, what: str, depth: int = 0) -> Any:
        """The next metadata value; large ones are passed over and replaced by their length."""
        if kind == STRING:
            length = self.number("Q", what)
            if length > MAX_KEPT_TEXT or not self._keeps_text(length):
                self.skip(length, what)
                return Cut(length)
            return self.raw(length, what).decode("utf-8", "replace")
        if kind == ARRAY:
            return self._array(what, depth)
        letter = SCALARS.get(kind)
        if letter is None:
            self.fail(f"{what} has the value type {kind}, which GGUF does not know")
        return self.number(letter, what)

    def skip(self, count: int, what: str) -> None:
        """Pass over that many bytes."""
        self.need(count, what)
        self.at += count

    def _array(self, what: str, depth: int) -> Any:
        if depth >= MAX_DEPTH:
            self.fail(f"{what} holds arrays nested more than {MAX_DEPTH} deep")
        kind = self.number("I", what)
        count = self.number("Q", what)
        letter = SCALARS.get(kind)
        if letter is not None:
            width = struct.calcsize(self.order + letter)
            self.need(count * width, what)
            if not self._keeps(count):
                self.at += count * width
                return Cut(count)
            raw = self.raw(count * width, what)
            return list(struct.unpack(f"{self.order}{count}{letter}", raw))
        if kind not in {STRING, ARRAY}:
            self.fail(f"{what} is an array of the value type {kind}, which GGUF does not know")
        # A string takes 8 bytes at the least and an array 12, so a count beyond the file shows before any is read.
        self.need(count * (8 if kind == STRING else 12), what)
        return self._strings(count, what) if kind == STRING else self._arrays(count, what, depth)

    def _strings(self, count: int, what: str) -> Any:
        start, kept = self.at, self._keeps(count)
        read = struct.Struct(self.order + "Q").unpack_from
        spans = []
        at, held, buffer = self.at, min(self._held, MAX_HEADER_BYTES), self._buffer
        for _ in range(count):
            if at + 8 > held:
                self.at = at
                self.need(8, what)
            length = read(buffer, at)[0]
            at += 8
            if at + length > held:
                self.at = at
                self.need(length, what)
            if kept:
                spans.append((at, at + length))
            at += length
        self.at = at
        if not kept or self.at - start > MAX_KEPT_TEXT or not self._keeps_text(self.at - start):
            return Cut(count)
        return [self._buffer[begin:end].decode("utf-8", "replace") for begin, end in spans]

    def _keeps_text(self, length: int) -> bool:
        """Whether that much text is kept; makes room for it."""
        if length > self._text_room:
            return False
        self._text_room -= length
        return True

    def _keeps(self, count: int) -> bool:
        """Whether an array of that many elements is kept; makes room for it."""
        if count > MAX_KEPT or count > self._room:
            return False
        self._room -= count
        return True

    def _arrays(self, count: int, what: str, depth: int) -> Any:
        self._inner += count
        if self._inner > MAX_INNER:
            self.fail(f"{what} holds {count:,} arrays; {MAX_INNER:,} in arrays are the most")
        for _ in range(count):
            self._array(what, depth + 1)
        return Cut(count)
