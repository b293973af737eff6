"""The JSON Schemas of budget files and of checks are those of the code, and files satisfy them."""

import json

import jsonschema
import pytest

from moecalc.api.differing import diff
from tests.console import ROOT
from tests.regenerate import budget_schema_text, check_schema_text

BUDGETS = ROOT / "moecalc" / "checks" / "budgets" / "moecalc.schema.json"
DIFF = ROOT / "moecalc" / "render" / "diff.schema.json"
CHECK = ROOT / "moecalc" / "render" / "budgets" / "check.schema.json"


@pytest.mark.parametrize(("path", "text"), [(BUDGETS, budget_schema_text()), (CHECK, check_schema_text())])
def test_the_schemas_are_current(path, text):
    jsonschema.Draft202012Validator.check_schema(json.loads(text))
    assert path.read_text(encoding="utf-8") == text, "if intended: python -m tests.regenerate"


@pytest.mark.parametrize(
    "file",
    [
        {},
        {"models": []},
        {"models": [{"model": "a"}]},
        {"models": [{"model": "a", "limits": {}}]},
        {"models": [{"model": "a", "limits": {"total": {"fial": "5B"}}}]},
        {"models": [{"model": "a", "limits": {"total": "5B"}, "contxt": "4k"}]},
        {"models": [{"model": "a", "limits": {"total": "5B"}, "batch": 0}]},
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(file):
    assert not jsonschema.Draft202012Validator(json.loads(budget_schema_text())).is_valid(file)


@pytest.mark.parametrize(
    "pair", [("mixtral-8x7b", "mixtral-8x22b"), ("gpt-4", "deepseek-v3"), ("mixtral", "mixtral-8x7b")]
)
def test_a_difference_satisfies_its_schema(pair):
    schema = json.loads(DIFF.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    answer = json.loads(json.dumps(diff(*pair).to_dict()))
    jsonschema.Draft202012Validator(schema).validate(answer)
    answer["same_lines"] = "many"
    assert not jsonschema.Draft202012Validator(schema).is_valid(answer)
