"""Coefficients of a device from its steps: found again where they made the steps, and never below nothing."""

import datetime as dt

import msgspec
import pytest

from moecalc.api.speed import speed
from moecalc.calc.speed.calibrated import calibrate, expect_calibrated, left_out, weakness
from moecalc.calc.speed.expectation import NoExpectation
from moecalc.calc.speed.profiled import ceilings_of, profiled
from moecalc.specs.runs import Ceilings, Point, Run, RunDevice, Timing

CEILINGS = Ceilings(
    copy_bytes_per_second=50.0,
    read_bytes_per_second=100.0,
    flops_per_second=1000.0,
    dtype="fp32",
    buffer_bytes=1,
    matmul_size=1,
)
STEPS = ((100, 1, 7), (400, 10_000, 7), (900, 90_000, 14), (50, 500, 28), (3000, 20, 3), (10, 7000, 9))


def point(moved, flops, operations, seconds, phase="decode"):
    return Point(
        phase=phase,
        batch=1,
        tokens=8,
        timing=Timing(seconds=seconds, low_seconds=seconds, high_seconds=seconds, repeats=3, clock="told"),
        weight_bytes=moved / 2,
        state_bytes=moved / 2,
        flops=flops,
        operations=operations,
    )


def truth(moved, flops, operations, memory=1.3, compute=2.0, each=0.01):
    return memory * moved / 100 + compute * flops / 1000 + each * operations


def run(model, points, device="a"):
    return Run(
        moecalc="0",
        model=model,
        source="test",
        date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        seed=0,
        runner="moecalc",
        dtype="fp32",
        layers="whole",
        prompt=8,
        context=8,
        batches=(1,),
        routing="uniform",
        repeats=3,
        device=RunDevice(kind="cpu", name=device, system="s", python="3", torch="2"),
        ceilings=CEILINGS,
        figures=(),
        points=tuple(points),
    )


EXACT = tuple(point(*step, truth(*step)) for step in STEPS)


def test_the_coefficients_that_made_the_steps_are_found_again():
    found = calibrate(EXACT, CEILINGS)
    decode = found.phases["decode"]
    assert (found.dtype, found.bytes_per_second, found.flops_per_second) == ("fp32", 100.0, 1000.0)
    assert decode.memory == pytest.approx(1.3)
    assert decode.compute == pytest.approx(2.0)
    assert decode.operation_seconds == pytest.approx(0.01)
    assert decode.median_error == pytest.approx(0, abs=1e-9)
    assert "prefill" not in found.phases


def test_no_coefficient_is_below_nothing():
    shrinking = [point(*step, max(0.001, truth(*step, each=-0.02))) for step in STEPS]
    decode = calibrate(shrinking, CEILINGS).phases["decode"]
    assert min(decode.memory, decode.compute, decode.operation_seconds) >= 0


def test_one_point_fits_one_coefficient_and_nobody_knows_how_wrong():
    decode = calibrate(EXACT[:1], CEILINGS).phases["decode"]
    assert sorted((decode.memory > 0, decode.compute > 0, decode.operation_seconds > 0)) == [
        False,
        False,
        True,
    ]
    assert (decode.median_error, decode.low, decode.high) == (None, None, None)


def test_steps_that_no_coefficients_explain_are_missed_when_left_out():
    wild = [*EXACT[:-1], point(*STEPS[-1], 3 * truth(*STEPS[-1]))]
    decode = calibrate(wild, CEILINGS).phases["decode"]
    assert decode.high > 1.5


def test_a_run_is_predicted_by_runs_of_other_models_on_its_device():
    runs = {
        "one.json": run("one", EXACT[:4]),
        "two.json": run("two", EXACT[4:]),
        "far.json": run("far", EXACT, "b"),
    }
    found = left_out(runs)
    assert {name for name, _, _ in found} == {"one.json", "two.json"}  # nothing else ran where `far` did
    of_two = [(point, seconds) for name, point, seconds in found if name == "two.json"]
    assert all(seconds == pytest.approx(point.timing.seconds) for point, seconds in of_two)


def test_the_line_of_stored_runs_names_models_devices_and_files():
    (line,) = profiled({"one.json": run("one", EXACT), "two.json": run("two", EXACT)})
    assert (line.regime, line.judged.rows, line.target) == ("profile-decode", 12, 0.10)
    assert line.judged.models == ("one", "two")
    assert line.judged.devices == ("a",)
    assert line.sources == ("one.json", "two.json")
    assert line.judged.median_error == 0


def test_a_single_run_predicts_nothing_but_its_ceilings_are_counted():
    slow, fast = point(100, 0, 1, 1.5), point(100, 0, 1, 0.5)
    runs = {"one.json": run("one", (slow, fast))}
    assert profiled(runs) == ()
    (count,) = ceilings_of(runs)
    assert (count.regime, count.rows) == ("profile-decode", 2)
    assert count.beaten == ("one.json decode batch 1 of 8",)


def test_few_points_and_wide_misses_are_called_weak():
    of = calibrate([point(*step, truth(*step)) for step in STEPS], CEILINGS).phases["decode"]
    assert (of.points, weakness(of)) == (6, "")
    assert "fewer than 6 points" in weakness(msgspec.structs.replace(of, points=5))
    assert "more than 20%" in weakness(msgspec.structs.replace(of, median_error=0.21))
    assert "more than 50%" in weakness(msgspec.structs.replace(of, high=1.51))
    assert "more than 50%" in weakness(msgspec.structs.replace(of, low=0.49))


def test_a_step_whose_repeats_do_not_agree_makes_a_fit_weak():
    points = [point(*step, truth(*step)) for step in STEPS]
    quick = msgspec.structs.replace(points[0].timing, low_seconds=points[0].timing.seconds / 1.21)
    points[0] = msgspec.structs.replace(points[0], timing=quick)
    of = calibrate(points, CEILINGS).phases["decode"]
    assert of.disturbed == 1
    assert weakness(of).startswith(
        "1 of 6 steps disturbed: their median is more than 20% above their fastest"
    )


def test_nothing_is_expected_faster_than_the_ceilings_that_a_run_measured():
    """Coefficients of steps that were faster than the run's ceilings say that these are none."""
    fast = calibrate(
        [point(*step, truth(*step, memory=0.5, compute=0.5, each=0)) for step in STEPS], CEILINGS
    )
    slow = calibrate([point(*step, truth(*step)) for step in STEPS], CEILINGS)
    bound = speed("llama-3.1-8b", "h100").roofline
    refused = expect_calibrated(fast, "a", "decode", bound, 1, 128)
    assert isinstance(refused, NoExpectation)
    assert "less than" in refused.reason
    expected = expect_calibrated(slow, "a", "decode", bound, 1, 128)
    assert expected.seconds > bound.decode(1, 128).seconds
