"""`moecalc speed` as typed: its lines, exit codes, bad input, widths."""

import json
import re

import jsonschema
import pytest

from tests.console import ROOT, run

REPORT = json.loads((ROOT / "moecalc" / "render" / "report.schema.json").read_text(encoding="utf-8"))
LINES = [
    "speed.decode.ceiling_tokens_per_second",
    "speed.decode.ceiling_tokens_per_second_per_user",
    "speed.decode.unconditional_tokens_per_second",
    "speed.decode.step_seconds",
    "speed.decode.expected_tokens_per_second",
    "speed.decode.expected_low",
    "speed.decode.expected_high",
    "speed.prefill.ceiling_tokens_per_second",
    "speed.prefill.expected_tokens_per_second",
    "speed.ttft_seconds",
    "speed.expected_ttft_seconds",
    "speed.loaded_ttft_seconds",
    "experts.touched_share",
]
COMMANDS = {
    "batch": "deepseek-v3 --gpu 8xh200 --batch 16 --measured 111tok/s --speculate 1 --accept 0.85",
    "dense": "llama-3.1-8b --gpu h100",
    "unified": "gpt-oss-120b --gpu m3-max",
    "layers": "llama-3.1-70b --quant q4_k_m --gpu 'rtx-4090 + rtx-3090'",
    "offload": "qwen3-30b-a3b --quant q4_k_m --vram 12GiB --bandwidth 504GB/s --ram 32GiB --ram-bandwidth 80GB/s",
    "no-fit": "mixtral-8x7b --gpu h100",
    "sweep": "llama-3.1-8b --gpu h100 --batch 1..64",
    "speculate": "deepseek-v3 --gpu 8xh200 --batch 1,32,512 --speculate 1 --accept 0.85",
    "slo": "llama-3.1-8b --gpu h100,h200 --slo ttft<1s,tpot<20ms",
    "missed": "llama-3.1-8b --gpu h100 --slo tpot<0.1ms",
}


def typed(name):
    return f"moecalc speed {COMMANDS[name]}".replace("ttft<1s,tpot<20ms", "'ttft<1s,tpot<20ms'").replace(
        "tpot<0.1ms", "'tpot<0.1ms'"
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_json_has_the_form_of_its_schema(name):
    done = run(f"{typed(name)} --json")
    assert done.returncode == 0, done.stderr
    jsonschema.Draft202012Validator(REPORT).validate(json.loads(done.stdout))


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("name", COMMANDS)
def test_text_keeps_to_its_width(name, columns):
    done = run(typed(name), columns)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= columns


@pytest.mark.parametrize("name", COMMANDS)
def test_markdown_has_tables(name):
    done = run(f"{typed(name)} --markdown")
    assert done.returncode == 0, done.stderr
    assert "| ---" in done.stdout


def test_an_unknown_limit_has_a_whole_hint():
    done = run("moecalc speed llama-3.1-8b --gpu h100 --slo 'foo<1s'")
    assert done.returncode == 2
    assert "None" not in done.stderr


def test_what_does_not_fit_is_said_first():
    done = run("moecalc speed llama-3.1-70b --gpu h100")
    assert done.stdout.splitlines()[1].startswith("does not fit")


def test_expectations_and_their_footnotes_stay_at_any_width():
    for columns in (60, 80, 120):
        said = run("moecalc speed deepseek-v3 --gpu 8xh200 --batch 1..64", columns).stdout
        assert "per user   expected" in said
        assert "expected: fitted" in said


def test_a_table_without_expectations_has_no_footnote_of_them():
    said = run("moecalc speed llama-3.1-8b --gpu mi300x --batch 1..64", 120).stdout
    assert "per user" in said
    assert "expected" not in said


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_picks_stand_marked_in_the_table(columns):
    said = run("moecalc speed llama-3.1-70b --quant fp8 --gpu h200,mi300x --slo 'ttft<1s,tpot<30ms'", columns)
    rows = said.stdout.splitlines()
    (expected,) = (row for row in rows if row.endswith("  expected"))
    (ceiling,) = (row for row in rows if row.endswith("  ceiling"))
    whole = " ".join(said.stdout.split())
    for row, words in ((expected, "as expected, the cheapest"), (ceiling, "at the ceiling, the cheapest")):
        fleet, batch = whole.split(words)[1].split(": ", 1)[1].split(", ")[0], whole.split(words)[1]
        assert fleet in row
        assert f" {batch.split('batch ')[1].split(' ')[0]}  {fleet}" in row


def test_what_of_the_pick_is_not_held_is_said():
    said = run("moecalc speed llama-3.1-70b --quant fp8 --gpu h200,mi300x --slo 'ttft<300ms,tpot<30ms'")
    words = " ".join(said.stdout.split())
    assert "held against the limits: the middle of what is expected" in words
    assert "of the first token of a request alone" in words
    assert re.search(
        r"first token under load, \d+ at once: expected .* over the 300 ms of ttft by \d+%: not held under load; "
        r"half of such predictions were off by more than 78%",
        words,
    )
    assert "tpot may be missed: the high end of its interval" in words
    assert "mi300x is left out of what is expected: no expectation:" in words
    strict = run(
        "moecalc speed llama-3.1-70b --quant fp8 --gpu h200 --slo 'high:ttft<300ms,tpot<30ms'"
    ).stdout
    assert "may be missed" not in strict
    assert "the high end of the interval of a decode step" in " ".join(strict.split())
    assert "first token" not in run("moecalc speed llama-3.1-8b --gpu h100 --slo 'tpot<20ms'").stdout


@pytest.mark.parametrize(
    ("figure", "says"),
    [
        ("111tok/s", "uses 51.5% of the bandwidth"),
        ("400tok/s", "is faster than one token a step can be, and possible with this speculation"),
        ("900tok/s", "is impossible under this ceiling"),
    ],
)
def test_a_measured_figure_is_held_against_the_speculation_asked_about(figure, says):
    said = run(f"moecalc speed llama-3.1-8b --gpu h100 --speculate 3 --accept 0.7 --measured {figure}")
    assert says in " ".join(said.stdout.split())


def test_utilization_of_a_mixture_names_its_routing():
    said = run("moecalc speed gpt-oss-120b --gpu h100 --batch 32 --measured 111tok/s").stdout
    assert re.search(r"\(MBU under uniform routing; 1\.0\d% if all share experts\)", " ".join(said.split()))


def test_speculation_over_named_batches():
    done = run("moecalc speed deepseek-v3 --gpu 8xh200 --batch 1,32,512 --speculate 1 --accept 0.85", 80)
    rows = [line for line in done.stdout.splitlines() if line.startswith("batch ")]
    assert [row.split("  ")[0] for row in rows] == ["batch 1", "batch 32", "batch 512, does not fit"]
    assert "speculation: no expectation: no published measurement" in done.stdout
    two = run("moecalc speed deepseek-v3 --gpu h200,b200 --speculate 1 --accept 0.85")
    assert two.returncode == 2
    assert "one batch on one fleet" in two.stderr


def test_every_public_line_is_there():
    found = json.loads(run(f"{typed('batch')} --json").stdout)
    lines = {line["id"]: line for line in found["models"][0]["lines"]}
    assert list(lines) == LINES
    ceiling, step = lines[LINES[0]]["value"], lines["speed.decode.step_seconds"]["value"]
    assert ceiling == pytest.approx(16 / step, rel=1e-12)
    assert lines["speed.decode.unconditional_tokens_per_second"]["value"] > ceiling
    # of each token 8 of 256
    assert lines["experts.touched_share"]["value"] == pytest.approx(1 - (31 / 32) ** 16, rel=1e-9)


def test_what_is_not_known_is_null():
    found = json.loads(run(f"{typed('unified')} --json").stdout)
    lines = {line["id"]: line for line in found["models"][0]["lines"]}
    for name in ("speed.prefill.ceiling_tokens_per_second", "speed.ttft_seconds"):
        assert lines[name]["value"] is None
        assert "peaks" in lines[name]["note"]
    dense = json.loads(run(f"{typed('dense')} --json").stdout)
    assert "experts.touched_share" not in {line["id"] for line in dense["models"][0]["lines"]}


@pytest.mark.parametrize(("name", "code"), [("no-fit", 1), ("missed", 1), ("dense", 0), ("offload", 0)])
def test_require(name, code):
    assert run(f"{typed(name)} --require").returncode == code


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        ("", 2, "--gpu 8xh100"),
        ("--gpu h1000", 2, "did you mean"),
        ("--gpu h100, --slo 'ttft<1s'", 2, "a device is missing"),
        ("--gpu h100 --engine trt", 2, "engines:"),
        ("--gpu h100 --slo quick", 2, "is no limit"),
        ("--gpu h100 --batch -4", 2, "not a number of sequences"),
        ("--gpu h100 --batch 1..x", 2, "not a number of sequences"),
        ("--gpu h100 --context 0", 2, "too few tokens"),
        ("--gpu h100 --speculate 3", 2, "--accept 0.7"),
        ("--gpu h100 --speculate 3 --accept 1.2", 2, "from 0 to 1"),
        ("--gpu h100 --overlap 2", 2, "overlap"),
        ("--gpu h100 --measured fast", 2, "not a decode speed"),
        ("--gpu h100 --slo 'tpot<9ms' --measured 9ms", 2, "one batch on one fleet"),
        ("--gpu h100 --json --markdown", 2, "exclude each other"),
        ("--gpu 8xh100 --tp 4", 2, "is the number of devices"),
        ("--gpu 8xh100 --tp 4 --batch 1..4", 2, "is the number of devices"),
        ("--gpu h100 --ram 64GiB --batch 1..4", 2, "one batch on one fleet"),
        ("--gpu m3-max --slo 'ttft<1s'", 3, "`peaks`"),
        ("--vram 24GiB", 3, "bandwidth"),
    ],
)
def test_bad_input_is_one_error_with_a_hint(options, code, word):
    done = run(f"moecalc speed llama-3.1-8b {options}")
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert word in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_an_outline_has_no_speed():
    done = run("moecalc speed gpt-4 --gpu 8xh100")
    assert done.returncode == 3
    assert "no known architecture" in done.stderr


def test_compare_takes_a_quantization():
    done = run("moecalc compare qwen3-30b-a3b qwen3-32b --quant q4_k_m --gpu rtx-4090")
    assert done.returncode == 0, done.stderr
    assert "Q4_K_M" in done.stdout


def test_what_does_not_fit_is_short():
    """Where time goes on devices that cannot hold a model helps nobody; JSON keeps it."""
    text = run("moecalc speed deepseek-v3 --gpu h100").stdout
    assert "does not fit" in text.splitlines()[1]
    assert "routed experts" not in text
    assert "routed experts" in run("moecalc speed deepseek-v3 --gpu 8xh200").stdout
    found = json.loads(run("moecalc speed deepseek-v3 --gpu h100 --json").stdout)
    assert found["speed"]["fits"] is False
    assert found["speed"]["groups"]
