"""The header of a checkpoint on the hub: all of its files at once, a few requests at a time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import SEEK_END
from mmap import ACCESS_READ, mmap
from pathlib import Path
from threading import Event
from typing import BinaryIO, TypeVar

from moecalc.errors import InputError
from moecalc.sources.headers import checkpoint, gguf, safetensors
from moecalc.sources.headers.faults import pickles_among, refuse_pickles, require_all
from moecalc.sources.headers.gguf_bytes import MAX_HEADER_BYTES, NeedsMore
from moecalc.sources.headers.tensors import Header
from moecalc.sources.hub.beginnings import read_beginning
from moecalc.sources.hub.progress import Progress
from moecalc.sources.hub.snapshot import Snapshot

WORKERS = 8

GGUF_BYTES = 2**20
"""Asked for where the first bytes are not enough: a vocabulary takes some megabytes."""

_Made = TypeVar("_Made")


def read_safetensors(snapshot: Snapshot, file: str | None = None) -> Header:
    """The header of the safetensors files of a repository, or of one of them.

    Raises InputError where there are none, or one is damaged; UndeterminedError where the hub is away.
    """
    if file is not None:
        return _joined(snapshot, [file], [])
    top = [name for name in snapshot.files if "/" not in name]
    candidates = sorted(name for name in top if checkpoint.holds_weights(name))
    if checkpoint.INDEX not in top:
        if not candidates:
            raise no_weights(snapshot)
        names, notes = checkpoint.without_copies(candidates)
        return _joined(snapshot, names, notes)
    where = snapshot.where(checkpoint.INDEX)
    index = checkpoint.parse_index(snapshot.read(checkpoint.INDEX, checkpoint.MAX_INDEX_BYTES), where)
    names = checkpoint.files_of(index, snapshot.files.__contains__, where)
    header = _joined(snapshot, names, checkpoint.beside_index(names, candidates))
    return checkpoint.with_index(header, index)


def read_gguf(snapshot: Snapshot, file: str) -> Header:
    """The header of a GGUF file of a repository, with the parts it is split into.

    Raises as `read_safetensors`.
    """
    names = [path.as_posix() for path in gguf.parts_of(Path(file))]
    has = snapshot.files.__contains__
    require_all(
        names, has, "parts", snapshot.where(file), "the repository lacks them: try another model of it"
    )
    pieces = list(_at_once(names, partial(_gguf_piece, snapshot)))
    return gguf.join(snapshot.where(file), names, pieces, list(snapshot.notes))


def no_weights(snapshot: Snapshot) -> InputError:
    """The error about a repository that has no file whose header could be read."""
    pickles = pickles_among(snapshot.files)
    if pickles:
        hint = "the hub's conversion to safetensors may stand in a pull request: try `@refs/pr/1`"
        return refuse_pickles(f"the weights of `{snapshot.about}` are", pickles[0], hint)
    return InputError(f"`{snapshot.about}` has no safetensors and no GGUF files")


def _joined(snapshot: Snapshot, names: list[str], notes: list[str]) -> Header:
    if len(names) > checkpoint.MAX_FILES:
        raise InputError(
            f"{len(names):,} files; {checkpoint.MAX_FILES:,} are the most", file=str(snapshot.about)
        )
    pieces = _at_once(names, partial(_safetensors_piece, snapshot, {}))
    return checkpoint.join(str(snapshot.about), pieces, [*snapshot.notes, *notes])


def _at_once(names: Sequence[str], read: Callable[[Event, str], _Made]) -> Iterator[_Made]:
    """What `read` makes of each name, in order; the first failure ends all."""
    stop = Event()
    with Progress("reading headers", len(names)) as progress, ThreadPoolExecutor(WORKERS) as pool:
        try:
            for made in pool.map(partial(read, stop), names):
                progress.step()
                yield made
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _safetensors_piece(
    snapshot: Snapshot, shapes: safetensors.Shapes, stop: Event, name: str
) -> checkpoint.Piece:
    where = snapshot.where(name)

    def parse(file: BinaryIO, size: int | None) -> checkpoint.Piece:
        held = file.seek(0, SEEK_END)
        file.seek(0)
        length = safetensors.header_length(file.read(safetensors.LENGTH_BYTES + 16), size, where)
        end = safetensors.LENGTH_BYTES + length
        if held < end and (size is None or held < size):
            raise NeedsMore(end)
        file.seek(safetensors.LENGTH_BYTES)
        rest = None if size is None else size - end
        return name, *safetensors.parse(file.read(length), name, rest, where, shapes)

    return read_beginning(snapshot, name, parse, stop)


def _gguf_piece(snapshot: Snapshot, stop: Event, name: str) -> gguf.Piece:
    where = snapshot.where(name)

    def parse(file: BinaryIO, size: int | None) -> gguf.Piece:
        held = file.seek(0, SEEK_END)
        if not held:
            raise InputError("the file is empty", file=where)
        try:
            with mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
                return gguf.parse(mapped, size, name, where)
        except NeedsMore as more:
            # It says what the next value needs; asking for no more than that would be thousands of requests.
            enough = min(max(GGUF_BYTES, 2 * held), MAX_HEADER_BYTES)
            raise NeedsMore(max(more.at_least, enough)) from more

    return read_beginning(snapshot, name, parse, stop)
