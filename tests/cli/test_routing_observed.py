"""`moecalc routing --observed`: files that are written, combinations that make no sense, widths."""

import json
import xml.etree.ElementTree as ET

import jsonschema
import numpy as np
import pytest

from tests.console import ROOT, run

LOADS = "tests/cli/loads.csv"


def test_files_are_written_once(tmp_path):
    command = (
        f"moecalc routing --observed {LOADS} --placement 8 --redundant 4 "
        f"--export-placement {tmp_path}/map.json --heatmap {tmp_path}/loads.svg"
    )
    assert run(command).returncode == 0
    exported = json.loads((tmp_path / "map.json").read_text())
    assert [len(layer) for layer in exported["physical_to_logical_map"]] == [16, 16]
    assert ET.fromstring((tmp_path / "loads.svg").read_text()) is not None
    again = run(command)
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_groups_stay_on_their_node(tmp_path):
    """EPLB's published example: 16 slots of 4 groups over 2 nodes of 4 GPUs."""
    done = run(
        f"moecalc routing --observed {LOADS} --placement 8 --redundant 4 --groups 4 --nodes 2 "
        f"--export-placement {tmp_path}/map.json"
    )
    assert done.returncode == 0, done.stderr
    assert "each of 4 groups of experts stays on one of 2 nodes" in done.stdout
    exported = json.loads((tmp_path / "map.json").read_text())
    for slots in exported["physical_to_logical_map"]:
        nodes = [{expert // 3 for expert in slots[at : at + 8]} for at in (0, 8)]
        assert [len(groups) for groups in nodes] == [2, 2]


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_choices_fit_the_columns(tmp_path, columns):
    rng = np.random.default_rng(0)
    choices = np.argsort(rng.gumbel(size=(200, 12, 128)), axis=-1)[:, :, :8].astype(np.int16)
    np.savez(tmp_path / "c.npz", choices=choices, starts=[0, 100])
    done = run(f"moecalc routing qwen3-30b-a3b --observed {tmp_path}/c.npz --placement 8", columns)
    assert done.returncode == 0, done.stderr
    # The table of layers is as wide as its figures: 72 columns with its last one.
    assert max(map(len, done.stdout.splitlines())) <= max(columns, 80)
    assert "made from the first half" in done.stdout.replace("\n  ", " ")


def test_what_is_not_of_the_whole_model_is_noted(tmp_path):
    choices = np.argsort(np.random.default_rng(0).random((9, 31, 8)), axis=-1)
    np.savez(tmp_path / "c.npz", choices=choices[:, :, :3])
    done = run(f"moecalc routing mixtral-8x7b --observed {tmp_path}/c.npz")
    assert "note: 31 layers recorded, 32 of `mixtral-8x7b` choose experts" in done.stdout
    assert "note: 3 choices per token recorded, `mixtral-8x7b` makes 2" in done.stdout
    np.savez(tmp_path / "whole.npz", choices=choices[:, [*range(31), 0], :2])
    assert "recorded" not in run(f"moecalc routing mixtral-8x7b --observed {tmp_path}/whole.npz").stdout


def test_a_recording_that_cannot_be_written_is_refused_before_the_model_runs(tmp_path):
    for target, said in (("x.csv", "no npz file"), ("missing/x.npz", "no such directory")):
        done = run(f"moecalc routing {tmp_path} --record prompts.txt --record-to {tmp_path}/{target}")
        assert done.returncode == 2
        assert said in done.stderr


def test_json_is_as_the_schema_says():
    done = run(f"moecalc routing --observed {LOADS} --placement 8 --redundant 4 --json")
    report = json.loads(done.stdout)
    schema = json.loads((ROOT / "moecalc/render/report.schema.json").read_text())
    jsonschema.validate(report, schema)
    assert report["observed"]["gshard_loss"] is None
    assert len(report["placement"]["physical_to_logical_map"]) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (f"--observed {LOADS} --train-demo", "exclude each other"),
        (f"--observed {LOADS} --redundant 4", "copies of experts without ranks"),
        (f"--observed {LOADS} --nodes 2", "`--nodes` without a placement"),
        (f"--observed {LOADS} --placement 8 --redundant 4 --groups 4", "`--groups` without nodes"),
        (f"--observed {LOADS} --placement 8 --redundant 4 --nodes 2", "nodes without the groups"),
        (
            f"--observed {LOADS} --placement 8 --redundant 4 --nodes 3 --groups 4",
            "do not divide among 3 nodes",
        ),
        (f"--observed {LOADS} --placement 8 --redundant 4 --nodes 0 --groups 4", "fewer than one rank"),
        (f"--observed {LOADS} --export-placement x.json", "no placement to export"),
        (f"--observed {LOADS} --heatmap x.png", "is no SVG file"),
        (f"llama-3.1-8b --observed {LOADS}", "is dense"),
        (f"mixtral-8x7b --observed {LOADS}", "the counts are of 12 experts, the model has 8"),
        (f"mixtral-8x7b --observed {LOADS} --ep 8", "`--ep` says nothing about a recording"),
        ("--train-demo --batch 4", "`--batch` says nothing about the demonstration"),
        ("--train-demo --heatmap x.svg", "`--heatmap` says nothing about the demonstration"),
        ("mixtral-8x7b --train-demo", "`mixtral-8x7b` says nothing about the demonstration"),
        ("--record prompts.txt", "no model to record"),
        ("--ep 8", "no model"),
    ],
)
def test_combinations_that_make_no_sense(options, said):
    done = run(f"moecalc routing {options}")
    assert done.returncode == 2
    assert said in done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr
