"""The JSON Schemas in the package are those of the code, and outputs and files satisfy them."""

import json

import jsonschema
import pytest

from moecalc import strict_yaml
from moecalc.sources import catalog
from tests.console import ROOT, run
from tests.regenerate import schema_text

REPORT = json.loads((ROOT / "moecalc" / "render" / "report.schema.json").read_text(encoding="utf-8"))


def test_the_catalogue_schema_is_current():
    text = (ROOT / "architectures" / "model.schema.json").read_text(encoding="utf-8")
    assert text == schema_text(), "if intended: python -m tests.regenerate"


def test_catalogue_files_satisfy_their_schema():
    schema = jsonschema.Draft202012Validator(json.loads(schema_text()))
    for path in catalog.files().values():
        schema.validate(strict_yaml.load(path).data)


@pytest.mark.parametrize(
    "command",
    [
        "show mixtral-8x7b",
        "show gpt-4",
        "show 70B-A12B:128x8",
        "show longcat-flash",
        "compare mixtral-8x7b llama-13b",
        "compare gpt-4 13B",
        "flops longcat-flash",
        "flops mistral-7b",
        "routing deepseek-v3 --batch 1..8 --ep 8 --gpu h100 --capacity-factor 1.25",
        "routing mixtral-8x7b --batch 4 --skew zipf:1",
        "claim 'GPT-4 on 8x h100, 30 tok/s per user'",
        "claim --catalogue",
    ],
)
def test_json_output_satisfies_the_report_schema(command):
    jsonschema.Draft202012Validator(REPORT).validate(json.loads(run(f"moecalc {command} --json").stdout))


def test_the_report_schema_refuses_what_it_should():
    answer = json.loads(run("moecalc show mixtral-8x7b --json").stdout)
    answer["models"][0]["lines"][0]["value"] = "46.7B"
    assert not jsonschema.Draft202012Validator(REPORT).is_valid(answer)
