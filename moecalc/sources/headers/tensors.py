"""What every header reader returns: the stored tensors of a checkpoint, and what was odd about its files."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from moecalc.ir.numeric import product


class StoredTensor(msgspec.Struct, frozen=True, gc=False):
    """One tensor as a file stores it.

    `dtype` is the file's own name (BF16, F8_E4M3, U8, Q4_K). `shape` is in torch's order, [out, in] for a matrix
    (GGUF's reversed dimensions are turned round by its reader), and counts stored elements: a word that packs
    eight 4-bit values is one. `bytes` is what it takes in the file.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    file: str

    @property
    def elements(self) -> int:
        """Stored elements; 1 for a scalar."""
        return int(product(self.shape))


class Header(msgspec.Struct, frozen=True):
    """All tensors of a checkpoint, over all of its files.

    `metadata` is safetensors' `__metadata__` or GGUF's key-values, big arrays cut to their length. `duplicates` are
    tensors under names that `tensors` has already: stored again, no part of the model. `notes` says whatever else a
    reader must know; `contradictions` are those of them in which the files say otherwise than one another about their
    tensors, `misstatements` those about their sum alone.
    """

    source: str
    format: Literal["safetensors", "gguf"]
    tensors: tuple[StoredTensor, ...]
    metadata: Mapping[str, Any] = {}
    files: tuple[str, ...] = ()
    duplicates: tuple[StoredTensor, ...] = ()
    notes: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()
    misstatements: tuple[str, ...] = ()

    @property
    def total_bytes(self) -> int:
        """Bytes of all tensors that the files store, headers and padding not counted."""
        return sum(tensor.bytes for tensor in (*self.tensors, *self.duplicates))

    @property
    def elements(self) -> int:
        """Stored elements, packed words as one: what the hub's metadata prints."""
        return sum(tensor.elements for tensor in (*self.tensors, *self.duplicates))
