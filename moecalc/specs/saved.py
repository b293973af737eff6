"""Files of runs over a server or several devices: what was measured, under a version, in `moecalc profile --save`."""

import os
from pathlib import Path
from typing import Any

import msgspec

from moecalc.errors import InputError
from moecalc.specs.endpoint_run import EndpointRun
from moecalc.specs.ranks_run import RanksRun

ENDPOINT_SCHEMA = "moecalc/endpoint-run/1"
RANKS_SCHEMA = "moecalc/ranks-run/1"

WORDS = {ENDPOINT_SCHEMA: "a served model's", RANKS_SCHEMA: "several devices'"}
"""Whose run a file of that schema is, for those who read runs of one device."""

_SCHEMAS: dict[type[Any], str] = {EndpointRun: ENDPOINT_SCHEMA, RanksRun: RANKS_SCHEMA}


class _Versioned(msgspec.Struct, frozen=True):
    schema: str


def encode(run: EndpointRun | RanksRun, moecalc: str) -> bytes:
    """The text of the file; `moecalc` is the version that measured."""
    made = {"schema": _SCHEMAS[type(run)], "moecalc": moecalc, **msgspec.to_builtins(run)}
    return msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n"


def write(path: str | os.PathLike[str], run: EndpointRun | RanksRun, moecalc: str) -> None:
    """Store a run. Raises InputError where it cannot be written."""
    try:
        Path(path).write_bytes(encode(run, moecalc))
    except OSError as error:
        raise InputError(
            f"cannot write run file: {error.strerror}", hint="name a file in a folder that exists"
        ).at(str(path)) from None


def schema_of(content: bytes) -> str | None:
    """What a file says it is; None where it says nothing that can be read."""
    try:
        return msgspec.json.decode(content, type=_Versioned).schema
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
