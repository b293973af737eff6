"""The fit: it reproduces what is stored, sees no row of a left-out group, and expects nothing of too little."""

import csv

import numpy as np
import pytest

from moecalc.calc.speed.accuracy import judged
from moecalc.calc.speed.expectation import LOADED
from moecalc.specs.expectations import FOLDER, Coefficient, fit, fits, left_out
from moecalc.specs.measurements import folds, measurements
from tests.accuracy import folding
from tests.accuracy.fit import GROUPS, ceilings, fitted, rounded, table
from tests.accuracy.forms import CELLS
from tests.accuracy.solver import solve

BY_NAME = {(cell.phase, cell.engine_class): cell for cell in CELLS}


@pytest.fixture(scope="module")
def served():
    return table(BY_NAME["decode", "serving"])


@pytest.fixture(scope="module")
def prefill():
    return table(BY_NAME["prefill", "serving"])


def test_recovers_what_made_the_data():
    terms = np.array([[1.0, 3.0, 0.0], [2.0, 1.0, 0.0], [5.0, 0.5, 0.0], [1.0, 9.0, 0.0]])
    found = solve(terms, terms @ [1.5, 0.25, 0], np.ones(4), np.ones(3), np.zeros(3))
    assert found == pytest.approx([1.5, 0.25, 0], rel=0.02)


def test_one_wild_measurement_does_not_move_it():
    terms = np.array([[size] for size in (1.0, 2.0, 3.0, 4.0, 5.0)])
    seconds = 1.5 * terms[:, 0]
    seconds[2] *= 50
    assert solve(terms, seconds, np.ones(5), np.ones(1), np.zeros(1)) == pytest.approx([1.5], rel=0.02)


def test_bytes_take_no_less_than_bandwidth_allows():
    terms = np.array([[1.0], [2.0]])
    assert solve(terms, 0.5 * terms[:, 0], np.ones(2), np.ones(1), np.ones(1)) == pytest.approx([1.0])


@pytest.mark.parametrize("name", sorted(BY_NAME), ids=".".join)
def test_coefficients_are_those_stored(name):
    data, stored = table(BY_NAME[name]), fit(*name)
    choice = next(
        (form, overlap)
        for form, overlap in data.choices
        if overlap == stored.overlap and [*form] == [(c.term, c.hardware) for c in stored.coefficients]
    )
    values = data.fit(choice, np.ones(len(data.rows), dtype=bool))
    again = tuple(
        Coefficient(term=term, value=rounded(value), hardware=hardware)
        for (term, hardware), value in zip(choice[0], values, strict=True)
    )
    assert [c.value for c in again] == pytest.approx([c.value for c in stored.coefficients], rel=1e-3)


@pytest.mark.parametrize("name", sorted(BY_NAME), ids=".".join)
def test_reach_is_of_the_measurements_of_each_class_of_hardware(name):
    rows = table(BY_NAME[name]).rows
    for regime, spans in fit(*name).regimes.items():
        own = [(row.hardware, row.tokens) for row in rows if row.regime == regime]
        assert spans.reach.keys() == spans.hardware.keys() == {hardware for hardware, _ in own}
        for hardware, span in spans.reach.items():
            tokens = [of for where, of in own if where == hardware]
            assert (span.low, span.high) == (min(tokens), max(tokens))


def test_the_whole_procedure_gives_what_is_stored(prefill):
    stored = [row for row in left_out() if (row.engine_class, row.fitted_on) == ("serving", "phase")]
    ids = {row.id: row for row in stored if row.regime.startswith("prefill")}
    by_device = prefill.left_out(prefill.devices)
    assert len(prefill.rows) == len(ids)
    for row, predicted in zip(prefill.rows, by_device, strict=True):
        assert predicted == pytest.approx(ids[row.id].without_device, rel=1e-3)


def test_what_is_stored_of_loaded_first_tokens_is_what_the_rule_gives():
    data = table(BY_NAME["loaded", "serving"])
    stored = {row.id: row for row in left_out() if row.regime == LOADED and row.fitted_on == "phase"}
    assert len(data.rows) == len(stored) > 200
    for row, predicted in zip(data.rows, data.left_out(data.models), strict=True):
        assert predicted == pytest.approx(stored[row.id].without_model, rel=1e-3)


def test_stored_errors_are_those_of_stored_predictions():
    for found in fits():
        rows = [
            row for row in left_out() if row.fitted_on == "phase" and row.engine_class == found.engine_class
        ]
        for regime, spans in found.regimes.items():
            assert spans.judged == judged([row for row in rows if row.regime == regime], GROUPS)


def test_folds_are_the_committed_ones(served):
    left = folds().regimes
    for regime in BY_NAME["decode", "serving"].regimes:
        rows = [row for row in served.rows if row.regime == regime]
        assert {row.model for row in rows} <= set(left[regime].models)
        assert {row.device for row in rows} <= set(left[regime].devices)


@pytest.mark.parametrize("by", ["model", "device"])
def test_no_row_of_a_left_out_group_is_seen(served, by, monkeypatch):
    groups = served.models if by == "model" else served.devices
    seen = []

    def spy(terms, seconds, *rest):
        seen.append(set(seconds.tolist()))
        return np.ones(terms.shape[1])

    monkeypatch.setattr(folding, "solve", spy)
    for group in sorted(set(groups)):
        seen.clear()
        left = groups == group
        served.choose(~left)
        hidden = {row.seconds for row, out in zip(served.rows, left, strict=True) if out}
        shown = {row.seconds for row, out in zip(served.rows, left, strict=True) if not out}
        assert seen
        assert all(values <= shown for values in seen)
        assert not any(values & (hidden - shown) for values in seen)


def test_every_measurement_of_a_fit_is_judged():
    stored = {(row.engine_class, row.id) for row in left_out() if row.fitted_on == "phase"}
    for cell in CELLS:
        for row in table(cell).rows:
            assert (cell.engine_class, row.id) in stored


def test_a_regime_with_too_few_rows_has_too_few():
    (spans,) = [fit("decode", "serving").regimes["decode-static-batch"]]
    assert spans.judged.rows == 2
    assert not spans.judged.is_enough


def test_ceilings_stored_are_those_of_today():
    with (FOLDER / "ceilings.tsv").open(encoding="utf-8", newline="") as file:
        stored = {row["id"]: row for row in csv.DictReader(file, delimiter="\t")}
    now = ceilings()
    assert stored.keys() == {limit.id for limit in now}
    for limit in now:
        row = stored[limit.id]
        assert float(row["unconditional"]) == pytest.approx(limit.unconditional, rel=1e-4)
        assert float(row["uniform"]) == pytest.approx(limit.uniform, rel=1e-4)


def test_the_refit_of_a_cell_is_the_stored_file(prefill):
    rows = [
        row
        for row in left_out()
        if row.fitted_on == "phase" and row.engine_class == "serving" and row.regime.startswith("prefill")
    ]
    again, stored = fitted(prefill, rows), fit("prefill", "serving")
    assert again.regimes == stored.regimes
    assert again.sources == stored.sources
    assert len(measurements()) > len(rows)
