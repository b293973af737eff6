"""`moecalc flops` and `show` with images and forms: the same figures as the API, and one clear error."""

import json

import pytest

import moecalc
from tests.console import run


@pytest.mark.parametrize("command", ["flops", "show"])
def test_images_on_the_command_line(command):
    done = run(f"moecalc {command} qwen3.5-27b --images 2 --patches 36x52 --json")
    lines = {line["id"]: line["value"] for line in json.loads(done.stdout)["models"][0]["lines"]}
    expected = moecalc.load("qwen3.5-27b").lines(images=2, patches=(36, 52))
    (vision,) = (line["value"] for line in expected if line["id"] == "flops.vision")
    assert lines["flops.vision"] == vision


def test_a_tower_is_a_table_of_its_own():
    text = run("moecalc flops llama-4-scout --images 2 --batch 3").stdout
    assert "FLOPs, vision tower, 2 images of 576 patches" in text
    assert "sum, beside the prompt" in text
    assert "all 3 sequences" in text
    markdown = run("moecalc flops llama-4-scout --images 2 --markdown").stdout
    assert "| FLOPs, vision tower, 2 images of 576 patches |" in markdown


def test_counted_says_what_it_is():
    text = run("moecalc flops qwen3.5-27b --form counted").stdout
    assert "what transformers' pure-torch fallback executes; not what the layer needs" in " ".join(
        text.split()
    )


@pytest.mark.parametrize(
    ("options", "error", "hint"),
    [
        ("mixtral-8x7b --form absorbed", "no form `absorbed`", "one form each"),
        ("deepseek-v3 --form naive,absorbed", "two forms of latent attention", "`naive` or `absorbed`"),
        ("mixtral-8x7b --form counted", "no form `counted`", "one form each"),
        ("qwen3.5-27b --form absorbed", "no form `absorbed`", "chunk, step, counted"),
        ("qwen3.5-27b --images 1", "images of any size", "--patches 36x52"),
        ("qwen3.5-27b --patches 4x4x4", "not a number of patches", "`36x52`"),
        ("qwen3.5-27b --patches 37x52", "joins every 4", "multiples of 2"),
        ("mixtral-8x7b --images 1", "no vision tower", "`images`"),
        ("mixtral-8x7b --prompt 0", "`0`", "tokens"),
    ],
)
def test_errors(options, error, hint):
    done = run(f"moecalc flops {options}")
    assert (done.returncode, done.stdout) == (2, "")
    assert error in done.stderr
    assert hint in done.stderr.partition("hint:")[2]
