"""The stored runs: what follows from shapes was measured to the last unit, and is what moecalc computes today."""

from pathlib import Path

import pytest

import moecalc
from moecalc.specs.runs import read_all

RUNS = read_all(Path(__file__).parent / "runs")
EXACT = ("parameters", "weight_bytes", "state_bytes", "flops")


@pytest.mark.parametrize("name", RUNS)
def test_what_follows_from_shapes_was_measured_exactly(name):
    judged = [figure for figure in RUNS[name].figures if figure.id.endswith(EXACT)]
    assert len(judged) == 2 + 2 * (1 + len(RUNS[name].batches))
    assert {figure.verdict for figure in judged} == {"exact"}


@pytest.mark.parametrize("name", RUNS)
def test_peak_memory_was_within_two_percent(name):
    peaks = [figure for figure in RUNS[name].figures if figure.id.endswith("peak_bytes")]
    assert len(peaks) == 1 + len(RUNS[name].batches)
    assert {figure.verdict for figure in peaks} == {"within"}


@pytest.mark.parametrize("name", RUNS)
def test_what_was_measured_is_what_is_computed_today(name):
    run = RUNS[name]
    model = moecalc.load(run.model)
    assert run.figure("parameters").measured == model.params.total
    for batch in run.batches:
        stored = run.figure("decode.state_bytes", batch).measured
        assert stored == model.state_bytes(run.context, batch, run.dtype)
