"""Rewrite everything in the repository that a program can write: `python -m tests.regenerate`.

Read the difference before committing it: the tests hold these files to the code, and you hold the code.
"""

import datetime as dt
import json
import re

from moecalc.checks.budgets import record
from moecalc.checks.budgets import written as budget_file
from moecalc.sources.spec import schema
from moecalc.specs import data_version
from tests.cli.commands import GOLDEN
from tests.console import ROOT, rewritten, transcript
from tests.docs import accuracy, active_conventions, counted_flops, measured_runs, measurements, model_types


def schema_text() -> str:
    """The JSON Schema of a catalogue file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def budget_schema_text() -> str:
    """The JSON Schema of a budget file."""
    return json.dumps(budget_file.schema(), indent=2, ensure_ascii=False) + "\n"


def check_schema_text() -> str:
    """The JSON Schema of what `check --format json` answers."""
    return json.dumps(record.schema(), indent=2, ensure_ascii=False) + "\n"


def renewed_data_version(source: str, digest: str, today: dt.date) -> str:
    """The text of `data_version.py` for files of that digest: a new version where it is another, else as it was."""
    known = dict(re.findall(r'^(DATA_VERSION|DATA_DIGEST) = "([^"]+)"', source, re.MULTILINE))
    if known["DATA_DIGEST"] == digest:
        return source
    day, _, number = known["DATA_VERSION"].partition(".")
    version = f"{day}.{int(number or 1) + 1}" if day == today.isoformat() else today.isoformat()
    source = source.replace(f'"{known["DATA_VERSION"]}"', f'"{version}"')
    return source.replace(f'"{known["DATA_DIGEST"]}"', f'"{digest}"')


def main() -> None:
    """Write schemas, the data version, golden transcripts, the outputs in the README, and the tables under `docs/`."""
    (ROOT / "architectures" / "model.schema.json").write_text(schema_text(), encoding="utf-8")
    (ROOT / "moecalc" / "checks" / "budgets" / budget_file.SCHEMA_FILE).write_text(
        budget_schema_text(), encoding="utf-8"
    )
    (ROOT / "moecalc" / "render" / "budgets" / "check.schema.json").write_text(
        check_schema_text(), encoding="utf-8"
    )
    versioned = ROOT / "moecalc" / "specs" / "data_version.py"
    source = versioned.read_text(encoding="utf-8")
    today = dt.datetime.now(dt.UTC).date()
    versioned.write_text(renewed_data_version(source, data_version.data_digest(), today), encoding="utf-8")
    folder = ROOT / "tests" / "cli" / "golden"
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.txt"):
        if path.stem not in GOLDEN:
            path.unlink()
    for name, (command, columns) in GOLDEN.items():
        (folder / f"{name}.txt").write_text(transcript(command, columns), encoding="utf-8")
    counted_flops.PAGE.parent.mkdir(exist_ok=True)
    counted_flops.PAGE.write_text(counted_flops.page(), encoding="utf-8")
    model_types.PAGE.write_text(model_types.page(), encoding="utf-8")
    accuracy.PAGE.write_text(accuracy.page(), encoding="utf-8")
    active_conventions.PAGE.write_text(active_conventions.page(), encoding="utf-8")
    measurements.PAGE.write_text(measurements.page(), encoding="utf-8")
    readme = ROOT / "README.md"
    text = measured_runs.rewritten_runs(readme.read_text(encoding="utf-8"))
    readme.write_text(rewritten(text), encoding="utf-8")


if __name__ == "__main__":
    main()
