"""`check --init`: a commented budget file with today's figures as limits."""

import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from moecalc.api.checking import located
from moecalc.api.loading import load
from moecalc.api.measuring import Measuring
from moecalc.checks.budgets.file import NAMES
from moecalc.checks.budgets.measure import FRIENDLY, Settings
from moecalc.errors import InputError, MoecalcError
from moecalc.specs.data_version import DATA_VERSION
from moecalc.units import format_bytes_binary, format_flops, format_int, format_parameters

LIMITED = ("total", "active", "weights", "vram", "kv/token", "flops/token")
"""What is limited at first: figures that are exact or follow from a convention."""

MOST_FOUND = 100
"""Configs that are taken up where no model is named."""

_LIMIT_COLUMNS = 38
"""Of a limit of a terabyte, spelt out; its comment stands behind."""

DEEPEST = 6
"""Directories below the working directory that are looked through."""

_SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages", "venv", "build", "dist"})

_HEAD = """\
# Limits on what models take. `moecalc check` holds them and fails where one is broken.
#
# A limit is an amount (`<= 24 GiB`) or, against a base, a change (`<= +5%`, `<= +1 GiB`):
#   moecalc check --base origin/main
# With `{{fail: <= 24 GiB, warn: <= 22 GiB}}` it warns first. YAML wants a leading `>` in quotes: `">= 40 tok/s"`.
# What is measured is a name below, or any line id of `moecalc show --json`, with settings behind an `@`:
#   vram@32k    weights@q4_k_m    flops/token@8k    state@32k,batch=16,kv=fp8

version: 1
# runtime: 1 GiB  # what `vram` allows a runtime beside weights and state
# base: origin/main  # compared with unless --base says otherwise

# Speed, cost and `fits` are estimates. Budgets on them name the data they were set against, so that newer data
# warns instead of failing:
# data_version: {data_version}
#   fits@q4_k_m,32k: 1xrtx-4090
#   decode tok/s@8xh100: ">= 40 tok/s"
#   cost/Mtok@8xh100: <= $2.50

models:
"""


def write_first(config: str | None, models: Sequence[str]) -> str:
    """Write the file, and return what to say.

    Raises InputError where it exists already, where no model is named or found, and for what is wrong with one.
    """
    path = Path(config or NAMES[0])
    if path.exists() or path.is_symlink():
        raise InputError(f"`{path}` exists, and is not overwritten", hint="name another with `-c FILE`")
    if path.suffix not in {".yaml", ".yml"}:
        raise InputError(f"`{path}` is no YAML file", hint="`-c moecalc.yaml`")
    chosen = [_from_folder(model, path.parent) for model in models] or list(_found(path.parent))
    if not chosen:
        raise InputError(
            "no model is named, and no config.json is found here",
            hint="`moecalc check --init path/to/config.json` or a catalogue name",
        )
    text = _HEAD.format(data_version=DATA_VERSION)
    for model in dict.fromkeys(chosen):
        text += "\n".join(_entry(model, path.parent)) + "\n"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"cannot write `{path}`: {reason}") from None
    count = len(dict.fromkeys(chosen))
    check = "moecalc check" if config is None else f"moecalc check -c {path}"
    return f"wrote {path} with limits on {count:,} model{'s' if count > 1 else ''}: `{check}` holds them"


def _entry(model: str, folder: Path) -> Iterator[str]:
    measuring = Measuring(load(located(model, folder)))
    yield f"  - model: {model}"
    yield "    limits:"
    any_known = False
    for name in LIMITED:
        figure = measuring.figure(FRIENDLY[name], Settings())
        if figure.value is None:
            yield f"      # {name}: {figure.why}"
            continue
        any_known = True
        now = f"{_rounded(figure.value, figure.unit)}; {figure.counted}"
        limit = f"{name}: <= {_spelt(figure.value, figure.unit)}"
        yield f"      {limit:{_LIMIT_COLUMNS}} # {now}"
    if not any_known:
        raise InputError(f"nothing is known of `{model}` that a limit could hold", hint="leave it out")


def _spelt(value: Fraction, unit: str) -> str:
    """The value as a limit that it just keeps: of what is not whole, the next whole number."""
    number = format_int(-(-value.numerator // value.denominator))
    return {"bytes": f"{number} B", "FLOPs": f"{number} F"}.get(unit, number)


def _rounded(value: Fraction, unit: str) -> str:
    if unit == "bytes":
        return format_bytes_binary(value)
    return format_flops(value) if unit == "FLOPs" else format_parameters(value)


def _from_folder(model: str, folder: Path) -> str:
    """A path as it is called from the file's folder; a name or hub id as it is."""
    if not Path(model).exists() or (located(model, Path()) == model and not Path(model).is_absolute()):
        return model
    if Path(model).is_absolute():
        return model
    return Path(os.path.relpath(model, folder)).as_posix()


def _found(folder: Path) -> Iterator[str]:
    """Every config.json below the folder that describes a model moecalc reads, as it is called from there."""
    found = 0
    for place, folders, files in os.walk(folder):
        depth = len(Path(place).relative_to(folder).parts)
        folders[:] = sorted(
            name for name in folders if depth < DEEPEST and name not in _SKIPPED and not name.startswith(".")
        )
        if "config.json" in files and found < MOST_FOUND:
            path = Path(place, "config.json")
            try:
                load(path)
            except MoecalcError:
                continue  # the config of something else
            found += 1
            yield path.relative_to(folder).as_posix()
