"""What is expected stands beside the ceiling: its interval, its reason where there is none, and never mixed."""

import pytest

from moecalc.api import load
from moecalc.api.cost import cost
from moecalc.api.fleets import fleet_of
from moecalc.calc.cost import pace, request
from moecalc.calc.cost.cost_lines import cost_report
from moecalc.calc.cost.request import SERVED
from moecalc.calc.speed.expectation import Expected, NoExpectation
from moecalc.render.cost import cost_markdown, cost_text
from tests.calc.released import MIXTRAL_8X7B

REASON = "3 rows of 1 device stand behind it"


def expected(seconds, words):
    return Expected(
        seconds=seconds,
        low_seconds=seconds / 2,
        high_seconds=seconds * 3,
        regime="",
        engine_class="",
        rows=99,
        devices=4,
        median_error=0.1,
        p90_error=0.3,
        words=words,
    )


@pytest.fixture
def known(monkeypatch):
    """A decode step of 40 ms up to batch 32, 1 s for a prompt on each copy."""

    def decode(roofline, batch, context, *, engine, served=False):
        if served:
            return expected(0.2, "served")
        return expected(0.04, "fitted on 99 rows of 4 devices") if batch <= 32 else NoExpectation(REASON)

    def prefill(roofline, prompt, batch, past, *, engine):
        assert batch == roofline.plan.replicas
        return expected(1.0, "fitted on prompts")

    def served(roofline, batch, context, *, engine, served, prompt, output):
        assert served
        return expected(0.1, f"served {prompt} in, {output} out")

    monkeypatch.setattr(pace, "expect_decode", decode)
    monkeypatch.setattr(request, "expect_decode", served)
    monkeypatch.setattr(pace, "expect_prefill", prefill)
    return fleet_of("2xh100")


@pytest.fixture(scope="module")
def mixtral():
    return load(MIXTRAL_8X7B)


def test_by_hand(known, mixtral):
    found = cost(mixtral, known, batch=16, context=4096, price="1.80")
    output = found.usd_per_million(found.output)
    # $3.60 an hour is $0.001 a second; 40 ms for 16 tokens
    assert float(output.expected) == pytest.approx(0.001 * 0.04 / 16 * 1e6, rel=1e-12)
    assert float(output.low) == pytest.approx(float(output.expected) / 2, rel=1e-12)
    assert float(output.high) == pytest.approx(float(output.expected) * 3, rel=1e-12)
    # Served: 0.2 s a step, prompts included.
    assert float(found.output.served_per_million.map(found.outlay.usd).expected) == pytest.approx(
        0.001 * 0.2 / 16 * 1e6, rel=1e-12
    )
    assert found.input is not None
    input_ = found.usd_per_million(found.input)
    assert float(input_.expected) == pytest.approx(0.001 * 1.0 / 4096 * 1e6, rel=1e-12)


def test_the_copies_of_attention_read_prompts_side_by_side(monkeypatch, known):
    alone = cost("qwen3-30b-a3b", fleet_of("h100"), batch=8, context=4096, price=1)
    from moecalc.specs.plan import Plan

    two = cost("qwen3-30b-a3b", known, batch=8, context=4096, price=1, plan=Plan(data=2, expert=2))
    assert two.input.seconds.expected == alone.input.seconds.expected / 2 == 4.0


def test_a_request_by_hand(known, mixtral):
    found = cost(mixtral, known, batch=16, price="1.80", request="in=4k,out=100,cached=50%")
    asked = found.request
    assert float(asked.apart_usd.expected) == pytest.approx(0.001 * (1.0 + 100 * 0.04 / 16), rel=1e-12)
    assert float(asked.apart_usd.low) == pytest.approx(float(asked.apart_usd.expected) / 2, rel=1e-12)
    # The prompt's second is told apart as the ceiling tells it.
    share = asked.time.cached.ceiling / (asked.time.cached.ceiling + asked.time.new.ceiling)
    assert float(asked.cached_usd.expected) == pytest.approx(0.001 * share, rel=1e-9)
    # Continuous batching: 100 steps of 0.1 s for 16 requests.
    assert float(asked.usd.expected) == pytest.approx(0.001 * 100 * 0.1 / 16, rel=1e-12)
    assert asked.time.expectations[SERVED].words == "served 2048 in, 100 out"


def test_two_pools_are_split_by_each_number_for_itself(known, mixtral):
    found = cost(mixtral, known, batch=16, price=1, request="in=4k,out=100", pools=2)
    splits = found.request.splits
    assert splits.expected.prefill_share == pytest.approx(1 / 1.25, rel=1e-12)
    assert (splits.expected.prefill, splits.expected.decode) == (4, 1)
    assert splits.ceiling.prefill_share != splits.expected.prefill_share


def test_where_a_part_has_no_expectation_the_whole_has_none(known, mixtral):
    found = cost(mixtral, known, batch=64, price=1, request="in=1k,out=100")
    assert found.input.seconds.expected is not None
    assert found.output.seconds.expected is None
    assert found.request.apart_usd.expected is None
    assert found.request.usd.expected is not None  # continuous batching was measured by itself
    report = cost_report(found).models[0]
    assert report["cost.output_expected_usd_per_million_tokens"].value is None
    assert report["cost.output_expected_usd_per_million_tokens"].note == f"no expectation: {REASON}"
    assert report["cost.request_apart_expected_usd"].value is None
    text = cost_text(found, 100)
    assert f"no expectation of output and the request's output: {REASON}" in " ".join(text.split())
    assert "expected input and the request's input: fitted on prompts" in " ".join(text.split())


@pytest.mark.parametrize(("batch", "said"), [(16, False), (64, True)])
def test_two_pools_without_an_expectation_say_which_part_has_none(known, mixtral, batch, said):
    found = cost(mixtral, known, batch=batch, price=1, request="in=1k,out=100", pools=2)
    assert (found.request.usd.expected is None) is said
    text = " ".join(cost_text(found, 100).split())
    assert ("no expectation of the request in two pools: the request's output has none" in text) is said


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_intervals_fit_the_width(known, mixtral, columns):
    found = cost(
        mixtral, known, batch=16, request="in=4k,out=100,cached=50%,turns=3", carbon=400, utilization=0.3
    )
    text = cost_text(found, columns)
    assert max(map(len, text.splitlines())) <= columns
    output = found.usd_per_million(found.output)
    assert f"{output.low:.3g}-{output.high:.3g}" in text
    assert f"{output.low:.3g}-{output.high:.3g}" in cost_markdown(found)
