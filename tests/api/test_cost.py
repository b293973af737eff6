"""`cost` on whole models: closed forms by hand, limits, prices and power that nobody knows."""

from decimal import Decimal
from fractions import Fraction

import pytest

from moecalc.api import compare, load
from moecalc.api.cost import cost
from moecalc.api.fleets import fleet_of
from moecalc.errors import InputError, UndeterminedError
from tests.calc.released import LLAMA_13B, MIXTRAL_8X7B

BANDWIDTH = 3350 * 10**9  # of an H100 SXM, bytes per second
LLAMA_PARAMETERS = 13_015_864_320
LLAMA_EMBEDDING = 32_000 * 5120
LLAMA_KV = 2 * 40 * 40 * 128 * 2  # keys and values of 40 layers x 40 heads x 128, bf16


@pytest.fixture(scope="module")
def llama():
    return load(LLAMA_13B)


@pytest.fixture(scope="module")
def mixtral():
    return load(MIXTRAL_8X7B)


@pytest.fixture(scope="module")
def h100():
    return fleet_of("h100")


def llama_step_bytes(batch, context):
    """What one step of llama-13b reads: all but the embedding, a row of that per token, and the cache."""
    weights = 2 * (LLAMA_PARAMETERS - LLAMA_EMBEDDING + batch * 5120)
    return weights + batch * context * LLAMA_KV


@pytest.mark.parametrize("batch", [1, 4, 14])
def test_output_by_hand(llama, h100, batch):
    found = cost(llama, h100, batch=batch, context=4096, price="2.50")
    seconds = Fraction(llama_step_bytes(batch, 4096), BANDWIDTH)
    assert found.output.step.bound == "memory"
    usd = found.usd_per_million(found.output)
    assert float(usd.ceiling) == pytest.approx(
        float(Fraction("2.50") * seconds / 3600 / batch * 10**6), rel=1e-12
    )
    assert usd.least == usd.ceiling  # no experts to share


def test_output_of_a_mixture_by_hand(mixtral):
    found = cost(mixtral, fleet_of("2xh100"), batch=4, context=4096, price=3)
    experts = 32 * 8 * 3 * 4096 * 14_336 * 2  # bytes of all experts
    rest = 2 * (46_702_792_704 - 32_000 * 4096) - experts + 4 * 4096 * 2
    cache = 4 * 4096 * 128 * 1024
    usd = found.usd_per_million(found.output)
    for share, value in ((1 - Fraction(3, 4) ** 4, usd.ceiling), (Fraction(1, 4), usd.least)):
        seconds = (rest + experts * share + cache) / (2 * BANDWIDTH)
        # Norms and the router are whole on both ranks, 8.5 MB in all.
        assert float(value) == pytest.approx(float(2 * 3 * seconds / 3600 / 4 * 10**6), rel=2e-4)


def test_input_by_hand(llama, h100):
    found = cost(llama, h100, batch=1, context=4096, prompt=4096, price=1)
    matrices = LLAMA_PARAMETERS - LLAMA_EMBEDDING - 32_000 * 5120 - 81 * 5120  # without head and norms
    pairs = 4096 * 4097 // 2
    flops = 2 * 4096 * matrices + 2 * 5120 * 32_000 + 40 * 4 * 5120 * pairs
    seconds = flops / (989 * 10**12)
    assert found.input is not None
    usd = found.usd_per_million(found.input)
    assert float(usd.ceiling) == pytest.approx(seconds / 3600 / 4096 * 10**6, rel=1e-9)


def test_busy_and_the_number_of_gpus_multiply(llama, h100):
    one = cost(llama, h100, batch=4, context=4096, price=1)
    dear = cost(llama, h100, batch=4, context=4096, price=2, utilization="0.5")
    assert dear.usd_per_million(dear.output).ceiling == 4 * one.usd_per_million(one.output).ceiling


def test_the_batch_is_the_most_that_fits_and_none_beyond_it(llama, h100):
    found = cost(llama, h100, context=4096, price=1)
    assert found.batch == found.capacity
    assert found.defaults["batch"] == found.capacity
    assert max(pace.tokens for pace in found.curve) == found.capacity
    at_most = cost(llama, h100, batch=found.capacity, context=4096, price=1)
    assert at_most.batch == found.capacity
    with pytest.raises(InputError, match=f"at most {found.capacity} sequences of 4,096 tokens"):
        cost(llama, h100, batch=found.capacity + 1, context=4096, price=1)


@pytest.mark.parametrize("batch", [0, -1, 2**40])
def test_batches_that_cannot_be(llama, h100, batch):
    with pytest.raises(InputError):
        cost(llama, h100, batch=batch, context=4096, price=1)


def test_a_model_that_does_not_fit_has_no_cost(mixtral, h100):
    with pytest.raises(InputError, match="does not fit") as caught:
        cost(mixtral, h100, price=1)
    assert "moecalc fit" in caught.value.hint


@pytest.mark.parametrize("price", [0, "0", -1, "-2.50", "free"])
def test_a_price_is_above_0(llama, h100, price):
    with pytest.raises(InputError, match="--price"):
        cost(llama, h100, price=price)


def test_a_device_without_a_price_asks_for_one(llama):
    device = fleet_of("gh200-144gb")
    assert device.devices[0].price() is None
    with pytest.raises(UndeterminedError, match="no price is known for `gh200-144gb`") as caught:
        cost(llama, device)
    assert "--price" in caught.value.hint


def test_without_power_the_energy_is_unknown_and_said(llama):
    device = fleet_of("gh200-144gb")
    assert device.devices[0].tdp is None
    found = cost(llama, device, price=1)
    assert found.energy(found.output) is None
    assert "no power is published for gh200-144gb" in found.draw_words
    told = cost(llama, device, price=1, power="900W", batch=1, context=4096)
    used = told.energy(told.output)
    assert used is not None
    hours = told.output.seconds.ceiling * 10**6 / 3600
    assert float(used.watt_hours.ceiling) == pytest.approx(900 * hours, rel=1e-12)


def test_the_known_price_says_whose_and_of_when(llama, h100):
    found = cost(llama, h100)
    assert found.outlay.standing_usd_per_hour == h100.devices[0].price().usd_per_gpu_hour
    assert "Nebius, 2025-08-12" in found.outlay.words[0]
    assert "skypilot" in found.outlay.words[0]


def test_mixed_devices_are_each_paid_their_own_price(llama):
    found = cost(llama, fleet_of("h100 + h200"))
    known = [device.price().usd_per_gpu_hour for device in fleet_of("h100 + h200").devices]
    assert found.outlay.standing_usd_per_hour == sum(known)
    assert len(found.outlay.words) == 2


def test_own_hardware(llama, h100):
    found = cost(
        llama,
        h100,
        hardware_price=30_000,
        lifetime="4y",
        electricity="0.12",
        utilization="0.6",
        batch=1,
        context=4096,
    )
    per_hour = Decimal(30_000) / (4 * 8766) / Decimal("0.6") + Decimal("0.7") * Decimal("0.12")
    usd = found.usd_per_million(found.output).ceiling
    assert float(usd) == pytest.approx(
        float(per_hour) * found.output.seconds.ceiling * 10**6 / 3600, rel=1e-12
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hardware_price": 30_000, "price": 2}, "`--price` is what a rented GPU costs"),
        ({"hardware_price": 30_000, "electricity": 0.1}, "own hardware is written off"),
        ({"hardware_price": 30_000, "lifetime": "4y"}, "own hardware is written off"),
        ({"electricity": 0.1}, "a rent includes it"),
        ({"lifetime": "4y"}, "a rent includes it"),
        ({"hardware_price": 0, "lifetime": "4y", "electricity": 0.1}, "--hardware-price"),
        ({"hardware_price": 1, "lifetime": "4y", "electricity": -0.1}, "--electricity"),
        ({"carbon": -1}, "--carbon"),
        ({"utilization": 0}, "--utilization"),
        ({"utilization": 1.5}, "--utilization"),
        ({"power": "0W"}, "--power"),
        ({"pools": 3}, "--pools"),
        ({"pools": 2}, "follows from a mix"),
        ({"request": "in=1k,out=1k", "context": 4096}, "leave those out|how long prompt and answer are"),
        ({"prompt": 0}, "prompt"),
    ],
)
def test_options_that_contradict_each_other(llama, h100, options, message):
    with pytest.raises(InputError, match=message):
        cost(llama, h100, **options)


def test_a_device_without_a_peak_prices_output_alone(llama):
    local = fleet_of(vram="80GiB", bandwidth="3350GB/s")
    found = cost(llama, local, price=1, batch=1, context=4096)
    assert found.input is None
    assert found.output.seconds.ceiling == pytest.approx(llama_step_bytes(1, 4096) / BANDWIDTH, rel=1e-12)
    with pytest.raises(UndeterminedError, match="peaks"):
        cost(llama, local, price=1, request="in=1k,out=1k")


def test_it_agrees_with_the_curve_of_compare(mixtral):
    both = compare(mixtral, mixtral, gpu="h100")
    cells = {cell.batch: cell for cell in both.entries[0].cells}
    for batch in (1, 4, 64):
        found = cost(mixtral, fleet_of("2xh100"), batch=batch, context=4096)
        # `compare` pools its devices; here norms and the router are whole on both.
        usd = float(found.usd_per_million(found.output).ceiling)
        assert usd == pytest.approx(cells[batch].usd_per_million, rel=1e-3)


# ------------------------------------------------------------------------------------------------ request mix


def test_a_request_is_its_parts_and_a_conversation_its_requests(llama, h100):
    found = cost(llama, h100, batch=4, price=2, request="in=2k,out=512,cached=50%,turns=5")
    request = found.request
    assert request is not None
    time = request.time
    new = found_prefill(llama, h100, 1024, 4)
    assert time.new.ceiling == pytest.approx(new / 4, rel=1e-12)
    assert time.output.ceiling == pytest.approx(
        512 * llama_step_bytes(4, 2048 + 256) / BANDWIDTH / 4, rel=1e-12
    )
    # Cached tokens: the scores and mixes of 1,024 new queries against 1,024 cached keys each, compute-bound.
    attended = 40 * 4 * 5120 * 1024 * 1024 / (989 * 10**12)
    assert time.cached.ceiling == pytest.approx(attended, rel=1e-9)
    parts = request.new_usd.ceiling + request.cached_usd.ceiling + request.output_usd.ceiling
    assert float(request.apart_usd.ceiling) == pytest.approx(float(parts), rel=1e-12)
    assert float(request.apart_usd.ceiling) == pytest.approx(2 * time.apart.ceiling / 3600, rel=1e-12)
    # Prefill rides along with 512 steps that read the weights anyway: their arithmetic leaves room for it.
    assert time.overlapped.ceiling == pytest.approx(time.output.ceiling, rel=1e-12)
    assert float(request.usd.ceiling) == pytest.approx(2 * time.overlapped.ceiling / 3600, rel=1e-12)
    assert request.conversation_usd.ceiling == 5 * request.usd.ceiling
    assert request.hold_usd is None


def found_prefill(model, fleet, prompt, batch):
    """Seconds in which `batch` prompts are computed, from the price of input."""
    found = cost(model, fleet, batch=batch, context=prompt, prompt=prompt, price=1)
    assert found.input is not None
    return found.input.seconds.ceiling


def test_holding_a_conversation_takes_the_room_of_one_sequence(llama, h100):
    found = cost(llama, h100, batch=1, price=2, request="in=2k,out=512,cached=50%,turns=5,pause=90s")
    request = found.request
    assert request is not None
    assert request.hold_usd_per_hour == Decimal(2) / found.capacity
    held = Decimal(2) / found.capacity * 4 * 90 / 3600  # four pauses
    assert float(request.hold_usd) == pytest.approx(float(held), rel=1e-12)
    assert request.conversation_usd.ceiling == 5 * request.usd.ceiling + request.hold_usd


def test_cached_input_is_cheaper_than_new_input_and_not_free(mixtral):
    found = cost(mixtral, fleet_of("2xh100"), batch=16, price=2, request="in=8k,out=512,cached=70%")
    request = found.request
    assert request is not None
    new = request.new_usd.ceiling / request.time.request.new_tokens
    cached = request.cached_usd.ceiling / request.time.request.cached_tokens
    assert 0 < cached < new / 4
    whole = cost(mixtral, fleet_of("2xh100"), batch=16, price=2, request="in=8k,out=512").request
    assert whole is not None
    assert whole.cached_usd.ceiling == 0
    assert whole.apart_usd.ceiling > request.apart_usd.ceiling


def test_riding_along_saves_no_more_than_the_prefill(mixtral):
    for mix in ("in=8k,out=64", "in=1k,out=1k", "in=100,out=4k"):
        request = cost(mixtral, fleet_of("2xh100"), batch=8, price=2, request=mix).request
        assert request is not None
        assert request.output_usd.ceiling <= request.usd.ceiling <= request.apart_usd.ceiling


def test_two_pools_pay_for_what_waits(mixtral):
    mix = "in=8k,out=512"
    one = cost(mixtral, fleet_of("2xh100"), batch=16, price=2, request=mix).request
    two = cost(mixtral, fleet_of("2xh100"), batch=16, price=2, request=mix, pools=2).request
    assert one is not None
    assert two is not None
    assert two.splits is not None
    idle = two.splits.ceiling.idle
    assert float(two.usd.ceiling) == pytest.approx(float(one.apart_usd.ceiling) / (1 - idle), rel=1e-12)
    assert two.moved_bytes == 8192 * 128 * 1024


# ------------------------------------------------------------------------------------------------ API prices


def test_api_prices_stand_beside_and_say_where_renting_pays():
    import datetime as dt

    found = cost(
        "gpt-oss-120b",
        fleet_of("2xh100"),
        batch=64,
        price="2.50",
        request="in=8k,out=1k,cached=70%",
        api=True,
        on=dt.date(2026, 11, 20),
    )
    assert found.buying is not None
    request = found.request
    assert request is not None
    groq = next(offer for offer in found.buying.offers if offer.price.provider == "groq")
    usd = (2458 * Decimal("0.15") + 5734 * Decimal("0.075") + 1024 * Decimal("0.60")) / 10**6
    assert groq.request_usd == usd
    assert groq.request_ratio.ceiling == usd / request.usd.ceiling
    assert groq.output_ratio.ceiling == Decimal("0.60") / found.usd_per_million(found.output).ceiling
    # $120 a day for two GPUs
    assert groq.break_even.requests_per_day == 120 / usd
    assert groq.break_even.tokens_per_day == 120 / usd * 9216


def test_a_model_that_nobody_offers_has_an_empty_table(llama, h100):
    found = cost(llama, h100, price=1, api=True)
    assert found.buying is not None
    assert found.buying.offers == ()
