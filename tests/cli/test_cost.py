"""`moecalc cost` as typed: JSON by its schema, widths, bad input with its hint and exit code."""

import json
import re

import jsonschema
import pytest

from tests.console import ROOT, run

IDS = [
    "cost.output_usd_per_million_tokens",
    "cost.output_unconditional_usd_per_million_tokens",
    "cost.output_expected_usd_per_million_tokens",
    "cost.output_served_expected_usd_per_million_tokens",
    "cost.input_usd_per_million_tokens",
    "cost.input_unconditional_usd_per_million_tokens",
    "cost.input_expected_usd_per_million_tokens",
    "cost.request_usd",
    "cost.request_unconditional_usd",
    "cost.request_expected_usd",
    "cost.conversation_usd",
    "cost.conversation_unconditional_usd",
    "cost.conversation_expected_usd",
    "cost.request_apart_usd",
    "cost.request_apart_expected_usd",
    "cost.cached_usd_per_million_tokens",
    "cost.hold_usd_per_hour",
    "energy.output_watt_hours_per_million_tokens",
    "energy.output_grams_co2_per_million_tokens",
    "energy.input_watt_hours_per_million_tokens",
    "energy.input_grams_co2_per_million_tokens",
]
GPT_OSS = 'gpt-oss-120b --gpu 2xh100 --batch 64 --request "in=8k,out=1k,cached=70%,turns=5"'


def answer(command):
    done = run(f"moecalc cost {command} --json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_json_has_every_line_once_and_holds_to_the_schema():
    found = answer(f"{GPT_OSS} --carbon 400 --api")
    schema = json.loads((ROOT / "moecalc" / "render" / "report.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(found, schema)
    lines = {line["id"]: line for line in found["models"][0]["lines"]}
    assert list(lines) == IDS
    assert {line["basis"] for line in lines.values()} == {"estimate"}
    output = lines["cost.output_usd_per_million_tokens"]["value"]
    point = next(point for point in found["cost"]["curve"] if point["batch"] == 64)
    assert point["usd_per_million_tokens"]["ceiling"] == output
    # $2.95 x 2 per hour, 64 tokens a step
    assert output == pytest.approx(5.90 * point["step_seconds"]["ceiling"] / 3600 / 64 * 1e6, rel=1e-12)
    assert found["cost"]["usd_per_hour"] == "5.90"
    assert found["cost"]["api"]["package"].startswith("genai-prices ")
    assert all(offer["source"] for offer in found["cost"]["api"]["offers"])


def test_what_is_expected_has_an_interval_or_a_reason():
    for line in answer(GPT_OSS)["models"][0]["lines"]:
        if "_expected_" in line["id"]:
            if line["value"] is None:
                assert "no expectation" in line["note"]
            else:
                assert line["low"] <= line["value"] <= line["high"]
                assert line["note"]


def test_a_dense_model_has_no_routing_to_assume():
    found = answer("llama-3.1-8b --gpu h100 --batch 16")
    ids = [line["id"] for line in found["models"][0]["lines"]]
    assert not [name for name in ids if "unconditional" in name]
    text = run("moecalc cost llama-3.1-8b --gpu h100 --batch 16").stdout
    assert "expert" not in text


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("options", ["", "--pools 2 --api", "--api --busy 0.5 --carbon 400"])
def test_no_line_is_wider_than_the_terminal(columns, options):
    done = run(f"moecalc cost {GPT_OSS} {options}", columns)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= columns


def test_every_price_is_printed_with_its_date_and_source():
    text = run(f"moecalc cost {GPT_OSS} --api").stdout
    assert re.search(r"\$2\.95 per GPU-hour, Nebius, 2025-08-12 \(.*skypilot.*\)", " ".join(text.split()))
    assert re.search(r"genai-prices \d+\.\d+\.\d+: in force on \d{4}-\d\d-\d\d", text)


def test_markdown_has_the_same_figures():
    done = run(f"moecalc cost {GPT_OSS} --markdown --pools 2 --api")
    assert done.returncode == 0, done.stderr
    text = run(f"moecalc cost {GPT_OSS} --pools 2").stdout
    figure = re.search(r"^output +(\S+)", text, re.MULTILINE)[1]
    assert f"| output | {figure} |" in done.stdout


@pytest.mark.parametrize(
    ("command", "code", "message", "hint"),
    [
        ("mixtral-8x7b", 2, "no devices to pay for", "--gpu 8xh100"),
        ("mixtral-8x7b --gpu h100", 2, "does not fit h100-sxm", "moecalc fit mixtral-8x7b --gpu h100-sxm"),
        ("mixtral-8x7b --gpu 2xh100 --batch 100000", 2, "`--batch 100000` does not fit", "--batch "),
        ("mixtral-8x7b --gpu 2xh100 --price 0", 2, "`--price` is 0", "above 0"),
        ("mixtral-8x7b --gpu 2xh100 --price=-1", 2, "`--price` is -1", "above 0"),
        ("mixtral-8x7b --gpu 2xh100 --busy 60", 2, "`--utilization` is 60", "--utilization 0.6"),
        (
            "mixtral-8x7b --gpu 2xh100 --utilization 150%",
            2,
            "`--utilization` is 150%",
            "--utilization 0.6` or `60%",
        ),
        ("mixtral-8x7b --gpu 2xh100 --pue 0.9", 2, "`--pue` is 0.9", "at least 1"),
        ("mixtral-8x7b --gpu 2xh100 --host-power=-5W", 2, "`--host-power` is -5W", "not below 0"),
        ("mixtral-8x7b --gpu 2xh100 --hardware-price 3e4 --lifetime 0y", 2, "`--lifetime` is 0y", "above 0"),
        (
            "mixtral-8x7b --gpu 2xh100 --hardware-price 3e4 --lifetime -3",
            2,
            "`--lifetime -3` is not",
            "--lifetime 4y",
        ),
        (
            "mixtral-8x7b --gpu 2xh100 --hardware-price 3e4",
            2,
            "own hardware is",
            "--lifetime 4y` and `--electricity",
        ),
        ("mixtral-8x7b --gpu 2xh100 --kv-link 50GB/s", 2, "there is one", "--pools 2"),
        (f"{GPT_OSS} --pools 2 --kv-link 50Gb", 2, "50Gb", "bytes per second"),
        ("mixtral-8x7b --gpu 2xh100 --speculate 3", 2, "without an acceptance rate", "--accept 0.7"),
        ("mixtral-8x7b --gpu 2xh100 --overlap 2", 2, "overlap", "0"),
        ("mixtral-8x7b --gpu 2xh100 --slo ttft", 2, "is no limit", "ttft<1s"),
        ("mixtral-8x7b --gpu 2xh100 --batch 8..1", 2, "ends before it begins", "1..8"),
        ("mixtral-8x7b --gpu h100,h200 --request in=8k,out=1k", 2, "one batch on one fleet", "one fleet"),
        ("mixtral-8x7b --gpu 2xh100 --power 700V", 2, "`--power 700V` is not an amount", "--power 700W"),
        ("mixtral-8x7b --gpu 2xh100 --electricity 0.1", 2, "a rent includes it", "--hardware-price"),
        ("mixtral-8x7b --gpu 2xh100 --request in=8k", 2, "does not say `out`", "in=8k,out=1k"),
        ("mixtral-8x7b --gpu 2xh100 --pools 2", 2, "follows from a mix", "--request"),
        ("mixtral-8x7b --gpu 2xh100 --tp 4", 2, "makes 4 devices", "is the number of devices"),
        ("mixtral-8x7b --gpu 2xh100 --engine tensorflow", 2, "tensorflow", "engines"),
        ("llama-3.1-8b --gpu gh200-144gb", 3, "no price is known for `gh200-144gb`", "--price 2.50"),
        ("gpt-4 --gpu 8xh100", 3, "no known architecture", "moecalc show gpt-4"),
        ("mixtral-8x7b --gpu 2xh100 --json --markdown", 2, "exclude each other", "choose one"),
    ],
)
def test_bad_input_is_one_clear_error_with_a_hint(command, code, message, hint):
    done = run(f"moecalc cost {command}")
    assert done.returncode == code
    assert done.stdout == ""
    assert message in done.stderr
    assert "hint: " in done.stderr
    assert hint in done.stderr.split("hint: ")[1]
    assert "Traceback" not in done.stderr


def test_without_the_package_one_line_says_how_to_get_it(tmp_path):
    # A package of that name that cannot be imported stands before the installed one.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.modules['genai_prices.data'] = None\n", encoding="utf-8"
    )
    import os
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "moecalc", "cost", "llama-3.1-8b", "--gpu", "h100", "--api"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 2
    assert done.stderr.endswith("hint: `pip install 'moecalc[prices]'`\n")
    assert run("moecalc cost llama-3.1-8b --gpu h100").returncode == 0


def test_at_80_columns_offers_are_judged_at_the_ceiling_and_as_expected():
    done = run(f"moecalc cost {GPT_OSS} --api", 80)
    table = done.stdout.split("API prices")[1].splitlines()
    head = next(line for line in table if line.startswith("provider"))
    assert re.search(r"even, M/day +load +expected$", head)
    rows = table[
        table.index(head) + 1 : next(i for i, line in enumerate(table) if line.startswith("1,000 req."))
    ]
    assert all(re.search(r"\d%? +[\d.]+% +[\d.]+%$", row) for row in rows)
    said = " ".join(done.stdout.split())
    assert re.search(r"against the cheapest, \S+ \S+: at the ceiling .* load\); as expected .* load\)", said)


def test_offers_stand_cheapest_request_first():
    offers = answer(f"{GPT_OSS} --api")["cost"]["api"]["offers"]
    prices = [offer["request_usd"] for offer in offers]
    assert prices == sorted(prices)
    assert len(prices) > 10
    # the price of output alone would sort them otherwise
    outputs = [float(offer["output_usd"]) for offer in offers]
    assert outputs != sorted(outputs)


def test_a_sweep_holds_to_the_schema_and_prices_as_one_point_does():
    schema = json.loads((ROOT / "moecalc" / "render" / "report.schema.json").read_text(encoding="utf-8"))
    found = answer("llama-3.3-70b --gpu 4xh100 --batch 1,16 --utilization 50% --slo tpot<30ms --tp 4")
    jsonschema.validate(found, schema)
    assert found["command"] == "cost"
    assert float(found["sweep"]["busy"]) == 0.5
    one = answer("llama-3.3-70b --gpu 4xh100 --batch 16 --utilization 50% --tp 4")
    output = {line["id"]: line["value"] for line in one["models"][0]["lines"]}
    point = next(point for point in found["sweep"]["points"] if point["batch"] == 16)
    assert point["decode_usd_per_million_tokens"] == pytest.approx(
        output["cost.output_usd_per_million_tokens"], rel=1e-9
    )
    assert point["usd_per_hour"] == pytest.approx(4 * 2.95 / 0.5)
    ids = [line["id"] for line in found["models"][0]["lines"]]
    assert "cost.slo.expected_decode_usd_per_million_tokens" in ids


def test_require_fails_where_nothing_meets_the_limits():
    command = "moecalc cost llama-3.1-8b --gpu 1xh100 --slo tpot<1us"
    assert run(f"{command} --require").returncode == 1
    done = run(command)
    assert done.returncode == 0
    assert re.search(r"misses tpot by a factor of [\d,]+", " ".join(done.stdout.split()))


def test_a_device_without_a_number_says_which_numbers_were_tried():
    said = " ".join(run("moecalc cost llama-3.1-8b --gpu h100 --slo tpot<30ms").stdout.split())
    assert "h100-sxm without a number: 1, 2, 4 and 8 tried; `--gpu 1xh100-sxm` names one" in said
    assert "without a number" not in run("moecalc cost llama-3.1-8b --gpu 1xh100 --slo tpot<30ms").stdout


def test_the_power_of_hosts_is_printed_with_its_source_and_counted_where_it_is_given():
    alone = run("moecalc cost llama-3.3-70b --gpu 4xh100 --batch 16").stdout
    # 10,200 W for 8, less 700 W each
    assert "DGX H100 (10,200 W for 8, at most; dgx-h100) up to 575 W" in " ".join(alone.split())
    bare = answer("llama-3.3-70b --gpu 4xh100 --batch 16")
    whole = answer("llama-3.3-70b --gpu 4xh100 --batch 16 --host-power 575W --pue 1.2")
    watts = whole["cost"]["power"]
    assert watts == {"device_watts": "2800", "host_watts": "2300", "pue": "1.2", "site_watts": "6120.0"}
    of = [
        {line["id"]: line["value"] for line in found["models"][0]["lines"]}[
            "energy.output_watt_hours_per_million_tokens"
        ]
        for found in (bare, whole)
    ]
    assert of[1] == pytest.approx(of[0] * 6120 / 2800, rel=1e-12)
    assert bare["cost"]["power"]["host_watts"] is None  # not counted is not 0


def test_state_handed_over_takes_bytes_over_the_link():
    request = answer(f"{GPT_OSS} --pools 2 --kv-link 50GB/s")["cost"]["request"]
    assert request["moved_bytes"] > 0
    assert request["moved_seconds"] == pytest.approx(request["moved_bytes"] / 50e9, rel=1e-12)
    text = " ".join(run(f"moecalc cost {GPT_OSS} --pools 2").stdout.split())
    assert "`--kv-link 50GB/s` says it" in text
