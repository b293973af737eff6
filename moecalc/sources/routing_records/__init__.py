"""Readers of expert loads and router choices: CSV, JSON, npy, npz, and what vLLM and SGLang write."""

from pathlib import Path

from moecalc.errors import InputError
from moecalc.sources.routing_records.fields import recording_of
from moecalc.specs.recordings import Recording

SUFFIXES = (".csv", ".json", ".jsonl", ".npy", ".npz", ".pt", ".pth")


def read_recording(path: str | Path, experts: int | None = None) -> Recording:
    """The recording in a file; `experts` of a layer where the model is known, else as many as the file shows.

    Arrays of choices are mapped, not read: 10^8 of them take no memory. Raises InputError for what cannot be read,
    contradicts itself, or is of no shape that a recording has.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(
            f"`{file}` is no recording that can be read",
            hint=f"name a file that ends in {', '.join(SUFFIXES)}: docs/routing.md shows what is in them",
        )
    if not file.is_file():
        raise InputError(f"no file `{file}`", hint="name a recording of router choices or expert loads")
    try:
        return recording_of(_fields(file, suffix), str(file), experts)
    except OSError as error:
        raise InputError(f"cannot read `{file}`: {(error.strerror or str(error)).lower()}") from None
    except InputError as error:
        raise error.at(str(file)) from None


def _fields(file: Path, suffix: str) -> dict[str, object]:
    """The file's arrays by the names of `fields.py`; each reader is imported where its file is met."""
    if suffix == ".csv":
        from moecalc.sources.routing_records.csv_file import read_csv

        return read_csv(file)
    if suffix in (".json", ".jsonl"):
        from moecalc.sources.routing_records.json_file import read_json

        return read_json(file)
    if suffix in (".npy", ".npz"):
        from moecalc.sources.routing_records.arrays import read_npy, read_npz

        return read_npy(file) if suffix == ".npy" else read_npz(file)
    from moecalc.sources.routing_records.torch_file import read_torch

    return read_torch(file)
