"""`--peak`: a device without a published peak is given one; a prompt on one that has none is an error."""

import pytest

import moecalc
from moecalc.api.fleets import fleet_of
from moecalc.api.peaks import require_peak, with_peak
from moecalc.errors import InputError, UndeterminedError
from tests.console import run


def test_a_peak_bounds_prompts():
    found = moecalc.speed("llama-3.1-8b", "m3-max", prompt=1024, peak="28.4TFLOP/s")
    assert found.prefill.ceiling.seconds == pytest.approx(
        float(found.prefill.ceiling.flops) / 28.4e12, rel=1e-9
    )
    assert moecalc.speed("llama-3.1-8b", "m3-max", prompt=1024).prefill is None
    assert found.decode.ceiling.seconds == moecalc.speed("llama-3.1-8b", "m3-max").decode.ceiling.seconds


def test_a_peak_of_a_described_device():
    fleet = moecalc.devices(vram="24GiB", bandwidth="500GB/s")
    assert with_peak(fleet, "70 TF").groups[0].device.peaks.bf16.per_second == 70 * 10**12


@pytest.mark.parametrize(
    ("gpu", "text", "word"),
    [
        ("m3-max", "-3TFLOP/s", "negative"),
        ("m3-max", "0", "no device's"),
        ("m3-max", "30", "no device's"),
        ("m3-max", "1e40TFLOP/s", "no device's"),
        ("m3-max", "fast", "not a number of FLOPs"),
        ("h100", "28TFLOP/s", "has a published dense peak"),
    ],
)
def test_what_is_no_peak_is_refused(gpu, text, word):
    with pytest.raises(InputError) as raised:
        with_peak(fleet_of(gpu), text)
    assert word in raised.value.message
    assert raised.value.hint


@pytest.mark.parametrize("option", ["--prompt 2k", "--past 2k"])
def test_a_prompt_without_any_peak_is_an_error_that_names_the_field(option):
    done = run(f"moecalc speed llama-3.1-8b --gpu m3-max {option}")
    assert (done.returncode, done.stdout) == (3, "")
    assert "`peaks` of `m3-max` has no dense peak for bf16" in done.stderr
    assert "--peak 28TFLOP/s" in done.stderr
    given = run(f"moecalc speed llama-3.1-8b --gpu m3-max {option} --peak 28TFLOP/s")
    assert given.returncode == 0, given.stderr


def test_decoding_without_any_peak_is_answered_and_prompts_are_not():
    text = " ".join(run("moecalc speed llama-3.1-8b --gpu m3-max", 80).stdout.split())
    assert "prefill: not known, `peaks` of `m3-max` has no dense peak for bf16" in text
    assert "warning: the decode ceiling is of bandwidth alone" in text
    assert "first token" not in text


def test_a_wider_format_stands_in():
    bound = moecalc.speed("llama-3.1-8b", "a100-sxm-80gb", quant="fp8", prompt=1024).roofline
    require_peak(bound, "--prompt 1024")
    with pytest.raises(UndeterminedError, match="`peaks` of `m3-max`"):
        require_peak(moecalc.speed("llama-3.1-8b", "m3-max").roofline, "--prompt 1024")


def test_a_sweep_takes_none():
    done = run("moecalc speed llama-3.1-8b --gpu m3-max --peak 28TFLOP/s --batch 1..4")
    assert done.returncode == 2
    assert "--peak" in done.stderr
