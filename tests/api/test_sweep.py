"""What a sweep picks under limits: held equal to `speed` at the same batch, and to every other point."""

import pytest

import moecalc
from moecalc.calc.speed.expectation import Expected, NoExpectation
from moecalc.calc.speed.speculation import BATCHES, shown_batches
from moecalc.errors import InputError

LIMITS = "ttft<1s,tpot<30ms"


def swept(slo=LIMITS, gpus="h100,h200,mi300x", **more):
    return moecalc.sweep("llama-3.1-70b", gpus, quant="fp8", slo=slo, **more)


def one_point(point, **more):
    plan = {"tp": point.on.plan.tensor}
    return moecalc.speed(
        "llama-3.1-70b", point.on.fleet.replace(" ", ""), plan=plan, quant="fp8", batch=point.batch, **more
    )


@pytest.mark.parametrize("prompt", [None, 1024])
def test_the_pick_is_expected_to_do_what_speed_expects_of_it(prompt):
    pick = swept(prompt=prompt).as_expected
    one = one_point(pick.point, prompt=prompt, served=True)
    assert pick.point.expected == one.decode.expected
    assert pick.point.expected_ttft == one.first.expected
    assert isinstance(pick.loaded, Expected)
    assert pick.loaded == one.loaded


def test_a_request_alone_and_the_ceiling_have_no_queue():
    assert swept(batches=[1]).as_expected.loaded is None
    assert swept().at_ceiling.loaded is None


def test_devices_that_nothing_is_expected_of_are_named():
    found = swept()
    assert list(found.left_out) == ["mi300x"]
    point = next(point for point in found.points if point.on.kind == "mi300x")
    one = one_point(point, served=point.batch > 1)
    assert isinstance(one.decode.expected, NoExpectation)
    assert one.decode.expected.reason in found.left_out["mi300x"]


def test_devices_that_keep_no_limit_at_the_ceiling_are_named():
    found = swept("tpot<8ms", ["1xh100", "1xmi300x", "8xh200"], batches=[1])
    assert found.left_out == {
        "h100-sxm": "nothing on it keeps the limits even at the ceiling",
        "mi300x": "nothing on it keeps the limits even at the ceiling",
    }
    assert found.as_expected.point.on.kind == "h200-sxm"
    assert swept("tpot<1us").left_out == {}


def test_the_high_end_of_the_interval_is_held_where_it_is_asked_for():
    middle, high = swept().as_expected, swept(f"high:{LIMITS}").as_expected
    assert middle.point.expected.high_seconds > 0.03  # else this pick could not tell the two apart
    assert not high.misses
    assert high.point.expected.high_seconds <= 0.03
    assert high.point.expected_ttft.high_seconds <= 1
    assert high.point.expected_usd_per_million > middle.point.expected_usd_per_million


@pytest.mark.parametrize(
    ("most", "asked", "shown"),
    [
        (166, 1, (1, 4, 16, 64, 166)),
        (64, 10, (1, 4, 10, 16, 64)),
        (3, 8, (1, 3, 8)),
        (None, 2, (2,)),
        (10**6, 1, BATCHES),
    ],
)
def test_speculation_is_shown_as_far_as_sequences_fit(most, asked, shown):
    assert shown_batches(most, asked) == shown


def test_speculation_at_named_batches():
    found = moecalc.speed("deepseek-v3", "8xh200", speculate=1, accept=0.85, speculate_at=(2, 512))
    assert [gain.batch for gain in found.speculation.gains] == [2, 512]
    told = moecalc.as_dict(found)["speed"]["speculation"]
    assert [gain["fits"] for gain in told["gains"]] == [True, False]
    assert told["expected"]["seconds"] is None
    with pytest.raises(InputError):
        moecalc.speed("deepseek-v3", "8xh200", speculate=1, accept=0.85, speculate_at=(0,))
