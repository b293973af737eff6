"""`moecalc scaling` at the command line: widths, JSON by its schema, the laws without a budget."""

import json

import jsonschema
import pytest

from moecalc.specs.scaling import law_names
from tests.console import ROOT, run

SCHEMA = json.loads((ROOT / "moecalc" / "render" / "report.schema.json").read_text(encoding="utf-8"))

ASKED = [
    "",
    "--compute 1e20",
    "--tokens 15T --extrapolate",
    "--compute 1e20 --axis granularity",
    "--compute 1e20 --axis experts",
    "--gpu-hours 1M --gpu h100 mixtral-8x7b llama-3.1-8b deepseek-v3",
]


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("options", ASKED)
def test_it_keeps_to_the_width(options, columns):
    answer = run(f"moecalc scaling {options}", columns)
    assert answer.returncode == 0, answer.stderr
    assert max(map(len, answer.stdout.splitlines())) <= columns


@pytest.mark.parametrize("options", ASKED)
def test_json_satisfies_the_schema(options):
    answer = json.loads(run(f"moecalc scaling {options} --json").stdout)
    jsonschema.Draft202012Validator(SCHEMA).validate(answer)
    assert answer["scaling"]["laws"]


def test_without_a_budget_every_law_is_listed_with_its_source():
    text = run("moecalc scaling").stdout
    for name in law_names():
        assert f"\n{name}\n" in f"\n{text}"
    assert text.count("arXiv") >= len(law_names())


def test_without_a_budget_models_are_an_error():
    answer = run("moecalc scaling mixtral-8x7b")
    assert answer.returncode == 2
    assert "no budget" in answer.stderr
