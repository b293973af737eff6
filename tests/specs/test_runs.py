"""Run files: written, read back, and refused in one clear line where they are none."""

import json

import pytest

from moecalc.errors import InputError
from moecalc.specs import runs
from moecalc.specs.runs import Figure
from tests.calc.speed.test_calibrated import EXACT, run


def test_a_run_is_read_back_as_it_was_written(tmp_path):
    stored = run("one", EXACT)
    runs.write(tmp_path / "run.json", stored)
    assert runs.read(tmp_path / "run.json") == stored
    assert runs.read_all(tmp_path) == {"run.json": stored}
    assert json.loads((tmp_path / "run.json").read_text())["schema"] == "moecalc/run/1"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not a run file"),
        ("[]", "not a run file"),
        ("{}", "missing required field"),
        ("\xff", "not a run file"),
        ('{"schema": "moecalc/run/2"}', "moecalc/run/2"),
    ],
)
def test_what_is_no_run_file_is_said(tmp_path, content, words):
    file = tmp_path / "run.json"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match="run file") as caught:
        runs.read(file)
    assert words in str(caught.value)
    assert caught.value.file == str(file)


def test_a_key_that_nobody_knows_is_refused(tmp_path):
    made = json.loads(runs.encode(run("one", EXACT)))
    made["device"]["colour"] = "green"
    (tmp_path / "run.json").write_text(json.dumps(made))
    with pytest.raises(InputError, match="colour"):
        runs.read(tmp_path / "run.json")


def test_files_and_folders_that_are_not_there(tmp_path):
    for call in (
        lambda: runs.read(tmp_path / "none.json"),
        lambda: runs.read_all(tmp_path / "none"),
        lambda: runs.read_all(tmp_path),
        lambda: runs.write(tmp_path / "none" / "run.json", run("one", EXACT)),
    ):
        with pytest.raises(InputError):
            call()


@pytest.mark.parametrize(
    ("computed", "measured", "tolerance", "verdict", "ratio"),
    [
        (10, 10, 0.0, "exact", 1.0),
        (10, 11, 0.0, "outside", 1.1),
        (100, 102, 0.02, "within", 1.02),
        (100, 97, 0.02, "outside", 0.97),
        (100, 250, None, "reported", 2.5),
        (100, None, 0.0, "not measured", None),
        (None, 5, None, "reported", None),
        (0, 0, 0.0, "exact", None),
    ],
)
def test_verdicts(computed, measured, tolerance, verdict, ratio):
    figure = Figure(
        id="x", label="x", unit="bytes", computed=computed, measured=measured, tolerance=tolerance
    )
    assert (figure.verdict, figure.ratio) == (verdict, ratio)
