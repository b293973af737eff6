"""`moecalc accuracy` by classes of engines and hardware: what is behind one figure is shown beside it."""

from itertools import groupby
from statistics import median

import pytest

from moecalc.api.accuracy import accuracy
from moecalc.specs.expectations import ceilings, fits, left_out
from moecalc.specs.measurements import measurements


@pytest.fixture(scope="module")
def lines():
    return accuracy().regimes


def test_hardware_is_all_of_the_rows_of_its_line(lines):
    for (regime, engines), own in groupby(lines, key=lambda line: (line.regime, line.engine_class)):
        whole, *parts = own
        assert whole.hardware is None
        if parts:
            assert sum(part.judged.rows for part in parts) == whole.judged.rows, (regime, engines)
            assert len({part.hardware for part in parts}) == len(parts) > 1


def test_targets_are_of_whole_regimes_alone(lines):
    for line in lines:
        if line.target is not None:
            assert (line.engine_class, line.hardware) == ("all", None)


def test_the_fit_that_answers_without_an_engine_has_its_own_lines(lines):
    """What a user who names no engine is told on an A100 has the error of that fit on that hardware."""
    (hbm,) = (line for line in lines if (line.engine_class, line.hardware) == ("any", "hbm"))
    (fit,) = (fit for fit in fits() if fit.engine_class == "any")
    stored = fit.regimes["decode-b1-single"].hardware["hbm"]
    assert hbm.regime == "decode-b1-single"
    assert (hbm.judged.rows, hbm.judged.median_error) == (stored.rows, stored.median_error)
    (pooled,) = (
        line
        for line in lines
        if (line.regime, line.engine_class, line.hardware) == ("decode-b1-single", "any", None)
    )
    assert hbm.judged.median_error > pooled.judged.median_error  # one figure for all hardware would hide it


def test_each_line_counts_the_engines_and_sources_of_its_measurements(lines):
    for line in lines:
        assert sum(line.engine_rows.values()) == sum(line.source_rows.values()) == line.judged.rows
        assert tuple(sorted(line.source_rows)) == line.sources


def test_a_verdict_on_one_engine_says_so(lines):
    whole = {line.regime: line for line in lines if (line.engine_class, line.hardware) == ("all", None)}
    assert whole["decode-static-batch"].engine_rows == {"llama.cpp": 157, "sglang": 2}  # of the tsv, by hand
    assert (whole["decode-static-batch"].is_reached, whole["decode-static-batch"].mostly_of) == (
        True,
        "llama.cpp",
    )
    assert whole["decode-b1-tp"].mostly_of is None  # 22 of 33 of one
    assert whole["ttft-loaded"].is_reached is None


def test_every_measurement_is_judged_or_said_not_to_be():
    found = accuracy()
    judged = {row.id for row in left_out()} | {row.id for row in ceilings()}
    kept = [row.id for row in measurements()]
    assert sum(entry.rows for entry in found.not_held) == sum(name not in judged for name in kept)
    assert all(sum(entry.regimes.values()) == entry.rows for entry in found.not_held)


def test_a_factor_is_the_same_either_way(lines):
    """Of first tokens under load, recomputed: an error in percent hides how far too fast a prediction is."""
    (line,) = (line for line in lines if line.regime == "ttft-loaded" and line.hardware is None)
    off = []
    for row in left_out():
        if row.regime == "ttft-loaded" and row.fitted_on == "phase" and row.engine_class != "any":
            made = [one for one in (row.without_model, row.without_device) if one is not None]
            off += [max(one / row.measured, row.measured / one) for one in made]
    assert line.factor == pytest.approx(median(off), rel=1e-3)
    assert line.factor > 1 + line.judged.median_error
