"""What is expected of a step: slower than the ceiling, with its interval; or why nothing is."""

import subprocess
import sys

import msgspec
import numpy as np
import pytest

import moecalc
from moecalc.api.fleets import fleet_of
from moecalc.api.rooflines import roofline
from moecalc.calc.speed.expectation import (
    Expected,
    NoExpectation,
    decode_terms,
    expect_decode,
    expect_prefill,
)
from moecalc.calc.speed.traffic import SHARED, UNIFORM
from moecalc.specs.expectations import LEAST_DEVICES, LEAST_ROWS, fit
from moecalc.specs.plan import Plan


def bound(model, gpu, quant=None, **plan):
    chosen = Plan(**plan)
    return roofline(moecalc.load(model), fleet_of(f"{chosen.devices}x{gpu}"), chosen, quant)


@pytest.fixture(scope="module")
def served():
    return bound("deepseek-v3", "h200", tensor=8)


def test_is_no_faster_than_the_ceiling_and_inside_its_interval(served):
    for batch in (2, 8, 64, 256):
        found = expect_decode(served, batch, 4096, engine="vllm", served=True)
        assert isinstance(found, Expected)
        least = served.decode(batch, 4096, SHARED).seconds
        assert least <= found.low_seconds < found.seconds < found.high_seconds


def test_says_what_stands_behind_it(served):
    found = expect_decode(served, 64, 4096, engine="sglang", served=True)
    stored = fit("decode", "serving").regimes["served"].hardware["hbm"]
    assert (found.rows, found.devices) == (stored.rows, len(stored.devices))
    assert (found.median_error, found.p90_error) == (stored.median_error, stored.p90_error)
    assert found.low_seconds == pytest.approx(found.seconds * stored.low)
    assert found.high_seconds == pytest.approx(found.seconds * stored.high)


def test_longer_prompts_between_the_steps_slow_them_down(served):
    short = expect_decode(served, 64, 4096, served=True, prompt=1000, output=1000)
    long = expect_decode(served, 64, 4096, served=True, prompt=4000, output=200)
    assert long.seconds > short.seconds


def test_a_pass_for_each_prompt_costs_its_operations_however_short_the_prompt(served):
    terms = decode_terms(served, 64, 4096, UNIFORM, (1, 128))
    # 64 sequences of 128 tokens end half a time per step, and as many prompts are read.
    assert terms["passes"] == terms["operations"] / 2
    assert decode_terms(served, 64, 4096, UNIFORM, (8192, 128))["passes"] == terms["passes"]
    assert decode_terms(served, 64, 4096, UNIFORM)["passes"] == 0


def test_generic_is_a_serving_engine_where_several_sequences_are_served(served):
    assert expect_decode(served, 64, 4096, served=True) == expect_decode(
        served, 64, 4096, served=True, engine="vllm"
    )


def test_a_single_device_and_sequence():
    found = expect_decode(bound("llama-3.1-8b", "rtx-4090", "q4_k_m"), 1, 1024, engine="llama.cpp")
    assert found.regime == "decode-b1-single"
    # llama-bench, RTX 4090, Llama 3 8B Q4_K_M: 127.7 tokens/s over 1,024 tokens (GPU-Benchmarks-on-LLM-Inference)
    assert 1 / found.high_seconds < 127.7 < 1 / found.low_seconds


def test_a_layer_split_adds_no_decode_speed():
    one = expect_decode(bound("llama-3.1-8b", "rtx-4090", "q4_k_m"), 1, 512, engine="llama.cpp")
    two = expect_decode(bound("llama-3.1-8b", "rtx-4090", "q4_k_m", pipeline=2), 1, 512, engine="llama.cpp")
    assert two.regime == "decode-b1-layer-split"
    assert two.seconds == pytest.approx(one.seconds, rel=0.01)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (
            lambda: expect_decode(bound("llama-3.1-8b", "h100"), 1, 1024, engine="vllm"),
            f"`decode-b1-single`, of 2 devices; an expectation needs {LEAST_ROWS} of {LEAST_DEVICES}",
        ),
        (
            lambda: expect_decode(bound("llama-3.1-8b", "h100"), 16, 1024, engine="vllm"),
            "2 published measurements of serving engines in `decode-static-batch`",
        ),
        (
            lambda: expect_decode(bound("llama-3.1-8b", "rtx-4090", tensor=2), 1, 1024),
            "0 published measurements of serving engines in `decode-b1-tp` on GPUs with GDDR",
        ),
        (
            lambda: expect_decode(bound("llama-3.1-8b", "mi300x"), 1, 1024),
            "no published measurement on devices",
        ),
        (
            lambda: expect_decode(bound("llama-3.1-8b", "h100"), 100_000, 1024, served=True),
            "batch 100,000 is far from what was measured in `served` (4 to",
        ),
        (
            lambda: expect_decode(bound("llama-3.1-8b", "h100", data=16), 64, 1024, served=True),
            "16 devices together were not measured in `served` (1 to 8)",
        ),
        (
            lambda: expect_decode(bound("llama-3.1-8b", "rtx-4090", pipeline=2), 4, 1024, engine="llama.cpp"),
            "of a pipeline only one sequence",
        ),
        (
            lambda: expect_prefill(bound("llama-3.1-8b", "h100", pipeline=2), 1024),
            "how chunks of a prompt overlap",
        ),
        (lambda: expect_prefill(bound("llama-3.1-8b", "h100"), 1024, 8), "0 published measurements"),
        (
            lambda: expect_prefill(bound("llama-3.1-8b", "h100"), 1024, past=100_000, engine="vllm"),
            "cached tokens before the prompt are far from what was measured in `prefill-b1` on NVIDIA GPUs with HBM",
        ),
        (
            lambda: expect_prefill(bound("llama-3.1-8b", "m2-ultra"), 1024, past=100_000, engine="llama.cpp"),
            "on Apple silicon (0 to 32,768)",
        ),
    ],
)
def test_says_why_nothing_is_expected(found, reason):
    answer = found()
    assert isinstance(answer, NoExpectation)
    assert reason in answer.reason


def test_cached_tokens_before_a_prompt_take_longer_where_they_were_measured():
    at = bound("llama-3.1-8b", "m2-ultra")
    behind = [expect_prefill(at, 2048, past=past, engine="llama.cpp").seconds for past in (0, 8192, 32_768)]
    assert behind == sorted(behind)
    assert behind[0] < behind[-1]


def test_a_prompt_takes_no_less_than_its_arithmetic():
    at = bound("llama-3.1-8b", "h100", "fp8")
    found = expect_prefill(at, 2048, engine="vllm")
    assert at.prefill(2048).seconds < found.seconds
    assert expect_prefill(at, 4000, engine="vllm").seconds > found.seconds


def test_arrays_answer_as_points_do(served):
    batches = np.array([8, 64, 200])
    found = expect_decode(served, batches, 4096, served=True)
    for batch, seconds in zip(batches.tolist(), found.seconds, strict=True):
        assert seconds == pytest.approx(expect_decode(served, batch, 4096, served=True).seconds)


def test_needs_no_numpy():
    code = (
        "import sys, moecalc\n"
        "from moecalc.api.fleets import fleet_of\n"
        "from moecalc.api.rooflines import roofline\n"
        "from moecalc.calc.speed.expectation import Expected, expect_decode\n"
        "from moecalc.specs.plan import Plan\n"
        "at = roofline(moecalc.load('gpt-oss-20b'), fleet_of('1xh100'), Plan())\n"
        "assert isinstance(expect_decode(at, 8, 2048, served=True), Expected)\n"
        "assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_too_thin_a_fit_expects_nothing(monkeypatch, served):
    thin = fit("decode", "serving")
    spans = thin.regimes["served"]
    few = msgspec.structs.replace(spans, judged=msgspec.structs.replace(spans.judged, rows=LEAST_ROWS - 1))
    cut = msgspec.structs.replace(thin, regimes={**thin.regimes, "served": few})
    monkeypatch.setattr("moecalc.calc.speed.evidence.fit", lambda *_: cut)
    answer = expect_decode(served, 64, 4096, served=True)
    assert answer.reason.startswith(f"{LEAST_ROWS - 1} published measurements")


def test_without_an_engine_it_says_between_which_engines_it_lies():
    """On HBM cards the fit over all engines is too slow for compiled kernels and too fast for llama.cpp."""
    found = expect_decode(bound("llama-2-7b", "a100-sxm-80gb"), 1, 200)
    stored = fit("decode", "any").regimes["decode-b1-single"]
    shares = stored.engines["hbm"]
    assert sum(of.rows for of in shares.values()) == stored.hardware["hbm"].rows == found.rows
    assert shares["serving"].bias > 0 > shares["llama.cpp"].bias
    for of, side in ((shares["serving"], "slow"), (shares["llama.cpp"], "fast")):
        assert f"{abs(of.bias):.0%} too {side}" in found.words
    assert "one fit over all engines" in found.words


def test_few_measurements_on_a_class_of_hardware_say_their_own_error():
    found = expect_decode(bound("llama-2-7b", "a100-sxm-80gb"), 1, 200, engine="llama.cpp")
    own = fit("decode", "llama.cpp").regimes["decode-b1-single"].hardware["hbm"]
    assert own.rows < LEAST_ROWS
    assert own.median_error > found.median_error
    assert f"half of the {own.rows} on NVIDIA GPUs with HBM within {own.median_error:.0%}" in found.words
    assert "one fit over all engines" not in found.words


def test_contexts_reach_as_far_as_they_were_measured_on_that_class_of_hardware():
    """llama.cpp was measured up to 32,784 keys on GDDR cards, up to 2,048 on HBM cards."""
    for gpu, hardware, quant in (("a100-sxm-80gb", "hbm", None), ("rtx-4090", "gddr", "q4_k_m")):
        at = bound("llama-2-7b", gpu, quant)
        most = 2 * fit("decode", "llama.cpp").regimes["decode-b1-single"].reach[hardware].high
        assert isinstance(expect_decode(at, 1, most, engine="llama.cpp"), Expected)
        beyond = expect_decode(at, 1, most + 1, engine="llama.cpp")
        assert isinstance(beyond, NoExpectation)
        assert f"{most + 1:,} tokens are far from what was measured in `decode-b1-single`" in beyond.reason
        assert beyond.reason.endswith(f"up to {most:,} is expected")
    reach = fit("decode", "llama.cpp").regimes["decode-b1-single"].reach
    assert reach["hbm"].high < reach["gddr"].high


def test_a_layer_split_reaches_as_far_as_one_device_of_its_class():
    found = [
        expect_decode(bound("llama-2-7b", gpu, quant, pipeline=2), 1, 8192, engine="llama.cpp")
        for gpu, quant in (("rtx-4090", "q4_k_m"), ("a100-sxm-80gb", None))
    ]
    assert isinstance(found[0], Expected)
    assert "on NVIDIA GPUs with HBM (100 to 2,048)" in found[1].reason


def test_static_batches_on_hbm_say_how_far_off_they_were():
    found = expect_decode(bound("llama-2-7b", "a100-sxm-80gb"), 8, 150, engine="llama.cpp")
    own = fit("decode", "llama.cpp").regimes["decode-static-batch"].hardware["hbm"]
    assert f"half of the {own.rows} on NVIDIA GPUs with HBM within {own.median_error:.0%}" in found.words
    assert own.bias < -0.1
    assert f"at the median {-own.bias:.0%} too fast" in found.words
