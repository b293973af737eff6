"""`moecalc train`: widths, the three formats of one answer, and errors as people see them."""

import json

import jsonschema
import pytest

from tests.console import ROOT, run

PRETRAINING = (
    "moecalc train deepseek-v3 --tokens 14.8T --gpu 2048xh800 --pp 16 --ep 64 --precision fp8-deepseek "
    "--global-batch 60M --mfu 0.39"
)
PREDICTED = "moecalc train mixtral-8x7b --tokens 1T --gpu 64xh100 --tp 2 --ep 8 --recompute act --mfu predict"
ADAPTERS = "moecalc train llama-3.1-8b --tokens 100M --gpu h100 --lora r=16,target=all --quant nf4"


@pytest.mark.parametrize("command", [PRETRAINING, PREDICTED, ADAPTERS])
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_it_keeps_to_the_width(command, columns):
    done = run(command, columns)
    assert done.returncode == 0, done.stderr
    tables = [line for line in done.stdout.splitlines() if len(line) > columns]
    assert not tables
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("columns", [60, 80, 100, 120])
def test_the_notes_on_a_step_are_there_at_every_width(columns):
    words = " ".join(run(PREDICTED, columns).stdout.split())
    assert "hidden behind" in words
    assert "the fastest is 80% of it" in words
    assert "MFU" in words.split("the step")[1][:30]


def test_text_json_and_markdown_say_the_same():
    text = run(PRETRAINING, 120).stdout
    answer = json.loads(run(f"{PRETRAINING} --json").stdout)
    markdown = run(f"{PRETRAINING} --markdown").stdout
    lines = {line["id"]: line for line in answer["models"][0]["lines"]}
    hours = f"{lines['train.gpu_hours']['value']:,.0f}"
    assert hours in text
    assert hours in markdown
    total = f"{lines['train.memory.total']['value'] / 2**30:,.2f}"
    assert total in text
    assert total in markdown
    assert len(answer["train"]["stages"]) == 16
    assert answer["train"]["sizes"]["data"] == 128


@pytest.mark.parametrize("command", [PRETRAINING, PREDICTED, ADAPTERS])
def test_json_satisfies_the_schema(command):
    schema = json.loads((ROOT / "moecalc" / "render" / "report.schema.json").read_text(encoding="utf-8"))
    answer = json.loads(run(f"{command} --json").stdout)
    jsonschema.Draft202012Validator(schema).validate(answer)
    assert answer["train"]["stages"]


def test_the_price_comes_with_its_date():
    text = run(PREDICTED, 120).stdout
    assert "$2.95 per GPU-hour, Nebius, 2025-08-12" in text
    assert "TDP: an upper bound" in text


def test_an_estimate_says_how_far_it_may_be_off():
    answer = json.loads(run(f"{PREDICTED} --json").stdout)
    mfu = next(line for line in answer["models"][0]["lines"] if line["id"] == "train.mfu")
    assert mfu["low"] < mfu["value"] <= mfu["high"]
    assert mfu["basis"] == "estimate"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--gpu 8xh100", "no tokens to train on"),
        ("--tokens 1T", "no devices to train on"),
        ("--tokens 0 --gpu 8xh100", "`--tokens` is 0"),
        ("--tokens 1T --gpu 8xh100 --tp 3", "does not divide 8 devices"),
        ("--tokens 1T --gpu 64xh100 --pp 64", "more stages than 32 layers"),
        ("--tokens 1T --gpu 8xh100 --optimizer adm", "unknown optimizer `adm`"),
        ("--tokens 1T --gpu 8xh100 --mfu 40", "`--mfu` is 40"),
        ("--tokens 1T --gpu 8xh100 --stages 16,17", "stages"),
        ("--tokens 1T --gpu 8xh100 --attention slow", "'--attention'"),
    ],
)
def test_bad_input(options, said):
    done = run(f"moecalc train llama-3.1-8b {options}")
    assert done.returncode == 2
    assert said in done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout
