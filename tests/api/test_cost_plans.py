"""What `cost` says of the plans that it did not choose, held against `cost` with each of those plans named."""

import datetime as dt
from decimal import Decimal

import pytest

import moecalc
from moecalc.api.fleets import fleet_of
from moecalc.calc.cost.cost_lines import cost_report
from moecalc.render.cost import cost_markdown, cost_text
from moecalc.render.offers import format_share

EIGHT = (
    {"tp": 8},
    {"tp": 8, "ep": 8},
    {"tp": 4, "ep": 8, "dp": 2},
    {"tp": 2, "ep": 8, "dp": 4},
    {"ep": 8, "dp": 8},
    {"tp": 4, "pp": 2},
    {"tp": 2, "pp": 4},
    {"pp": 8},
)
"""The plans of eight devices that hold DeepSeek-V3, written out by hand."""


def said(found, columns=200):
    return " ".join(cost_text(found, columns).split())


def output_usd(found, figure="ceiling"):
    return getattr(found.usd_per_million(found.output), figure)


def test_the_cheapest_plan_is_named_with_what_it_costs():
    """$1.27 under the plan that is chosen is no floor: another costs a fifth of that."""
    found = moecalc.cost("deepseek-v3", "8xh200", price=3)
    named = [moecalc.cost("deepseek-v3", "8xh200", price=3, plan=plan) for plan in EIGHT]
    least = min(named, key=output_usd)
    assert found.plans.tried == len(EIGHT)
    assert found.plans.at_ceiling.plan == least.plan != found.plan
    assert found.plans.at_ceiling.batch == least.batch == least.capacity
    assert found.plans.at_ceiling.usd.ceiling == output_usd(least)
    assert output_usd(found) > 5 * output_usd(least)
    served = min(
        (each for each in named if each.output.served_per_million is not None),
        key=lambda each: each.outlay.usd(each.output.served_per_million.expected),
    )
    assert found.plans.as_expected.plan == served.plan
    assert found.plans.as_expected.usd.expected == served.outlay.usd(
        served.output.served_per_million.expected
    )
    assert "of 8 plans tried on these devices `--ep 8 --dp 8` costs least at the ceiling and as" in said(
        found
    )
    assert "`--ep 8 --dp 8` costs least" in cost_markdown(found)


def test_the_plan_is_that_of_speed():
    assert moecalc.cost("deepseek-v3", "8xh200").plan == moecalc.speed("deepseek-v3", "8xh200").roofline.plan


def test_nothing_is_a_floor_but_of_its_plan():
    for model, gpu in (("deepseek-v3", "8xh200"), ("llama-3.1-8b", "h100")):
        found = moecalc.cost(model, gpu)
        assert "floor" not in said(found)
        assert "under this plan no engine does it for less" in said(found)
        lines = cost_report(found).models[0].lines
        ceilings = [line for line in lines if line.note.startswith("at the ceiling of speed")]
        assert len(ceilings) >= 2
        prices = [line for line in ceilings if line.unit == "USD"]
        assert prices
        assert all("under this plan" in line.note for line in prices)


@pytest.mark.parametrize("batch", [1, 64])
def test_at_a_batch_that_was_named_all_are_priced_at_it(batch):
    found = moecalc.cost("deepseek-v3", "8xh200", price=3, batch=batch)
    assert {each.batch for each in (found.plans.chosen, found.plans.at_ceiling) if each} == {batch}
    named = [moecalc.cost("deepseek-v3", "8xh200", price=3, plan=plan, batch=batch) for plan in EIGHT]
    best = found.plans.at_ceiling or found.plans.chosen
    assert best.usd.ceiling == min(map(output_usd, named))


def test_plans_without_room_for_the_batch_are_not_among_those_tried():
    def priced(**options):
        return moecalc.cost("mixtral-8x7b", "2xh100", context=8192, **options)

    plans = ({"tp": 2}, {"tp": 2, "ep": 2}, {"ep": 2, "dp": 2}, {"pp": 2})
    rooms = [priced(plan=plan).capacity for plan in plans]
    for batch in (1, min(rooms) + 1, max(rooms)):
        tried = sum(room >= batch for room in rooms)
        assert priced(batch=batch).plans.tried == tried
    assert min(rooms) < max(rooms)


def test_a_request_is_priced_under_each_plan():
    found = moecalc.cost("deepseek-v3", "8xh200", price=3, request="in=4k,out=1k", pools=2)
    other = moecalc.cost(
        "deepseek-v3", "8xh200", price=3, request="in=4k,out=1k", pools=2, plan={"ep": 8, "dp": 8}
    )
    assert found.plans.at_ceiling.plan == other.plan
    assert found.plans.at_ceiling.usd.ceiling == other.request.usd.ceiling
    assert found.plans.chosen.usd.ceiling == found.request.usd.ceiling
    assert "per 1,000 requests at batch" in said(found)


def test_copies_of_a_dense_model_are_tried_too():
    """Eight devices may be four pairs: dearer at the ceiling, cheaper as expected."""
    found = moecalc.cost("llama-3.1-8b", "8xh100", price=3)
    pairs = moecalc.cost("llama-3.1-8b", "8xh100", price=3, plan={"tp": 2, "dp": 4})
    assert found.plans.at_ceiling is None
    assert found.plans.as_expected.plan == pairs.plan
    assert found.plans.as_expected.usd.expected == pairs.outlay.usd(pairs.output.served_per_million.expected)
    assert "none saves more than 2% at the ceiling; `--tp 2 --dp 4` costs least as expected" in said(found)


def test_where_the_choice_is_the_cheapest_that_is_said():
    found = moecalc.cost("mixtral-8x7b", "2xh100")
    assert found.plans.at_ceiling is found.plans.as_expected is None
    assert "of 4 plans tried on these devices none saves more than 2% at the ceiling or as expected" in said(
        found
    )


@pytest.mark.parametrize(
    ("gpu", "plan"), [("8xh200", {"tp": 8}), ("8xh200", {"ep": 8, "dp": 8}), ("h200", None)]
)
def test_of_a_plan_that_was_named_and_of_one_device_nothing_is_said(gpu, plan):
    found = moecalc.cost("llama-3.1-8b" if gpu == "h200" else "deepseek-v3", gpu, plan=plan)
    assert found.plans is None
    assert "plans tried" not in said(found)


def test_the_price_scales_all_plans_alike():
    one, two = (moecalc.cost("deepseek-v3", fleet_of("8xh200"), price=p).plans for p in (1, 2))
    assert one.at_ceiling.plan == two.at_ceiling.plan
    assert two.at_ceiling.usd.ceiling == pytest.approx(2 * one.at_ceiling.usd.ceiling, rel=Decimal("1e-20"))


def test_the_break_even_is_told_under_the_cheapest_plan_too():
    pytest.importorskip("genai_prices")
    request = {"request": "in=8k,out=1k", "api": True, "on": dt.date(2026, 8, 1)}
    found = moecalc.cost("deepseek-v3", "8xh200", **request)
    other = moecalc.cost("deepseek-v3", "8xh200", plan={"ep": 8, "dp": 8}, **request)
    ours, theirs = (each.buying.offers[0].break_even for each in (found, other))
    assert ours.requests_per_day == theirs.requests_per_day
    assert ours.load.ceiling > 3 * theirs.load.ceiling
    load = format_share(theirs.load.ceiling)
    assert f"this is of `--tp 8`, at the same volume `--ep 8 --dp 8` has {load} load at the ceil" in said(
        found
    )
    assert "at the same volume" not in said(other)
