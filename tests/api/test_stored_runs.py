"""A folder of run files: each run once, those of other kinds named, and no figure that was not measured."""

import json

import pytest
from msgspec.structs import replace

from moecalc.api.stored_runs import stored_runs
from moecalc.errors import InputError
from moecalc.specs import runs, saved
from moecalc.specs.endpoint_run import EndpointRun
from tests.calc.speed.test_calibrated import EXACT, run

SERVED = EndpointRun(
    url="http://127.0.0.1:1", model="m", date="2026-01-01", prompt=8, output=8, levels=(), asked=(1,)
)


def test_a_run_that_is_there_twice_counts_once_whatever_its_spaces(tmp_path):
    runs.write(tmp_path / "a.json", run("one", EXACT))
    (tmp_path / "b.json").write_text(json.dumps(json.loads((tmp_path / "a.json").read_text())))
    runs.write(tmp_path / "c.json", run("two", EXACT))
    found = stored_runs(str(tmp_path))
    assert list(found.runs) == ["a.json", "c.json"]
    assert found.warnings == ("`b.json` is the same run as `a.json`: counted once",)


def test_a_model_that_is_alone_on_its_device_or_in_its_dtype_is_named(tmp_path):
    runs.write(tmp_path / "a.json", run("one", EXACT))
    runs.write(tmp_path / "b.json", replace(run("two", EXACT), dtype="fp8"))
    said = stored_runs(str(tmp_path)).warnings
    assert ["`one` alone" in said[0], "`two` alone" in said[1]] == [True, True]


def test_a_served_models_run_is_said_not_to_be_folded_in(tmp_path):
    runs.write(tmp_path / "a.json", run("one", EXACT))
    saved.write(tmp_path / "served.json", SERVED, "0")
    found = stored_runs(str(tmp_path))
    assert list(found.runs) == ["a.json"]
    assert (
        "`served.json` is a served model's run (moecalc/endpoint-run/1): not folded in" in found.warnings[0]
    )
    (tmp_path / "a.json").unlink()
    with pytest.raises(InputError, match="no runs of one device"):
        stored_runs(str(tmp_path))


@pytest.mark.parametrize("seconds", ["-1", "0", "0.0", "NaN", "null", "1e999"])
def test_seconds_that_were_not_measured_are_refused_with_file_and_field(tmp_path, seconds):
    made = json.loads(runs.encode(run("one", EXACT)))
    made["points"][1]["timing"]["seconds"] = "here"
    (tmp_path / "a.json").write_text(json.dumps(made).replace('"here"', seconds))
    with pytest.raises(InputError) as caught:
        stored_runs(str(tmp_path))
    assert caught.value.file == f"{tmp_path / 'a.json'}"
    if seconds in {"-1", "0", "0.0", "null"}:  # the others are no JSON
        assert "`$.points[1].timing.seconds`" in str(caught.value)


def test_a_file_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(InputError, match="cannot write run file"):
        saved.write(tmp_path, SERVED, "0")
