"""`moecalc design`: widths, the four formats of one answer, what is exported, and errors as people see them."""

import csv
import io
import json

import jsonschema
import pytest

from tests.console import ROOT, run

THREE = (
    "moecalc design --like qwen3-30b-a3b --active 3B --total 30B --hidden 2048..4096 --experts 32..512 --top-k 4..16 "
    "--expert-width 512..2048 --context 128k --vram 80GB"
)
LATENT = (
    "moecalc design --like deepseek-v3 --active 10B..15B --hidden 4096..7168/512 --layers 40..60/4 --experts 64..256 "
    "--top-k 4,8 --shared 0,1 --gpu 8xh200 --context 32k"
)
GRANULAR = (
    "moecalc design --like mixtral-8x7b --granularity 1..16 --experts 8..128 --top-k 2..16 --gpu h100 "
    "--hidden 2048..4096/512 --layers 24..40/4 --heads 16,32 --kv-heads 4,8"
)
NOTHING = "moecalc design --like mixtral-8x7b --experts 8..128 --active 100M"


@pytest.mark.parametrize("command", [THREE, LATENT, GRANULAR, NOTHING])
@pytest.mark.parametrize("columns", [80, 120])
def test_it_keeps_to_the_width(command, columns):
    done = run(command, columns)
    assert done.returncode == (command == NOTHING), done.stderr
    assert not done.stderr
    assert not [line for line in done.stdout.splitlines() if len(line) > columns]
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("command", [THREE, LATENT, GRANULAR, NOTHING])
def test_json_satisfies_the_schema(command):
    schema = json.loads((ROOT / "moecalc" / "render" / "report.schema.json").read_text(encoding="utf-8"))
    answer = json.loads(run(f"{command} --json").stdout)
    jsonschema.Draft202012Validator(schema).validate(answer)
    design = answer["design"]
    outside = sum(design["outside_budgets"].values()) + sum(design["broken_rules"].values())
    assert design["within"] + outside == design["combinations"]
    assert bool(design["frontier"]) == bool(design["within"]) == (command != NOTHING)


def test_json_csv_markdown_and_text_say_the_same():
    answer = json.loads(run(f"{LATENT} --json").stdout)["design"]
    rows = list(csv.DictReader(io.StringIO(run(f"{LATENT} --csv").stdout)))
    assert [{key: str(value) for key, value in row.items()} for row in answer["frontier"]] == rows
    markdown = run(f"{LATENT} --markdown").stdout
    text = run(LATENT, 120).stdout
    for row in answer["frontier"]:
        active = f"{row['params.active.all'] / 10**9:.2f} B"
        assert active in markdown
        assert active in text


def test_csv_has_its_header_where_nothing_is_found():
    done = run(f"{NOTHING} --csv")
    assert done.returncode == 1
    assert (
        done.stdout
        == "number,experts,params.total,params.active.all,weights.bytes,state.bytes,budget.vram_bytes\n"
    )


def test_the_nearest_miss_is_said():
    done = run(NOTHING, 120)
    assert "Nearest: experts 8: active 12.88 B, 123x 95.00 M to 105.00 M." in done.stdout
    near = run("moecalc design --like qwen3-30b-a3b --experts 64..128 --total '<=16B'", 120)
    assert near.returncode == 1
    assert "Nearest: experts 64: total 16.03 B, 0.19% over at most 16.00 B." in near.stdout


def test_without_devices_it_says_what_devices_add():
    command = "moecalc design --like mixtral-8x7b --experts 4,8"
    assert "`--gpu h100` adds them" in run(command, 120).stdout
    assert "adds them" not in run(f"{command} --gpu h200", 120).stdout


@pytest.mark.parametrize("row", [1, 2])
def test_an_exported_row_shows_the_same_numbers(row, tmp_path):
    file = tmp_path / "mine.yaml"
    done = run(f"{THREE} --json --export {row} {file}")
    assert done.returncode == 0, done.stderr
    design = json.loads(done.stdout)["design"]["frontier"][row - 1]
    shown = json.loads(run(f"moecalc show {file} --context 128k --json").stdout)
    lines = {line["id"]: line["value"] for line in shown["models"][0]["lines"]}
    for name in ("params.total", "params.active.all", "weights.bytes", "state.bytes"):
        assert design[name] == lines[name]
    assert not shown["warnings"]


def test_the_speed_is_that_of_moecalc_speed(tmp_path):
    command = (
        "moecalc design --like mixtral-8x7b --experts 4,8 --hidden 2048 --gpu 1xh200 --context 8k --batch 4"
    )
    file = tmp_path / "mine.yaml"
    design = json.loads(run(f"{command} --json --export 1 {file}").stdout)["design"]["frontier"][0]
    answer = json.loads(run(f"moecalc speed {file} --gpu h200 --context 8k --batch 4 --json").stdout)
    lines = {line["id"]: line["value"] for line in answer["models"][0]["lines"]}
    line = "speed.decode.ceiling_tokens_per_second"
    assert design[line] == lines[line]


def test_an_export_to_stdout_is_the_spec_alone():
    done = run(f"{THREE} --export 1 -")
    assert done.returncode == 0
    assert done.stdout.startswith("name: qwen3-30b-a3b-design-1\n")


def test_nothing_is_overwritten(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("precious", encoding="utf-8")
    done = run(f"{THREE} --export 1 {file}")
    assert done.returncode == 2
    assert "exists already" in done.stderr
    assert file.read_text(encoding="utf-8") == "precious"


def test_the_best_in_one_objective_can_come_first():
    designs = json.loads(run(f"{GRANULAR} --sort speed --json").stdout)["design"]["frontier"]
    speeds = [row["speed.decode.ceiling_tokens_per_second"] for row in designs]
    assert speeds == sorted(speeds, reverse=True)
    assert [row["number"] for row in designs] == list(range(1, len(designs) + 1))


def test_an_objective_can_be_turned_round():
    command = "moecalc design --like mixtral-8x7b --experts 8..64 --pareto"
    least = json.loads(run(f"{command} active,total:min --json").stdout)["design"]
    assert [row["experts"] for row in least["frontier"]] == [8]
    most = json.loads(run(f"{command} total --json").stdout)["design"]
    assert [row["experts"] for row in most["frontier"]] == [64]


LIKE = "--like mixtral-8x7b --experts 8..16"


@pytest.mark.parametrize(
    ("options", "words", "code"),
    [
        ("--experts 8", "no family to design in", 2),
        ("--like mixtral-8x7b", "nothing of `mixtral-8x7b` varies", 2),
        ("--like gpt-4 --experts 8", "no known architecture", 3),
        ("--like mixtrl-8x7b --experts 8", "did you mean", 2),
        ("--like deepseek-v3 --kv-heads 8", "no key-value heads to vary", 2),
        ("--like mimo-v2-flash --kv-heads 8", "has several: 4, 8", 2),
        ("--like llama-13b --experts 8", "no routed experts to vary", 2),
        ("--like longcat-flash --experts 8", "256 that compute nothing", 2),
        (f"{LIKE} --quant q4_k_m", "another mixture", 2),
        (f"{LIKE} --quant awq", "do not fill its groups", 2),
        (f"{LIKE} --quant fp9", "unknown quantization", 2),
        (f"{LIKE} --hidden 2880", "no multiple of 128", 2),
        (f"{LIKE} --hidden 64 --multiple 0", "`--multiple` is 0", 2),
        (f"{LIKE} --head-dim 100", "multiples of 8 up to 256", 2),
        (f"{LIKE} --top-k 4..2", "ends before it begins", 2),
        (f"{LIKE} --top-k two", "is no size", 2),
        (f"{LIKE} --hidden 64..65536/64 --layers 1..5000 --multiple 64", "10,240,000 combinations", 2),
        (f"{LIKE} --granularity 4 --expert-width 512", "both say how wide", 2),
        (f"{LIKE} --active 3", "less than any model has", 2),
        (f"{LIKE} --active 3X", "not a number of parameters", 2),
        (f"{LIKE} --active 4B..3B", "ends before it begins", 2),
        (f"{LIKE} --vram 80", "has no unit", 2),
        (f"{LIKE} --active 3B --tolerance 120%", "no share from 0 to 1", 2),
        (f"{LIKE} --active 3B --tolerance 1e999999999", "no share from 0 to 1", 2),
        (f"{LIKE} --pareto speed", "needs devices", 2),
        (f"{LIKE} --pareto actve", "did you mean `active`", 2),
        (f"{LIKE} --pareto kv,kv", "twice", 2),
        (f"{LIKE} --sort speed", "no objective of this search", 2),
        (f"{LIKE} --gpu h100,h200", "several kinds", 2),
        (f"{LIKE} --gpu h1000", "unknown accelerator", 2),
        (f"{LIKE} --export 9 /nowhere/x.yaml", "there is no design 9", 2),
        (f"{LIKE} --export 1 /nowhere/x.yaml", "cannot write", 2),
        (f"{LIKE} --batch 0", "`batch` is 0", 2),
        (f"{LIKE} --json --csv", "exclude each other", 2),
    ],
)
def test_bad_input_is_one_error_that_names_the_rule(options, words, code):
    done = run(f"moecalc design {options}")
    assert done.returncode == code
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert "\nhint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_what_breaks_a_rule_is_counted():
    done = run("moecalc design --like deepseek-v3 --experts 60,64 --top-k 8 --layers 3,4", 120)
    assert done.returncode == 0
    assert "the 8 groups of experts are equal: 2" in done.stdout
    assert "whole repeats of 1 layers behind the first 3: 1" in done.stdout
