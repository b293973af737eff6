"""Plans that cut a quantization block, against what engines refused to load in public reports."""

import pytest

from moecalc.api.loading import load
from moecalc.api.model import Model
from moecalc.api.precision import precision_for
from moecalc.calc.deploy.blocks import cut_blocks, whole_blocks
from moecalc.calc.deploy.shares import Shares
from moecalc.specs.plan import Plan


def model(name: str) -> Model:
    found = load(name)
    assert isinstance(found, Model)
    return found


REPORTED = [
    # name, recipe, plan, the width the engine printed (None: it loaded)
    (
        "minimax-m2",
        "released",
        Plan(tensor=8),
        192,
    ),  # vllm-project/vllm pull request 48173: M2.7, same shapes
    ("minimax-m2", "released", Plan(tensor=4), None),  # the same: "TP=4 -> 384 works"
    (
        "minimax-m2",
        "released",
        Plan(tensor=8, expert=8),
        None,
    ),  # recipes of M2.5 with --enable-expert-parallel
    ("qwen3-235b-a22b", "fp8-block128", Plan(tensor=8), 192),  # SGLang: Qwen3-235B FP8, 1536/8; TP 4 loads
    ("qwen3-235b-a22b", "fp8-block128", Plan(tensor=4), None),
    ("qwen3-235b-a22b", "fp8-block128", Plan(tensor=8, expert=8), None),  # 8x L40S, vLLM 0.10.2
    (
        "qwen3-coder-480b-a35b",
        "fp8-block128",
        Plan(tensor=8),
        320,
    ),  # vllm-project/recipes, Qwen3-Coder-480B-A35B
    ("deepseek-r1", "released", Plan(tensor=32), 576),  # sgl-project/sglang issues 3345, 3491: 18432/32
    ("deepseek-r1", "released", Plan(tensor=16), None),  # two machines of 8, the usual deployment
    ("deepseek-r1", "released", Plan(tensor=8), None),
]


@pytest.mark.parametrize(("name", "recipe", "plan", "printed"), REPORTED)
def test_what_engines_refused_is_a_cut_block(name: str, recipe: str, plan: Plan, printed: int | None) -> None:
    found = model(name)
    cuts = cut_blocks(Shares(found.ledger, plan), precision_for(found, recipe))
    assert {cut.block for cut in cuts} == (set() if printed is None else {128})
    assert printed is None or printed in {cut.share for cut in cuts}


def test_sizes_that_cut_none_are_named() -> None:
    # Qwen3-235B FP8: a report names 1, 2, 3, 4, 6 and 12 by the experts alone; 64 heads and 4 key-value heads allow
    # three of them.
    found = model("qwen3-235b-a22b")
    assert whole_blocks(found.ledger, precision_for(found, "fp8-block128")) == [1, 2, 4]


def test_groups_along_the_inputs_are_cut_too() -> None:
    # Qwen3-30B-A3B: moe_intermediate_size 768, in AWQ groups of 128 (config.json of QuixiAI/Qwen3-30B-A3B-AWQ).
    found = model("qwen3-30b-a3b")
    cuts = cut_blocks(Shares(found.ledger, Plan(tensor=4)), precision_for(found, "awq"))
    assert [(cut.role, cut.share, cut.block) for cut in cuts] == [("routed.down", 192, 128)]


@pytest.mark.parametrize("recipe", ["bf16", "fp8", "q4_k_m"])
def test_formats_without_blocks_of_rows_are_never_cut(recipe: str) -> None:
    found = model("qwen3-30b-a3b")
    cuts = cut_blocks(Shares(found.ledger, Plan(tensor=1)), precision_for(found, recipe))
    assert cuts == []
