"""`moecalc profile` at the command line: one table at any width, JSON by its schema, run files that others read."""

import json

import jsonschema
import pytest
from msgspec.structs import replace

from moecalc.cli import profile as profile_command
from moecalc.errors import InputError
from moecalc.profile.measure import profiling
from moecalc.render.profile import profile_markdown, profile_text
from moecalc.specs import runs
from tests.console import ROOT, run
from tests.profile.measure.models import MIXTURE

SCHEMA = json.loads((ROOT / "moecalc" / "render" / "report.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("profile")
    (place / "config.json").write_text(json.dumps(MIXTURE))
    return place


@pytest.fixture(scope="module")
def answer(folder):
    options = "--cpu --prompt 32 --context 48 --batch 1,2 --repeat 3 --calibrate --json"
    return run(f"moecalc profile {folder / 'config.json'} {options} --save {folder / 'run.json'}", 100)


@pytest.fixture(scope="module")
def stored(answer, folder):
    return runs.read(folder / "run.json")


def test_json_has_both_computed_and_measured(answer, stored):
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    jsonschema.validate(found, SCHEMA)
    lines = {line["id"]: line for line in found["models"][0]["lines"]}
    assert lines["profile.parameters.computed"]["value"] == lines["profile.parameters.measured"]["value"]
    assert lines["profile.decode.seconds.batch_2.measured"]["basis"] == "measured"
    verdicts = {(line["id"], line["batch"]): line["verdict"] for line in found["verdicts"]}
    assert verdicts["decode.flops", 2] == "exact"
    assert found["run"] == json.loads(runs.encode(stored))


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_the_table_keeps_to_the_width_and_has_every_figure(stored, columns):
    text = profile_text(stored, columns)
    assert max(map(len, text.splitlines())) <= columns
    assert text.count("experts touched") == 3
    assert all(figure.label in text for figure in stored.figures)
    assert "calibrated" in text


def test_markdown_has_the_same_rows(stored):
    text = profile_markdown(stored)
    assert all(figure.label in text for figure in stored.figures)


def test_speed_takes_the_device_and_the_expectation_from_the_run(folder, stored):
    """A calibrated run is in the format that the model is stored in, unless another was asked for."""
    asked = (
        f"moecalc speed {folder / 'config.json'} --calibration {folder / 'run.json'} --context 48 --batch 2"
    )
    assert stored.dtype == "bf16"
    found = run(f"{asked} --json", 100)
    assert found.returncode == 0, found.stderr
    made = json.loads(found.stdout)["speed"]
    assert made["fleet"] == stored.device.name
    expected = made["expectations"]["decode"]
    assert expected["regime"] == "calibrated-decode"
    assert expected["seconds"] > 0


def test_speed_refuses_a_calibration_in_another_dtype_or_beside_a_gpu(folder, answer):
    assert answer.returncode == 0
    other = run(f"moecalc speed llama-13b --calibration {folder / 'run.json'}", 100)
    assert other.returncode == 2
    assert "the run was in bf16" in other.stderr
    assert "--cpu --dtype fp16 --calibrate" in other.stderr
    both = run(f"moecalc speed llama-3.1-8b --gpu h100 --calibration {folder / 'run.json'}", 100)
    assert both.returncode == 2
    assert "leave `--gpu`" in both.stderr


def test_accuracy_folds_stored_runs_in(folder, stored, tmp_path):
    runs.write(tmp_path / "one.json", stored)
    other = type(stored)(
        **{name: getattr(stored, name) for name in stored.__struct_fields__} | {"model": "two"}
    )
    runs.write(tmp_path / "two.json", other)
    found = run(f"moecalc accuracy --runs {tmp_path}", 120)
    assert found.returncode == 0, found.stderr
    assert "profile-decode" in found.stdout
    assert "runs: one.json, two.json" in found.stdout
    empty = tmp_path / "none"
    empty.mkdir()
    assert run(f"moecalc accuracy --runs {empty}", 120).returncode == 2


def test_a_length_beyond_the_trained_one_is_warned_of(folder):
    asked = f"moecalc profile {folder / 'config.json'} --cpu --prompt 8 --repeat 1 --layers kinds"
    found = run(f"{asked} --context 600", 100)
    assert found.returncode == 0, found.stderr
    assert "warning: context 600 is beyond the trained length of 512" in found.stderr
    assert "ratio: measured / computed" in " ".join(found.stdout.split())


def test_files_are_checked_before_anything_is_run(monkeypatch, tmp_path, folder):
    from moecalc.cli import profile as command
    from moecalc.profile.measure import profiling

    monkeypatch.setattr(profiling, "profile", lambda *_: pytest.fail("ran"))
    for options in ({"save": f"{tmp_path}"}, {"trace": f"{tmp_path / 'none' / 'trace.json'}"}):
        with pytest.raises(InputError, match="cannot write"):
            command.command(f"{folder / 'config.json'}", cpu=True, **options)


def test_accuracy_counts_a_run_once_and_says_which_model_is_alone(stored, tmp_path):
    runs.write(tmp_path / "one.json", stored)
    runs.write(tmp_path / "again.json", stored)
    found = run(f"moecalc accuracy --runs {tmp_path} --json", 120)
    assert found.returncode == 0, found.stderr
    assert "`one.json` is the same run as `again.json`: counted once" in found.stderr
    assert f"there are runs of `{stored.model}` alone" in found.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--cpu --gpu 0", "exclude"),
        ("--cpu --dtype int4", "cannot be run"),
        ("--cpu --batch x", "is not a number of sequences"),
        ("--cpu --routing zipf", "exponent"),
        ("--cpu --context 0", "0"),
        ("--cpu --save /no/such/folder/run.json", "no folder `/no/such/folder`"),
        ("--cpu --save .", "is a directory"),
        ("--cpu --trace /no/such/folder/trace.json", "cannot write `--trace"),
        ("--cpu --seed -1", "`--seed` is -1"),
        ("--cpu --json --markdown", "exclude"),
    ],
)
def test_bad_options_are_one_clear_error(folder, options, words):
    found = run(f"moecalc profile {folder / 'config.json'} --prompt 8 --context 8 {options}", 100)
    assert found.returncode == 2, found.stdout
    assert words in found.stderr
    assert "Traceback" not in found.stderr
    assert not found.stdout


@pytest.mark.parametrize(("figure", "code"), [("parameters", 1), ("prefill.peak_bytes", 0)])
def test_what_has_to_be_equal_and_is_not_fails(monkeypatch, capsys, figure, code):
    """Of memory, an estimate, a miss is said and fails nothing."""
    stored = runs.read(ROOT / "tests/validation/runs/cpu-gpt2.json")
    wrong = [replace(one, measured=one.measured * 1.5) if one.id == figure else one for one in stored.figures]
    monkeypatch.setattr(profiling, "profile", lambda *_: replace(stored, figures=tuple(wrong)))
    assert profile_command.command("gpt2", cpu=True) == code
    assert ("not equal" if code else "outside") in capsys.readouterr().out
