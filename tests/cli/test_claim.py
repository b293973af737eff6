"""`moecalc claim` as a process: exit codes, and which options go together."""

import json

import pytest

from tests.console import run


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("'Mixtral 8x7B, 46.7B total, 12.9B active'", 0),
        ("'Mixtral 8x7B, 56B total'", 0),
        ("'Mixtral 8x7B, 56B total' --strict", 1),
        ("'Mixtral 8x7B q4_k_m on 1x rtx-4090'", 1),
        ("'GPT-4, 1.76T total'", 0),
        ("'GPT-4, 1.76T total' --require", 3),
        ("'Foobar 9000, 12B active'", 2),
        ("'Mixtral 8x7B, 46.7B total' --total 45B", 2),
        ("'Mixtral 8x7B, 46.7B total' --file tests/cli/claims.yaml", 2),
        ("--file tests/cli/claims.yaml --catalogue", 2),
        ("--file nowhere.yaml", 2),
        ("--model nobody --total 3B", 2),
        ("--model mixtral-8x7b --total 46.7B --quant q4_k_x", 2),
        ("--file tests/cli/claims.yaml", 1),
        ("--catalogue", 0),
        ("", 2),
    ],
)
def test_exit_codes(arguments, code):
    done = run(f"moecalc claim {arguments}")
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert bool(done.stdout) == (code != 2)


def test_a_sentence_and_options_make_one_claim():
    answer = json.loads(run("moecalc claim 'Mixtral 8x7B, 46.7B total' --active 12.9B --json").stdout)
    assert [found["part"] for found in answer["claimed"][0]["findings"]] == ["total", "active"]


def test_what_was_understood_stands_before_the_verdict():
    text = run("moecalc claim 'Mixtral 8x7B, 46.7B total, blazing'").stdout
    assert text.index("understood") < text.index("not understood: `blazing`") < text.index("holds")
