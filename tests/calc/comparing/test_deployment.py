"""The smallest deployment, what it holds, and the ceiling it sets: against arithmetic written out here."""

from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest

from moecalc.calc.comparing.curve import NODE, batches, cell, ratios
from moecalc.calc.comparing.demand import EqualState, LedgerDemand, StatedDemand
from moecalc.calc.comparing.deployment import Deployment, device, smallest
from moecalc.errors import UndeterminedError
from moecalc.specs.formats import Precision
from moecalc.specs.hardware import Accelerator, Capacity, Memory, Peak, Peaks, Price, Rate, accelerator
from tests.calc import released
from tests.calc.comparing.deployed import H100, LLAMA_13B, MIXTRAL
from tests.calc.released import ledger_of

NINETY_PERCENT = Fraction(9, 10)
LLAMA_BYTES, MIXTRAL_BYTES = 2 * 13_015_864_320, 2 * 46_702_792_704
LLAMA_STATE, MIXTRAL_STATE = 800 * 2**10, 128 * 2**10  # bytes per token


def on(gpus, demand, device_=H100, context=4096, utilization=NINETY_PERCENT):
    return Deployment(demand, device_, gpus, context, utilization)


# ------------------------------------------------------------------------------------------------ capacity


def test_sequences_held_at_4k_and_90_percent():
    # (gpus x 81,559 MiB x 0.9 - weights) / state of 4,096 tokens: 15.2, 38.1 and 112.8
    one, two = 81_559 * 2**20 * NINETY_PERCENT, 2 * 81_559 * 2**20 * NINETY_PERCENT
    assert on(1, LLAMA_13B).capacity == (one - LLAMA_BYTES) // (LLAMA_STATE * 4096) == 15
    assert on(2, LLAMA_13B).capacity == (two - LLAMA_BYTES) // (LLAMA_STATE * 4096) == 38
    assert on(2, MIXTRAL).capacity == (two - MIXTRAL_BYTES) // (MIXTRAL_STATE * 4096) == 112


def test_what_cuda_can_allocate_holds_a_little_less():
    # 79.14 GiB, as public out-of-memory logs name it: (2 x 79.14 x 0.9 GiB - weights) / state is 37.8 and 110.9
    allocatable = msgspec.structs.replace(H100, usable_bytes=int(Fraction("79.14") * 2**30))
    assert on(1, LLAMA_13B, allocatable).capacity == 15
    assert on(2, LLAMA_13B, allocatable).capacity == 37
    assert on(2, MIXTRAL, allocatable).capacity == 110


def test_weights_that_do_not_fit_hold_no_sequence():
    assert on(1, MIXTRAL).capacity == 0
    assert not on(1, MIXTRAL).fits(1)


def test_capacity_is_where_it_stops_to_fit():
    deployment = on(1, LLAMA_13B)
    assert deployment.fits(15)
    assert not deployment.fits(16)


def test_a_model_whose_state_is_unknown_is_bounded_by_nothing():
    assert on(1, StatedDemand(10**9, 10**9)).capacity == 2**20


@pytest.mark.parametrize(
    ("demand", "context", "batch", "utilization", "gpus"),
    [
        (LLAMA_13B, 4096, 1, 1, 1),
        (MIXTRAL, 4096, 1, 1, 2),
        # one card takes 15 sequences, two take 38
        (LLAMA_13B, 4096, 15, NINETY_PERCENT, 1),
        (LLAMA_13B, 4096, 16, NINETY_PERCENT, 2),
        (LLAMA_13B, 4096, 39, NINETY_PERCENT, 3),
        # 671,026,404,352 x 2 bytes are 15.7 cards
        (LedgerDemand(ledger_of(released.DEEPSEEK_V3), Precision("bf16"), "bf16"), 4096, 1, 1, 16),
        (StatedDemand(1, 1), 4096, 1, 1, 1),
        # 1,700,000,000,000 x 2 bytes are 39.8 cards
        (StatedDemand(1_700 * 10**9, 280 * 10**9), 4096, 1, 1, 40),
    ],
)
def test_the_fewest_devices(demand, context, batch, utilization, gpus):
    found = smallest(demand, H100, context, batch, Fraction(utilization))
    assert found.gpus == gpus
    assert found.fits(batch)
    if gpus > 1:
        assert not msgspec.structs.replace(found, gpus=gpus - 1).fits(batch)


def test_beyond_1024_devices_there_is_no_answer():
    limit = 1024 * H100.usable_bytes // 2
    assert smallest(StatedDemand(limit, 1), H100, 4096).gpus == 1024
    assert smallest(StatedDemand(limit + 1, 1), H100, 4096) is None


# ------------------------------------------------------------------------------------------------ roofline


def test_a_step_takes_as_long_as_the_slower_of_bytes_and_flops():
    deployment = on(1, LLAMA_13B)
    embedding = 2 * 32000 * 5120
    read = LLAMA_BYTES - embedding + 2 * 5120 + LLAMA_STATE * 4096
    matrices = LLAMA_BYTES // 2 - 32000 * 5120 - 81 * 5120  # without input embedding and norms
    computed = 2 * matrices + 40 * 4 * 5120 * 4096
    assert deployment.memory_seconds(1) == pytest.approx(read / 3.35e12)
    assert deployment.compute_seconds(1) == pytest.approx(computed / 989e12)
    assert deployment.step_seconds(1) == deployment.memory_seconds(1)
    # 3.6 dollars an hour are a thousandth of a dollar a second
    assert deployment.usd_per_million_tokens(1) == pytest.approx(read / 3.35e12 * 1000)


def test_pooled_devices_share_the_bytes_and_the_bill():
    one, four = on(1, LLAMA_13B), on(4, LLAMA_13B)
    assert four.step_seconds(8) == pytest.approx(one.step_seconds(8) / 4)
    assert four.gpu_seconds_per_token(8) == pytest.approx(one.gpu_seconds_per_token(8))
    assert one.gpu_seconds_per_token(8) == pytest.approx(one.step_seconds(8) / 8)


def test_a_large_batch_without_state_is_bound_by_compute():
    deployment = on(1, StatedDemand(10**9, 10**9))
    # 2 GB / 3.35 TB/s against 2 GFLOP / 989 TFLOP/s per token: they meet at batch 295.2
    assert deployment.step_seconds(295) == deployment.memory_seconds(295)
    assert (
        deployment.step_seconds(296) == deployment.compute_seconds(296) == pytest.approx(296 * 2e9 / 989e12)
    )


def test_no_price_no_cost():
    unpriced = msgspec.structs.replace(H100, usd_per_hour=None)
    assert on(1, LLAMA_13B, unpriced).usd_per_million_tokens(1) is None


# ----------------------------------------------------- a 46.7B mixture against a 13B dense model, state equal


def cost_ratio(batch, state=MIXTRAL):
    """GPU-seconds per token of Mixtral over Llama-13B, each with the same state."""
    mixtral, llama = EqualState(MIXTRAL, state), EqualState(LLAMA_13B, state)
    return on(2, mixtral).gpu_seconds_per_token(batch) / on(1, llama).gpu_seconds_per_token(batch)


@pytest.mark.parametrize(
    ("batch", "ratio"),
    [
        # bytes: (3.2 + 0.25 x 90.2 + 0.5) / (25.7 + 0.5) GB
        (1, 1.0),
        # (3.2 + 0.900 x 90.2 + 4.3) / (25.7 + 4.3) GB
        (8, 2.96),
        # (3.2 + 0.990 x 90.2 + 8.6) / (25.7 + 8.6) GB
        (16, 2.95),
        # (3.2 + 90.2 + 549.8) / (25.7 + 549.8) GB: by now mostly the state, which is equal
        (1024, 1.12),
    ],
)
def test_same_cost_holds_at_batch_1_and_at_large_batches_and_not_between(batch, ratio):
    assert cost_ratio(batch) == pytest.approx(ratio, abs=0.03)


@pytest.mark.parametrize("batch", [32, 64, 128, 256])
def test_at_short_context_the_worst_is_about_3_6(batch):
    # (3.2 + 90.2) / 25.7 GB, less what the state of 64 tokens adds to both
    state = EqualState(MIXTRAL, MIXTRAL), EqualState(LLAMA_13B, MIXTRAL)
    mixtral, llama = on(2, state[0], context=64), on(1, state[1], context=64)
    ratio = mixtral.gpu_seconds_per_token(batch) / llama.gpu_seconds_per_token(batch)
    assert ratio == pytest.approx((93.4 + batch * 0.0084) / (25.7 + batch * 0.0084), rel=0.005)
    assert 3.4 < ratio < 3.65


def test_the_worst_is_about_2_9_and_lies_where_the_experts_are_all_touched():
    worst = max(range(1, 200), key=cost_ratio)
    assert 8 <= worst <= 16
    assert cost_ratio(worst) < 3.05


def test_the_curve_of_ratios_says_why():
    mixtral, llama = on(2, EqualState(MIXTRAL, MIXTRAL)), on(2, EqualState(LLAMA_13B, MIXTRAL))
    curve = ratios(mixtral, llama)
    by_batch = {point.batch: point for point in curve}
    assert curve[0].batch == 1
    assert curve[-1].batch == min(mixtral.capacity, llama.capacity) == 112
    touched, none = by_batch[16].touched
    assert touched == pytest.approx(1 - 0.75**16)
    assert none is None
    # GB of weights over 3.35 TB/s, shared by the 16 tokens of a step; equal states cancel
    assert by_batch[16].weights == pytest.approx((3.2 + 0.98998 * 90.19 - 25.7) / 3350 / 16, rel=0.01)
    assert by_batch[16].state == 0
    assert not any(any(point.compute_bound) for point in curve)
    assert sorted(by_batch) == [point.batch for point in curve]


def test_ratios_of_models_that_share_no_batch_are_none():
    assert ratios(on(1, MIXTRAL), on(1, LLAMA_13B)) == []


def test_two_dense_models_without_state_end_up_compared_by_flops():
    first, second = on(1, StatedDemand(2 * 10**9, 2 * 10**9)), on(1, StatedDemand(10**9, 10**9))
    curve = ratios(first, second)
    assert curve[-1].batch == 2**14
    assert curve[-1].compute_bound == (True, True)
    assert [point.ratio for point in (curve[0], curve[-1])] == pytest.approx([2, 2])
    assert curve[0].touched == (None, None)


# ------------------------------------------------------------------------------------------------- columns


def test_columns_are_powers_of_4_and_every_capacity():
    assert batches([on(1, LLAMA_13B)]) == [1, 4, 15]
    # 16 stands beside 15 and would tell nothing more
    assert batches([on(1, LLAMA_13B), on(2, MIXTRAL)]) == [1, 4, 15, 64, 112]


def test_columns_of_models_whose_state_is_unknown_are_the_powers_of_4():
    assert batches([on(1, StatedDemand(10**9, 10**9))]) == [1, 4, 16, 64, 256, 1024]
    assert batches([]) == [1, 4, 16, 64, 256, 1024]


def test_there_are_never_more_than_seven_columns_and_the_ends_stay():
    deployments = [
        on(1, LLAMA_13B, context=context) for context in (60, 200, 500, 1000, 2000, 4000, 8000, 15000)
    ]
    columns = batches(deployments)
    capacities = sorted(deployment.capacity for deployment in deployments)
    assert len(columns) <= 7
    assert columns == sorted(columns)
    assert (columns[0], columns[-1]) == (1, capacities[-1])
    assert capacities[0] in columns


def test_a_cell_holds_a_cost_or_the_devices_it_would_need():
    deployment = on(1, LLAMA_13B)
    held = cell(deployment, 15)
    assert held.gpu_seconds == deployment.gpu_seconds_per_token(15)
    assert held.usd_per_million == deployment.usd_per_million_tokens(15)
    assert held.gpus_needed is None
    beyond = cell(deployment, 16)
    assert (beyond.gpu_seconds, beyond.usd_per_million, beyond.gpus_needed) == (None, None, 2)
    # eight cards: (8 x 81,559 MiB x 0.9 - weights) / state = 175.7 sequences
    assert cell(deployment, 175).gpus_needed == NODE == 8
    assert cell(deployment, 176).gpus_needed is None


# ------------------------------------------------------------------------------------------------- devices


def quantity(kind, value):
    return kind(value=value, source="here")


def made(**fields):
    fields = {
        "memory": Memory(marketing=quantity(Capacity, "80 GB")),
        "bandwidth": quantity(Rate, "2 TB/s"),
        "peaks": Peaks(bf16=quantity(Peak, "300 TFLOP/s"), fp8=quantity(Peak, "600 TFLOP/s")),
    } | fields
    return Accelerator(name="made", label="Made", vendor="NVIDIA", kind="gpu", **fields)


def test_a_device_takes_the_memory_that_programs_can_be_given():
    memory = Memory(
        marketing=quantity(Capacity, "80 GB"),
        driver=quantity(Capacity, "81559 MiB"),
        allocatable=quantity(Capacity, "79 GiB"),
    )
    assert device(made(memory=memory), "bf16").usable_bytes == 79 * 2**30
    assert device(made(), "bf16").usable_bytes == 80 * 10**9
    assert device(made(), "bf16").usable_basis == "assumed"


@pytest.mark.parametrize(
    ("weights", "peak", "runs_as"),
    [
        ("bf16", 300, "bf16"),
        ("fp16", 300, "bf16"),
        ("fp8", 600, "fp8"),
        ("fp8-block128", 600, "fp8"),
        # no 4-bit arithmetic: dequantized to the next there is
        ("mxfp4", 600, "fp8"),
        ("int4", 600, "fp8"),
    ],
)
def test_arithmetic_is_the_fastest_the_format_can_feed(weights, peak, runs_as):
    chosen = device(made(), weights)
    assert (chosen.peak, chosen.peak_format) == (peak * 10**12, runs_as)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"memory": Memory()}, "memory"),
        ({"bandwidth": None}, "bandwidth"),
    ],
)
def test_a_device_of_which_something_is_unknown_is_refused_by_its_name(fields, named):
    with pytest.raises(UndeterminedError, match=f"`made` has no published {named}"):
        device(made(**fields), "bf16")


def test_without_a_published_peak_bandwidth_alone_is_the_ceiling():
    unknown = device(made(peaks=Peaks()), "bf16")
    assert (unknown.peak, unknown.peak_format) == (None, None)
    deployment = Deployment(LLAMA_13B, unknown, 1, 4096)
    assert deployment.compute_seconds(64) == 0
    assert deployment.step_seconds(64) == deployment.memory_seconds(64)


def test_the_price_of_a_device_comes_along_with_its_date():
    priced = made(prices=(Price(usd_per_gpu_hour=Decimal("2.5"), provider="Someone", source="here"),))
    assert device(priced, "bf16").usd_per_hour == Decimal("2.5")
    assert device(priced, "bf16").price_note == "Someone, undated"
    assert device(made(), "bf16").usd_per_hour is None


def test_an_h100_as_published():
    # NVIDIA H100 data sheet: 3.35 TB/s, 989 TFLOP/s dense in BF16 and 1,979 in FP8
    chosen = device(accelerator("h100"), "bf16")
    assert (chosen.bandwidth, chosen.peak) == (3_350 * 10**9, 989 * 10**12)
    assert device(accelerator("h100"), "fp8").peak == 1_979 * 10**12
    assert 79 * 2**30 < chosen.usable_bytes < 80 * 2**30
