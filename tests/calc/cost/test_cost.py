"""The arithmetic of costs by hand: outlay, energy, requests, pools, break-even."""

from decimal import Decimal

import pytest

from moecalc.calc.cost.buying import break_even
from moecalc.calc.cost.energy import Draw, energy
from moecalc.calc.cost.figure import Figure, added
from moecalc.calc.cost.outlay import Outlay, owned
from moecalc.calc.cost.request import split
from moecalc.specs.request import parse_request

SECONDS = Figure(ceiling=1800.0, least=900.0, expected=3600.0, low=2700.0, high=7200.0)


def test_rent_is_paid_busy_or_not():
    rent = Outlay(standing_usd_per_hour=Decimal("23.60"))
    assert rent.usd(1800.0) == Decimal("11.80")
    half = Outlay(standing_usd_per_hour=Decimal("23.60"), busy=Decimal("0.5"))
    assert half.usd(1800.0) == Decimal("23.60")
    assert rent.usd_per_day == half.usd_per_day == Decimal("566.40")


def test_own_hardware_is_written_off_and_draws_power_while_it_works():
    # 8 x $30,000 over 40,000 hours; 8 x 700 W x $0.12 per kWh
    standing, working = owned(Decimal(30_000), 8, Decimal(40_000), Decimal(5600), Decimal("0.12"))
    assert (standing, working) == (6, Decimal("0.672"))
    own = Outlay(standing_usd_per_hour=standing, working_usd_per_hour=working, busy=Decimal("0.6"))
    assert own.usd(3600.0) == Decimal("10.672")  # 6 / 0.6 + 0.672
    assert own.usd_per_day == 24 * (6 + Decimal("0.6") * Decimal("0.672"))


def test_energy_and_carbon():
    used = energy(SECONDS, Draw(Decimal(1400), ""), Decimal(400))
    assert used.watt_hours.ceiling == 700  # 1.4 kW for half an hour
    assert used.grams_co2 is not None
    assert used.grams_co2.ceiling == 280
    assert used.watt_hours.expected == 1400
    assert energy(SECONDS, Draw(Decimal(1400), ""), None).grams_co2 is None


def test_hosts_and_the_site_draw_too():
    # 8 x (700 + 575) W x 1.2 for half an hour: a machine of 10.2 kW, of which the devices are 5.6
    draw = Draw(Decimal(5600), "", host_watts=Decimal(4600), pue=Decimal("1.2"))
    assert draw.site_watts == 12_240
    assert energy(SECONDS, draw, None).watt_hours.ceiling == 6120


def test_ceiling_and_expectation_never_mix():
    known = Figure(ceiling=1.0, least=0.5, expected=2.0, low=1.5, high=4.0)
    assert added(known, known) == Figure(ceiling=2.0, least=1.0, expected=4.0, low=3.0, high=8.0)
    unknown = Figure(ceiling=1.0, least=0.5)
    assert added(known, unknown) == Figure(
        ceiling=2.0, least=1.0
    )  # no expectation of a part, none of the whole


@pytest.mark.parametrize(
    ("prefill", "decode", "parts", "idle"),
    [
        (1.0, 1.0, (1, 1), 0),
        (1.0, 3.0, (1, 3), 0),
        (2.0, 3.0, (2, 3), 0),
        # 1 + 2 of 0.35 + 0.65: prefill takes 0.35, decode 0.325; idle 1 - 1 / (3 x 0.35)
        (0.35, 0.65, (1, 2), 1 - 1 / 1.05),
        (0.001, 1.0, (1, 15), 1 - 1.001 / (16 / 15)),  # 16 deployments at most
    ],
)
def test_two_pools_are_split_as_the_mix_asks(prefill, decode, parts, idle):
    found = split(prefill, decode)
    assert (found.prefill, found.decode) == parts
    assert found.idle == pytest.approx(idle, abs=1e-12)
    assert found.seconds == pytest.approx((prefill + decode) / (1 - idle), rel=1e-12)
    assert found.prefill_share == pytest.approx(prefill / (prefill + decode), rel=1e-12)


def test_a_split_never_beats_the_work_it_splits():
    for decode in (0.01, 0.3, 1.0, 2.7, 50.0):
        found = split(1.0, decode)
        slower = max(1.0 / found.prefill, decode / found.decode)
        assert found.seconds == pytest.approx((found.prefill + found.decode) * slower, rel=1e-12)
        assert found.seconds >= 1.0 + decode - 1e-12


def test_break_even_by_hand():
    mix = parse_request("in=3000,out=1000")
    # $240 a day against $0.002 a request: 120,000 requests of 4,000 tokens
    even = break_even(mix, Decimal("0.002"), Decimal(240), Figure(ceiling=0.36, least=0.18, expected=0.72))
    assert even.requests_per_day == 120_000
    assert even.tokens_per_day == 480_000_000
    # 120,000 x 0.36 s of the day's 86,400: half of what it can do; as expected, all of it
    assert float(even.load.ceiling) == pytest.approx(0.5, rel=1e-12)
    assert float(even.load.expected) == pytest.approx(1.0, rel=1e-12)


def test_break_even_of_several_deployments_is_their_volume_at_the_same_load():
    mix = parse_request("in=3000,out=1000")
    one = break_even(mix, Decimal("0.002"), Decimal(240), Figure(ceiling=0.36, least=0.18))
    four = break_even(mix, Decimal("0.002"), Decimal(240), Figure(ceiling=0.36, least=0.18), 4)
    assert four.tokens_per_day == 4 * one.tokens_per_day
    assert float(four.load.ceiling) == pytest.approx(float(one.load.ceiling), rel=1e-15)
    assert four.load.expected is None
