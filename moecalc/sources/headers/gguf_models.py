"""The models in a place that holds GGUF files, a repository or a directory: which files make up each, one picked."""

import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import PurePosixPath

import msgspec

from moecalc.errors import InputError, did_you_mean
from moecalc.sources.headers import gguf
from moecalc.sources.headers.faults import some
from moecalc.units import format_bytes_decimal

TOWER, MATRIX = "mmproj", "imatrix"
"""In the names of files that belong to a model and are none: vision projectors, importance matrices."""

_SHOWN = 60


class Place(msgspec.Struct, frozen=True):
    """A repository or a directory, by the name that people type, and its files."""

    name: str
    files: Mapping[str, int | None]
    """Bytes of each file; None where nobody says."""

    def where(self, file: str) -> str:
        """A file of the place, as it can be typed."""
        return f"{self.name}:{file}"


class StoredModel(msgspec.Struct, frozen=True):
    """One model of the place."""

    file: str
    """Its first part, or the only one."""
    parts: int
    size: int | None
    """Bytes of all parts; None where one is not known."""


def stored_models(place: Place) -> list[StoredModel]:
    """All models, the smallest first."""
    parts: dict[str, list[str]] = {}
    for name in place.files:
        path = PurePosixPath(name)
        if path.suffix == gguf.SUFFIX and TOWER not in path.name.lower() and not path.name.startswith(MATRIX):
            parts.setdefault(_first_part(name), []).append(name)
    made = []
    for first, names in parts.items():
        sizes = [place.files[name] for name in names]
        known = [size for size in sizes if size is not None]
        made.append(StoredModel(first, len(names), sum(known) if len(known) == len(sizes) else None))
    return sorted(made, key=lambda model: (model.size or 0, model.file))


def pick(place: Place, wanted: str) -> str:
    """The file that is meant by its name, or by the quantization in its name (`Q4_K_M`).

    Raises InputError where none or several are.
    """
    if wanted in place.files:
        return _first_part(wanted) if wanted.endswith(gguf.SUFFIX) else wanted
    models = stored_models(place)
    word = re.compile(rf"(?:^|[-./]){re.escape(wanted)}(?:[-./]|$)", re.IGNORECASE)
    meant = [model.file for model in models if word.search(model.file)]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise InputError(
            f"`{wanted}` means {len(meant)} files of `{place.name}`: {', '.join(f'`{m}`' for m in meant[:5])}",
            hint=f"name one of them: `{place.where(meant[0])}`",
        )
    held = [model.file for model in models] or sorted(place.files)
    near = did_you_mean(wanted, held)
    hint = f"did you mean {', '.join(f'`{name}`' for name in near)}?" if near else f"it has {some(held)}"
    raise InputError(
        f"`{place.name}` has no file `{wanted}`",
        hint=hint if held else "it has no files that a model could be read from",
    )


def several(
    place: Place, models: Sequence[StoredModel], parameters: Callable[[StoredModel], int | None], whose: str
) -> InputError:
    """The error that lists the models of a place, of which one has to be picked.

    `parameters` are those of one model, None where they are not known; `whose` says where they come from.
    """
    counts = [parameters(model) for model in models[:_SHOWN]]
    rows = [
        (
            f"{model.file} ({model.parts} parts)" if model.parts > 1 else model.file,
            "-" if model.size is None else format_bytes_decimal(model.size),
            _bits_per_weight(model, count),
        )
        for model, count in zip(models, counts, strict=False)
    ]
    name, size, bits = (max(len(row[column]) for row in [*rows, _HEAD]) for column in range(3))
    lines = [f"  {row[0]:{name}}  {row[1]:>{size}}  {row[2]:>{bits}}".rstrip() for row in [_HEAD, *rows]]
    if len(models) > _SHOWN:
        lines.append(f"  and {len(models) - _SHOWN:,} more")
    if any(counts):
        lines += ["", f"bits per weight are of {whose}"]
    without = "" if "config.json" in place.files else " and no config"
    return InputError(
        f"`{place.name}` has {len(models)} models{without}\n\n" + "\n".join(lines),
        hint=f"pick one, by its file or the quantization in its name: `moecalc show {place.where(models[0].file)}`",
    )


_HEAD = ("file", "size", "bits per weight")


def _bits_per_weight(model: StoredModel, parameters: int | None) -> str:
    if not parameters or model.size is None:
        return "-"
    return f"{float(Fraction(8 * model.size, parameters)):.2f}"


def _first_part(name: str) -> str:
    path = PurePosixPath(name)
    try:
        first: str = gguf.part_names(path.name)[0]
    except InputError:  # a number beyond its count: no part of anything, and said so when it is picked
        return name
    return path.with_name(first).as_posix()
