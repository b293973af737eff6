"""A budget file as it is written, and its JSON Schema."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

SCHEMA_FILE = "moecalc.schema.json"
"""The JSON Schema of a budget file, beside this module."""


Text = str | int | float
"""What may be written without quotes: `4096`, `24 GiB`."""


class Tiers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A limit that fails, one that only warns, or both."""

    fail: Text | None = None
    warn: Text | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model with its limits, and the settings that hold for all of them unless a limit has its own."""

    model: str
    """A path (from the budget file), a catalogue name or a hub id."""
    limits: Annotated[dict[str, Text | Tiers], Meta(min_length=1)]
    """What is measured -> its limit: `<= 24 GiB`, `">= 40"`, `<= +5%` against the base."""
    name: str | None = None
    """What it is called in the answer; the model itself unless given."""
    context: Text | None = None
    prompt: Text | None = None
    batch: Annotated[int, Meta(ge=1)] | None = None
    quant: str | None = None
    kv_dtype: str | None = None
    gpu: str | None = None
    """Devices for speed and cost, `8xh100`; `fits` names its own."""


class BudgetFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it, as it was written."""

    models: Annotated[list[Entry], Meta(min_length=1)]
    version: int = 1
    base: str | None = None
    """A git revision, or a file of `check --format json` (from the budget file), unless `--base` says otherwise."""
    data_version: str | None = None
    """The data that budgets on estimates were set against: a newer one warns instead of failing."""
    runtime: str | None = None
    """What `vram` allows a runtime beside weights and state, e.g. `1 GiB`; nothing unless said."""


def schema() -> Mapping[str, object]:
    """The JSON Schema of a budget file, for editors."""
    generated = msgspec.json.schema(BudgetFile)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "moecalc budgets",
        **generated,
    }
