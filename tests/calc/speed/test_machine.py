"""The peak that bounds a format: no published speed of the device exceeds it."""

import pytest

from moecalc.calc.speed.machine import fastest, peak_of
from moecalc.specs.hardware import accelerator

TERA = 10**12


@pytest.mark.parametrize("device", ["b300", "gb300"])
@pytest.mark.parametrize("format_", ["ggml-q4_k", "ggml-q8_0", "int8", "int4"])
def test_integers_that_are_slower_than_floats_bound_nothing(device, format_):
    # Blackwell Ultra has 153.5 TOP/s of 8-bit integers beside 2,250 TFLOP/s of bf16.
    assert fastest(accelerator(device), format_) == "fp8"
    assert peak_of(accelerator(device), format_) >= 2 * peak_of(accelerator(device), "bf16")


def test_floats_of_16_bits_are_multiplied_as_they_are():
    # fp16 may accumulate in FP16, twice as fast on GeForce; bf16 never does, and is no fp16.
    card = accelerator("rtx-4090")
    assert peak_of(card, "fp16") == 330.3 * TERA
    assert peak_of(card, "bf16") == 165.2 * TERA
    assert fastest(accelerator("v100-sxm-16gb"), "bf16") == "fp16"


def test_fp8_on_an_h800_is_bounded_above_what_was_measured():
    # deepseek-ai/DeepGEMM README: "up to 1550 TFLOPS on H800"
    assert peak_of(accelerator("h800-sxm"), "fp8-block128") > 1550 * TERA


@pytest.mark.parametrize("device", ["m1-max", "m2-max", "m2-ultra"])
def test_apples_of_which_a_source_gives_fp16_bound_prompts(device):
    assert peak_of(accelerator(device), "ggml-q4_k") == peak_of(accelerator(device), "fp16")
    assert peak_of(accelerator("m3-ultra"), "fp16") is None
