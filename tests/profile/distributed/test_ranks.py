"""Two gloo processes on the CPU, against one network that holds everything and against the calculator."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from moecalc.calc.deploy.sharding import split_ledger
from moecalc.calc.memory import state_bytes
from moecalc.calc.speed.communication import hidden_size, transfers
from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger
from tests.console import ROOT
from tests.profile.distributed.ranks import BATCH, CASES, PROMPT, architecture_of

FP32 = 4
RANKS = 2
TOKENS = {"prefill": BATCH * PROMPT, "decode": BATCH}

Findings = list[dict[str, Any]]


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> Findings:
    """What both ranks found."""
    folder: Path = tmp_path_factory.mktemp("ranks")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.profile.distributed.ranks", str(rank), str(RANKS), str(folder)],
            cwd=ROOT,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(RANKS)
    ]
    try:
        said = [process.communicate(timeout=240)[1] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0] * RANKS, said
    return [json.loads((folder / f"rank{rank}.json").read_text(encoding="utf-8")) for rank in range(RANKS)]


def language(case: str) -> Ledger:
    ledger = architecture_of(case).lower_to_ledger()
    weights = tuple(w for w in ledger.weights if w.component is Component.LANGUAGE)
    return Ledger(weights, ledger.ops, tuple(s for s in ledger.states if s.component is Component.LANGUAGE))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("step", ["prefill", "decode"])
def test_the_ranks_compute_what_one_device_computes(found, case, step):
    for of in found:
        assert of[case][step]["largest"] > 0.1
        # fp32 sums in another order: a few units in the last place of the largest logit.
        assert of[case][step]["difference"] < 1e-5 * of[case][step]["largest"]


@pytest.mark.parametrize("case", CASES)
def test_each_rank_holds_what_the_plan_says(found, case):
    rank = split_ledger(language(case), CASES[case][2])
    elements = sum(int(weight.elements) for weight in rank.weights)
    state = state_bytes(rank, PROMPT + 1, "fp32", BATCH)
    for of in found:
        assert of[case]["parameters"] == elements
        assert of[case]["state_bytes"] == state
    assert elements < sum(int(weight.elements) for weight in language(case).weights)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("step", ["prefill", "decode"])
def test_bytes_counted_are_bytes_computed(found, case, step):
    plan, ledger = CASES[case][2], language(case)
    computed = {t.name: t for t in transfers(plan, ledger, TOKENS[step] * plan.replicas, FP32)}
    for of in found:
        sent = of[case][step]["sent"]
        kinds = {name for name in sent if not name.startswith(("all-gather", "all-to-all of"))}
        assert kinds == set(computed)
        for name, transfer in computed.items():
            assert sent[name][0] == transfer.times
            if name == "all-reduce":
                assert sent[name][1] == transfer.sent_bytes


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case][2].data > 1])
@pytest.mark.parametrize("step", ["prefill", "decode"])
def test_a_token_goes_once_to_each_rank_that_has_one_of_its_experts(found, case, step):
    ledger = language(case)
    experts = max(int(weight.pool.experts) for weight in ledger.weights if weight.pool)
    vector = int(hidden_size(ledger)) * FP32
    away = [0, 0]
    for rank, of in enumerate(found):
        for layer in of[case][step]["chosen"]:
            owners = [{expert // -(-experts // RANKS) for expert in token} for token in layer]
            away[rank] += sum(len(ranks - {rank}) for ranks in owners)
    for of in found:  # its own tokens there, and the other rank's back
        assert of[case][step]["sent"]["all-to-all"][1] == sum(away) * vector
    assert sum(away) > 0


def test_the_gather_of_logits_is_counted_apart(found):
    sent = found[0]["llama"]["decode"]["sent"]["all-gather of logits"]
    vocabulary = architecture_of("llama").embedding.vocab_size
    assert sent == [1, BATCH * vocabulary / RANKS * FP32]
