"""`torchrun -m moecalc profile --tp 2`, as it is typed, and what is said where it cannot be."""

import json
import os
import subprocess
import sys

import jsonschema
import pytest

from moecalc.api.loading import load
from moecalc.cli import ranks
from moecalc.errors import EXIT_BAD_INPUT, InputError
from moecalc.profile.measure.asked import Asked
from moecalc.render.ranks import ranks_markdown, ranks_text
from moecalc.specs.ranks_run import Exchanged, Held, Link, RanksRun
from moecalc.specs.runs import Timing
from tests.console import ROOT
from tests.oracle.families.mixtral import TINY


@pytest.fixture
def config(tmp_path) -> str:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**TINY, "max_position_embeddings": 512}), encoding="utf-8")
    return str(path)


def torchrun(processes: int, *words: str) -> subprocess.CompletedProcess[str]:
    launcher = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        f"{processes}",
        "-m",
        "moecalc",
    ]
    return subprocess.run(
        [sys.executable, *launcher, "profile", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_two_processes_hold_and_send_what_is_computed(config):
    sizes = ("--prompt", "8", "--context", "16", "--batch", "2", "--repeat", "3", "--dtype", "fp32")
    done = torchrun(2, config, "--cpu", "--tp", "2", *sizes, "--json")
    assert done.returncode == 0, done.stderr
    schema = json.loads((ROOT / "moecalc" / "render" / "report.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(json.loads(done.stdout))
    run = json.loads(done.stdout)["sharded_run"]
    assert (run["plan"], run["ranks"], run["backend"]) == ("--tp 2", 2, "gloo")
    for held in ("parameters", "weight_bytes", "state_bytes"):
        assert run[held]["ranks"] == [run[held]["computed"]] * 2
    reduces = [entry for entry in run["exchanged"] if entry["name"] == "all-reduce"]
    assert [entry["phase"] for entry in reduces] == ["prefill", "decode"]
    for entry in reduces:
        assert entry["counted_bytes"] == entry["computed_bytes"] > 0
    assert all(entry["seconds"] > 0 for entry in run["exchanged"])
    assert [link["kind"] for link in run["links"]] == ["all-reduce", "all-gather"]
    assert all(link["bytes_per_second"] > 0 < link["start_seconds"] for link in run["links"])
    large = 2**24
    assert [link["sent_bytes"] for link in run["links"]] == [
        large,
        large // 2,
    ]  # 2 (n - 1) / n of it, and half of it
    assert run["decode"]["repeats"] == 3
    assert run["notes"] == ["attention ran as flash attention of scaled_dot_product_attention"]


def test_expert_parallelism_alone_takes_a_sequence_each_and_its_run_is_saved(config, tmp_path):
    file = tmp_path / "ranks.json"
    sizes = ("--prompt", "4", "--context", "600", "--repeat", "1", "--dtype", "fp32")
    done = torchrun(2, config, "--cpu", "--ep", "2", *sizes, "--save", str(file))
    assert done.returncode == 0, done.stderr
    shown = " ".join(done.stdout.split())
    assert "2 sequences" in shown
    assert "note: attention ran as flash attention of scaled_dot_product_attention" in shown
    assert done.stderr.count("warning: context 600 is beyond the trained length of 512") == 1
    stored = json.loads(file.read_text(encoding="utf-8"))
    assert (stored["schema"], stored["batch"], stored["ranks"]) == ("moecalc/ranks-run/1", 2, 2)
    assert stored["parameters"]["ranks"] == [stored["parameters"]["computed"]] * 2
    assert stored["decode"]["seconds"] > 0


def test_as_many_processes_as_the_plan_has_devices(config):
    done = torchrun(2, config, "--cpu", "--tp", "4", "--prompt", "4", "--context", "4")
    assert done.returncode != 0
    assert done.stderr.count("`--tp 4` is for 4 devices, and 2 run") == 1
    assert "torchrun --nproc-per-node 4" in done.stderr


def test_a_file_that_cannot_be_written_is_said_once(config, tmp_path):
    done = torchrun(2, config, "--cpu", "--tp", "2", "--save", str(tmp_path / "none" / "run.json"))
    assert done.returncode != 0
    assert done.stderr.count("cannot write `--save") == 1


@pytest.mark.parametrize("rank", [None, "0", "1"])
def test_another_rank_exits_with_the_code_and_says_nothing(monkeypatch, rank):
    for name, value in (
        ("RANK", rank),
        ("LOCAL_RANK", rank),
        ("WORLD_SIZE", "2"),
        ("MASTER_ADDR", "localhost"),
    ):
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)

    @ranks.said_once
    def command(**_: object) -> int:
        raise InputError("no such model")

    if rank == "1":
        assert command(tp=2) == EXIT_BAD_INPUT
    else:
        with pytest.raises(InputError):
            command(tp=2)


def test_many_processes_without_a_plan_are_refused(monkeypatch):
    words = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1"}
    for name, value in words.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="2 processes") as caught:
        ranks.refuse_many()
    assert "`--tp 2`" in str(caught.value.hint)
    monkeypatch.setenv("WORLD_SIZE", "1")
    ranks.refuse_many()


def test_a_parallel_size_of_none_is_no_size(config, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(InputError, match="`--tp` is 0"):
        ranks.answer(load(config), Asked(cpu=True, prompt=8, context=8), 0, None)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "`--tp 2` is for 2 processes, and this is one"),
        ({"batches": (1, 2)}, "one batch"),
        ({"layers": "kinds"}, "one batch"),
    ],
)
def test_outside_torchrun_and_what_is_of_one_device(config, monkeypatch, asked, said):
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(InputError, match=said):
        ranks.answer(load(config), Asked(cpu=True, prompt=8, context=8, **asked), 2, None)


RUN = RanksRun(
    moecalc="0",
    model="tiny",
    source="config",
    date="2026-01-01T00:00:00+00:00",
    plan="--ep 2 --dp 2",
    ranks=2,
    backend="gloo",
    device="some processor with a name that is long",
    torch="2",
    dtype="fp32",
    batch=4,
    prompt=32,
    context=64,
    routing="uniform",
    seed=0,
    parameters=Held(computed=10, ranks=(10, 10)),
    weight_bytes=Held(computed=40, ranks=(40, 44)),
    state_bytes=Held(computed=8, ranks=(8, 8)),
    exchanged=(
        Exchanged(
            phase="decode",
            name="all-to-all",
            computed_times=6,
            computed_bytes=100.5,
            counted_times=6,
            counted_bytes=128,
            expected=True,
            seconds=0.001,
        ),
        Exchanged(phase="decode", name="all-to-all of choices", counted_times=6, counted_bytes=24),
        Exchanged(
            phase="prefill",
            name="all-reduce",
            computed_times=2,
            computed_bytes=64,
            counted_times=2,
            counted_bytes=32,
        ),
    ),
    prefill=Timing(seconds=0.02, low_seconds=0.01, high_seconds=0.03, repeats=3, clock="perf_counter"),
    decode=Timing(seconds=0.002, low_seconds=0.001, high_seconds=0.003, repeats=3, clock="perf_counter"),
    links=(Link(kind="all-to-all", bytes_per_second=1.28e6, start_seconds=1e-5, sent_bytes=2**24),),
)


@pytest.mark.parametrize("columns", [80, 120])
def test_what_differs_is_said_and_no_line_is_too_wide(columns):
    text = ranks_text(RUN, columns)
    assert max(map(len, text.splitlines())) <= columns
    (weights,) = [line for line in text.splitlines() if line.startswith("weights")]
    assert weights.endswith("40 B to 44 B  DIFFERENT") or columns == 80
    (reduce,) = [line for line in text.splitlines() if line.startswith("all-reduce ")]
    assert reduce.endswith("DIFFERENT")
    assert "expected" in text
    # 6 starts of 10 us and 128 bytes at 1.28 MB/s; a half of the step; 128 bytes in a millisecond
    (timed,) = [line.split() for line in text.splitlines() if line.startswith("all-to-all ") and "/s" in line]
    assert timed == ["all-to-all", "decode", "160", "µs", "1.00", "ms", "50.0%", "128", "kB/s"]
    assert "| all-to-all of choices | decode | - | - | 6 | 24 B | not computed |" in ranks_markdown(RUN)
