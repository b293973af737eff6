"""`speed` and its sweep: what is chosen, what is refused, and published figures that no ceiling may be beaten by."""

import math

import pytest

from moecalc.api.batches import batches_of
from moecalc.api.candidates import fleets_of
from moecalc.api.cost import cost
from moecalc.api.fleets import fleet_of
from moecalc.api.loading import load
from moecalc.api.serving import serve
from moecalc.api.speed import speed
from moecalc.api.sweep import sweep
from moecalc.calc.speed.expectation import Expected, NoExpectation, decode_terms, requests_of
from moecalc.calc.speed.latency import LATENCIES
from moecalc.calc.speed.speed_lines import speed_report
from moecalc.calc.speed.traffic import Routing
from moecalc.errors import InputError, UndeterminedError
from moecalc.render.speed import verdict
from moecalc.render.speed_remarks import remarks
from moecalc.specs.expectations import fit
from moecalc.specs.measurements import measurements
from moecalc.specs.plan import Plan


def on(gpu=None, **more):
    return fleet_of(gpu, **more)


# --------------------------------------------------------------------------------------------- one batch


@pytest.mark.parametrize(("devices", "said"), [(8, True), (1, False)])
def test_weights_that_a_cache_may_hold_are_said(devices, said):
    # 0.6B in FP8 on eight devices: 94 MB each, where a B200 has 126 MB of L2.
    found = speed("qwen3-0.6b", on(f"{devices}xb200"), plan=Plan(tensor=devices), quant="fp8")
    assert any("its cache may hold them" in words for words in speed_report(found).warnings) is said


def test_the_plan_is_the_one_that_fit_chooses():
    found = speed("deepseek-v3", on("8xh200"), batch=16)
    assert found.plan == Plan(tensor=8)
    assert found.plan_chosen
    assert found.held.fits
    assert found.decode.ceiling == found.roofline.decode(16, 4096)
    assert found.first is found.prefill


def test_what_does_not_fit_says_by_how_much_and_keeps_its_ceiling():
    found = speed("mixtral-8x7b", on("h100"))
    assert not found.held.fits
    assert found.held.free_bytes < -15e9
    assert found.decode.ceiling_tokens_per_second == pytest.approx(3.35e12 / (2 * 12.88e9), rel=0.03)


def test_an_unlisted_device_has_a_ceiling_of_bandwidth_alone():
    found = speed("llama-3.1-8b", on(vram="24GiB", bandwidth="1008GB/s"))
    assert found.is_bandwidth_only
    assert found.prefill is None
    assert found.ttft_seconds is None
    assert found.decode.ceiling_tokens_per_second > 0


def test_without_a_bandwidth_nothing_can_be_said():
    with pytest.raises(UndeterminedError, match="bandwidth"):
        speed("llama-3.1-8b", on(vram="24GiB"))


def test_unequal_devices_get_layers_and_their_own_bandwidth():
    found = speed("llama-3.1-70b", on("rtx-4090 + rtx-3090"), quant="q4_k_m")
    assert found.plan.pipeline == 2
    assert len(found.roofline.machines) == 2


@pytest.mark.parametrize("overlap", [-0.1, 1.5, math.nan])
def test_an_overlap_that_cannot_be(overlap):
    with pytest.raises(InputError, match="overlap"):
        speed("mixtral-8x7b", on("2xh100"), overlap=overlap)


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"speculate": 3}, "without an acceptance rate"),
        ({"accept": 0.7}, "without a number of drafted tokens"),
        ({"speculate": 0, "accept": 0.7}, "--speculate"),
        ({"speculate": 3, "accept": 1.01}, "--accept"),
        ({"speculate": 3, "accept": -0.1}, "--accept"),
        ({"speculate": 3, "accept": math.nan}, "--accept"),
        ({"engine": "exllama"}, "exllama"),
        ({"batch": 0}, "0"),
        ({"context": -5}, "context"),
        ({"measured": "quick"}, "quick"),
        ({"plan": Plan(tensor=4)}, "4 devices"),
        ({"plan": Plan(tensor=8), "quant": "q4_k_m"}, "whole layers"),
    ],
)
def test_what_cannot_be_is_refused(more, word):
    with pytest.raises(InputError) as raised:
        speed("deepseek-v3", on("8xh200"), **more)
    assert word in raised.value.message
    assert raised.value.hint


def test_a_batch_is_expected_by_itself_and_under_continuous_batching():
    both = speed("deepseek-v3", on("8xh200"), batch=32)
    assert both.served is not None
    assert both.served == speed("deepseek-v3", on("8xh200"), batch=32, served=True).decode.expected
    assert speed("deepseek-v3", on("8xh200")).served is None


def test_the_lines_have_what_the_text_leads_with():
    """Nobody measured enough batches that only decode on this card: the text leads with continuous batching."""
    found = speed("llama-3.1-8b", on("h100"), batch=64)
    assert isinstance(found.decode.expected, NoExpectation)
    assert found.expected is found.served
    (model,) = speed_report(found).models
    lines = {line.id: line for line in model.lines}
    middle = lines["speed.decode.expected_tokens_per_second"]
    assert middle.value == 64 / found.served.seconds
    assert (middle.low, middle.high) == (64 / found.served.high_seconds, 64 / found.served.low_seconds)
    assert lines["speed.decode.expected_low"].value == middle.low
    assert lines["speed.decode.expected_high"].value == middle.high
    assert "continuous batching" in middle.label
    assert middle.note.startswith("continuous batching, prompts of 2,731 tokens and answers of 2,731; fitted")
    assert f"expected {1 / found.served.seconds:.1f} per sequence" in verdict(found)
    assert "under continuous batching" in verdict(found)


def test_a_batch_that_only_decodes_leads_where_it_was_measured():
    found = speed("llama-3.1-8b", on("gb10"), batch=8, quant="q4_k_m", engine="llama.cpp", context=1024)
    assert found.expected is found.decode.expected
    assert found.expected.regime == "decode-static-batch"
    (model,) = speed_report(found).models
    line = next(line for line in model.lines if line.id == "speed.decode.expected_tokens_per_second")
    assert line.value == 8 / found.decode.expected.seconds
    assert "continuous" not in line.label + line.note


def test_an_expectation_is_never_faster_than_the_unconditional_ceiling():
    known = 0
    for model, gpu, batch, quant in (
        ("deepseek-v3", "8xh200", 1, None),
        ("llama-3.1-8b", "h100", 1, None),
        ("llama-3.1-8b", "rtx-3090", 1, "q4_k_m"),
        ("llama-3.1-70b", "4xh100", 64, None),
    ):
        found = speed(model, on(gpu), batch=batch, quant=quant, served=batch > 1)
        expected = found.decode.expected
        if isinstance(expected, Expected):
            known += 1
            assert found.decode.unconditional.seconds < expected.low_seconds <= expected.seconds
            assert expected.seconds <= expected.high_seconds
            assert 0 <= found.latency_seconds < expected.seconds
    assert known >= 2


def test_latency_under_load_is_of_the_requests_that_are_expected():
    """What is left of an expected step without its latency is bytes and arithmetic, of the usual requests."""
    found = speed("llama-3.1-8b", on("h100"), batch=16, served=True)
    chosen = fit("decode", "serving")
    terms = decode_terms(found.roofline, 16, 4096, Routing(chosen.overlap), requests_of(4096))
    rest = sum(
        entry.value * terms[entry.term]
        for entry in chosen.coefficients
        if entry.term not in LATENCIES and entry.holds_on("hbm")
    )
    assert found.latency_seconds + float(rest) == pytest.approx(found.decode.expected.seconds)


def test_where_nothing_is_expected_the_reason_is_said():
    found = speed("llama-3.1-8b", on("mi300x"))
    assert isinstance(found.decode.expected, NoExpectation)
    assert found.decode.expected.reason
    assert found.latency_seconds is None
    assert found.expected_tokens_per_second is None


def test_a_figure_above_the_ceiling_is_impossible():
    assert speed("llama-3.1-8b", on("h100"), measured="400tok/s").measured.verdict == "impossible"
    assert speed("llama-3.1-8b", on("h100"), measured="150tok/s").measured.verdict == "possible"


# ------------------------------------------------------------------------------------------- experts in RAM


XEON_6454S = "614.4GB/s"
"""Two sockets of 8 channels of DDR5-4800, 38.4 GB/s each (Intel's data sheet of the Xeon Gold 6454S)."""


def test_published_offload_does_not_beat_its_ceiling():
    rows = [row for row in measurements() if row.host == "xeon-gold-6454s"]
    assert len(rows) == 8
    for row in rows:
        found = speed(
            row.model,
            on(row.device, ram="1024GiB", ram_bandwidth=XEON_6454S),
            quant=row.weights,
            context=row.context or row.prompt,
            prompt=row.prompt,
        )
        assert found.hybrid is not None
        if row.metric == "prefill":
            assert found.prefill.ceiling_tokens_per_second > row.value
        else:
            assert 2 * row.value < found.decode.ceiling_tokens_per_second < 6 * row.value


def test_parts_of_an_offload_add_up():
    fleet = on(vram="12GiB", bandwidth="504GB/s", ram="32GiB", ram_bandwidth="80GB/s")
    found = speed("qwen3-30b-a3b", fleet, quant="q4_k_m", context=32768)
    gpu, ram = found.hybrid.parts
    assert found.decode.ceiling.seconds == gpu.seconds + ram.seconds
    # 8 of 128 experts of the layers in RAM
    assert ram.seconds == pytest.approx(found.hybrid.offload.ram.experts * 8 / 128 / 80e9, rel=1e-4)
    assert "measurements" in found.decode.expected.reason


def test_shared_experts_on_a_gpu_run_while_routed_ones_are_read_from_ram():
    """By hand: 58 layers with one shared expert of 3 x 2,048 x 7,168 weights, beside routed ones in RAM."""
    found = speed("deepseek-v3", on("rtx-4090", ram="1TiB", ram_bandwidth="400GB/s"), quant="q4_k_m")
    gpu, ram = found.hybrid.parts
    saved = gpu.seconds + ram.seconds - float(found.decode.ceiling.seconds)
    parameters = 58 * 3 * 2048 * 7168
    assert 4.5 * parameters / 8 < saved * 1008e9 < 6.6 * parameters / 8  # between Q4_K and Q6_K
    plain = speed("gpt-oss-120b", on("rtx-4090", ram="128GiB", ram_bandwidth="80GB/s"))
    assert float(plain.decode.ceiling.seconds) == pytest.approx(
        sum(part.seconds for part in plain.hybrid.parts)
    )


def test_the_spread_of_offload_is_told_of_both_phases():
    placed = speed("gpt-oss-120b", on("rtx-4090", ram="128GiB", ram_bandwidth="80GB/s"))
    for phase, regime in (("decode", "decode-b1-hybrid"), ("prefill", "prefill-b1-hybrid")):
        on_one = [
            row.value for row in measurements() if row.regime == regime and row.source == "ik-258"
        ]  # the only machine on which more than the prompt's length was varied
        said = f"from {min(on_one):g} to {max(on_one):g} tokens/s"
        assert said in next(words for words in remarks(placed) if words.startswith(f"{phase}: no expect"))


def test_ram_without_a_bandwidth():
    with pytest.raises(UndeterminedError) as raised:
        speed("qwen3-30b-a3b", on(vram="12GiB", bandwidth="504GB/s", ram="32GiB"), quant="q4_k_m")
    assert "--ram-bandwidth" in raised.value.hint


# --------------------------------------------------------------------------------------------------- sweep


def test_batches_as_typed():
    assert batches_of("32") == (32,)
    assert batches_of("1..8") == (1, 2, 4, 8)
    assert batches_of("3..20") == (3, 4, 8, 16, 20)
    assert batches_of("5..5") == (5,)
    assert batches_of("1,32") == (1, 32)
    assert batches_of("64,1,8,8") == (1, 8, 64)
    assert batches_of("1,024") == (1024,)
    assert batches_of("1..1,024")[-1] == 1024


@pytest.mark.parametrize(
    "text", ["0", "-1", "8..2", "1..", "..4", "a", "1...4", "1e3", "99999999999", "", "1,", "1,,2", ","]
)
def test_other_batches_are_refused(text):
    with pytest.raises(InputError, match="--batch"):
        batches_of(text)


def llama(*, slo=None, gpu="h100,h200", batches="1..4096", **more):
    return sweep(
        load("llama-3.1-8b"),
        fleets_of(gpu, None, None, slo is not None),
        batches=batches_of(batches),
        slo=slo,
        **more,
    )


def test_the_sweep_says_what_one_point_says():
    found = llama(gpu="h100", batches="16")
    (point,) = found.points
    one = speed("llama-3.1-8b", on("h100"), batch=16)
    assert point.seconds == one.decode.ceiling.seconds
    assert point.on.ttft_seconds == one.ttft_seconds


def test_no_point_of_the_sweep_beats_the_frontier_of_its_kind():
    found = llama()
    for point in found.points:
        better = [
            other
            for other in found.frontier
            if other.on.kind == point.on.kind
            and other.per_user >= point.per_user
            and other.per_device >= point.per_device
        ]
        assert better, (point.on.plan, point.batch)
    assert len(found.frontier) < len(found.points)


def test_the_cheapest_that_keeps_the_limits():
    found = llama(slo="ttft<1s,tpot<20ms")
    best = found.at_ceiling
    assert not best.misses
    for point in found.points:
        if point.seconds <= 0.02 and point.on.ttft_seconds <= 1:
            assert point.usd_per_million >= best.point.usd_per_million


def test_the_nearest_where_nothing_keeps_them():
    found = llama(slo="tpot<0.1ms")
    assert not found.meets
    nearest = found.at_ceiling
    assert nearest.misses == {"tpot": nearest.point.seconds / 0.0001}
    assert nearest.point.seconds == min(point.seconds for point in found.points)


def test_a_kind_without_a_number_is_tried_in_several():
    counts = {point.on.devices for point in llama(slo="tpot<1s", gpu="h100").points}
    assert counts == {1, 2, 4, 8}
    assert {point.on.devices for point in llama(slo="tpot<1s", gpu="4xh100").points} == {4}


def test_a_limit_on_the_first_token_needs_a_peak():
    with pytest.raises(UndeterminedError, match="peaks"):
        llama(slo="ttft<1s", gpu="m3-max")


def test_nothing_holds_it():
    found = sweep(load("deepseek-v3"), fleets_of("1xh100", None, None, True), batches=(1,), slo="tpot<1s")
    assert not found.points
    assert not found.meets
    assert "does not hold it" in found.notes[0]


def test_what_requests_under_load_are_of_is_said():
    """A default and the same length named give the same figure, and both say whose requests they are."""
    usual, named = (
        speed("deepseek-v3", "8xh200", batch=32),
        speed("deepseek-v3", "8xh200", batch=32, prompt=2731),
    )
    assert usual.workload.context == 4096
    assert usual.requests == named.requests == (2731, 2731)
    assert usual.loaded == named.loaded
    assert usual.served == named.served
    assert any("prompts of 2,731 tokens and answers of as many" in said for said in remarks(usual))
    longer = speed("deepseek-v3", "8xh200", batch=32, prompt=4096)
    assert longer.loaded.seconds > usual.loaded.seconds
    assert any("prompts of 4,096 tokens, answers of 2,731" in said for said in remarks(longer))
    assert not any("under load: prompts" in said for said in remarks(speed("llama-3.1-8b", "h100")))


@pytest.mark.parametrize(
    ("device", "said"), [("rtx-3090", True), ("a100-sxm-80gb", True), ("h100-sxm", False)]
)
def test_a_device_without_that_arithmetic_is_named(device, said):
    found = speed("llama-3.1-8b", device, quant="fp8")
    assert any(f"`{device}` has no published peak for fp8" in words for words in found.warnings) is said
    assert (
        any("fp8" in words for words in cost("llama-3.1-8b", device, quant="fp8", price=1).warnings) is said
    )
    assert any("peak for fp8" in words for words in serve("llama-3.1-8b", device, quant="fp8").notes) is said
    assert not speed("llama-3.1-8b", device).warnings


def test_a_layer_split_is_expected_where_one_device_is():
    """Its measurements are of 512 tokens; beyond, the interval is at least as wide as that of one device."""
    near, far = (speed("llama-3.1-70b", "2xrtx-4090", quant="q4_k_m", context=n) for n in (512, 4096))
    assert near.decode.expected.regime == far.decode.expected.regime == "decode-b1-layer-split"
    narrow, wide = (
        (e.low_seconds / e.seconds, e.high_seconds / e.seconds)
        for e in (near.decode.expected, far.decode.expected)
    )
    assert wide[0] < narrow[0]
    assert wide[1] >= narrow[1]
    assert "`decode-b1-single`" in far.decode.expected.words
    assert "`decode-b1-single`" not in near.decode.expected.words
    beyond = speed("llama-3.1-70b", "4xrtx-4090", quant="q4_k_m", context=131_072).decode.expected
    assert isinstance(beyond, NoExpectation)
    assert "up to 65,568 is expected" in beyond.reason


def test_where_only_llama_cpp_was_measured_a_missing_expectation_names_it():
    alone = speed("llama-3.1-8b", on("m2-ultra")).first.expected
    assert isinstance(alone, NoExpectation)
    assert "of llama.cpp there are 60: `--engine llama.cpp`" in alone.reason
    assert isinstance(speed("llama-3.1-8b", on("m2-ultra"), engine="llama.cpp").first.expected, Expected)
