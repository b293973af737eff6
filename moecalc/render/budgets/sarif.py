"""`check` as SARIF 2.1.0, for code scanning: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html."""

import json
from typing import Any
from urllib.parse import quote

from moecalc.checks.budgets.outcome import Checked, Outcome
from moecalc.render.budgets.words import details, held

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

LEVELS = {"fail": "error", "undetermined": "error", "warn": "warning", "new": "note"}


def check_sarif(checked: Checked, path: str, version: str) -> str:
    """One result for each limit that is not kept; `path` is from the repository's root."""
    found = [one for one in checked.outcomes if one.status in LEVELS]
    rules = list(dict.fromkeys(one.figure.line for one in checked.outcomes))
    run = {
        "tool": {
            "driver": {
                "name": "moecalc",
                "version": version,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {"executionSuccessful": not checked.of("undetermined"), "exitCode": checked.exit_code}
        ],
        "results": [_result(one, path, rules) for one in found],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


def _rule(line: str) -> dict[str, Any]:
    return {
        "id": f"budget/{line}",
        "shortDescription": {"text": f"`{line}` within its limit"},
        "defaultConfiguration": {"level": "error"},
    }


def _result(outcome: Outcome, path: str, rules: list[str]) -> dict[str, Any]:
    text = "; ".join([f"{outcome.model}: {outcome.name}: {held(outcome)}", *details(outcome)])
    return {
        "ruleId": f"budget/{outcome.figure.line}",
        "ruleIndex": rules.index(outcome.figure.line),
        "level": LEVELS[outcome.status],
        "message": {"text": text},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(path), "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": outcome.line},
                }
            }
        ],
        # The same limit on the same model is the same alert, wherever in the file it moves.
        "partialFingerprints": {"budget/v1": f"{outcome.model}/{outcome.name}/{outcome.limit}"},
    }
