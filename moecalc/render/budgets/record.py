"""`check` as JSON: what programs read, and what a later check takes as its base."""

import msgspec

from moecalc.checks.budgets.outcome import Checked
from moecalc.checks.budgets.record import Source, record


def check_json(checked: Checked, sources: dict[str, Source | None]) -> str:
    """The record as indented JSON; its schema is `check.schema.json` beside this file."""
    return msgspec.json.format(msgspec.json.encode(record(checked, sources)), indent=2).decode()
