"""What `cost` shares with `speed`: drafting, overlap, RAM, and the choice among batches and devices."""

import pytest

from moecalc.api import load
from moecalc.api.candidates import fleets_of
from moecalc.api.cost import cost
from moecalc.api.fleets import fleet_of
from moecalc.api.outlays import Terms
from moecalc.api.speed import speed
from moecalc.api.sweep import sweep
from moecalc.errors import UndeterminedError
from tests.calc.released import LLAMA_13B, MIXTRAL_8X7B


@pytest.fixture(scope="module")
def mixtral():
    return load(MIXTRAL_8X7B)


@pytest.fixture(scope="module")
def two():
    return fleet_of("2xh100")


def test_drafting_costs_what_its_steps_take(mixtral, two):
    found = cost(mixtral, two, batch=16, speculate=3, accept=0.5)
    told = found.speculation
    assert told is not None
    assert told.accepted == 1.875  # 1 + 0.5 + 0.25 + 0.125
    gain = next(gain for gain in told.gains if gain.batch == 16)
    # $2.95 x 2 an hour for a step that yields 16 x 1.875 tokens
    by_hand = 5.90 / 3600 * (gain.verify_seconds + gain.draft_seconds) / (16 * 1.875) * 1e6
    assert float(found.speculative_usd_per_million(gain)) == pytest.approx(by_hand, rel=1e-12)
    assert [gain.batch for gain in told.gains] == [pace.tokens for pace in found.curve]


def test_drafting_gains_less_where_positions_touch_more_experts(mixtral, two):
    gains = cost(mixtral, two, batch=1, speculate=3, accept=0.7).speculation.gains
    dense = cost(load(LLAMA_13B), fleet_of("h100"), batch=1, speculate=3, accept=0.7).speculation.gains
    assert gains[0].speedup < dense[0].speedup


def test_overlap_stands_between_uniform_and_the_same_experts(mixtral, two):
    def output(**options):
        found = cost(mixtral, two, batch=16, **options)
        return found.usd_per_million(found.output)

    uniform, half, same = output(), output(overlap=0.5), output(overlap=0.0)
    assert uniform.least == same.ceiling < half.ceiling < uniform.ceiling


def test_what_lies_in_ram_costs_as_speed_says_it_takes(mixtral):
    fleet = fleet_of("rtx-4090", ram="128GiB", ram_bandwidth="80GB/s")
    found = cost(mixtral, fleet, batch=2, price="0.36")
    placed = speed(mixtral, fleet, batch=2)
    assert placed.hybrid is not None
    assert found.in_ram_bytes == placed.hybrid.offload.ram.bytes > 0
    usd = found.usd_per_million(found.output)
    assert float(usd.ceiling) == pytest.approx(
        0.36 / 3600 * float(placed.decode.ceiling.seconds) / 2 * 1e6, rel=1e-12
    )
    assert usd.expected is None


def test_the_cheapest_depends_on_the_terms(mixtral):
    def chosen(**terms):
        fleets = fleets_of("2xh100,2xh200", None, None, True)
        found = sweep(mixtral, fleets, batches=[1, 16], slo="tpot<50ms", terms=Terms(**terms))
        return found.at_ceiling.point

    rent, same = chosen(), chosen(price=3)
    assert rent.on.usd_per_hour == pytest.approx(2 * (2.95 if "h100" in rent.on.kind else 3.44))
    # at one price for both the faster memory is cheaper
    assert same.on.kind == "h200-sxm"
    assert same.on.usd_per_hour == 6


def test_a_frontier_in_dollars_falls_in_speed_and_price(mixtral):
    found = sweep(mixtral, fleets_of("2xh100", None, None, False), batches=[1, 4, 16, 64], terms=Terms())
    speeds = [point.per_user for point in found.frontier]
    dollars = [point.usd_per_million for point in found.frontier]
    assert speeds == sorted(speeds, reverse=True)
    assert dollars == sorted(dollars, reverse=True)
    best = {
        point.batch: min(p.usd_per_million for p in found.points if p.batch == point.batch)
        for point in found.points
    }
    assert dollars[-1] == pytest.approx(min(best.values()), rel=1e-3)


def test_a_kind_without_a_price_is_not_passed_over_in_silence(mixtral):
    with pytest.raises(UndeterminedError, match="no price is known for `gh200-144gb`"):
        sweep(mixtral, fleets_of("2xh100,gh200-144gb", None, None, True), batches=[1], terms=Terms())
