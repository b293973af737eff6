"""Predicted training speeds beside published ones: how far off they are is printed, and computed here."""

import re

import pytest

from moecalc.api import load
from moecalc.api.fleets import fleet_of
from moecalc.api.training import train
from moecalc.render.train import HELD_AGAINST
from moecalc.specs.training_plan import training_plan

BRIDGE = "github:NVIDIA-NeMo/Megatron-Bridge docs/performance-summary-archive.md, DGX-H100"
"""Its columns give devices, batch, sequence, plan and tokens per second of each GPU; experts are balanced by force.

Its recipes recompute single modules at most, so nothing is taken as computed again. Pieces of a pipeline that are
dealt unevenly (Qwen3 235B, DeepSeek-V3, Llama 3.1 405B) are taken as one piece for each stage.
"""

RUNS = {
    # name: devices, plan, sequences of a step, tokens of a sequence, precision, tokens/s of each GPU
    "gpt-oss-120b": (64, {"pipeline": 4, "expert": 8}, 1280, 4096, "bf16", 5993),
    "qwen3-30b-a3b": (16, {"pipeline": 2, "virtual": 12, "expert": 8}, 1024, 4096, "fp8", 5113),
    "qwen3-235b-a22b": (
        256,
        {"tensor": 2, "pipeline": 8, "expert": 32, "expert_tensor": 1},
        8192,
        4096,
        "fp8",
        1633,
    ),
    "deepseek-v3": (
        1024,
        {"tensor": 2, "pipeline": 8, "expert": 64, "expert_tensor": 1},
        8192,
        4096,
        "fp8",
        1297,
    ),
    "llama-3.1-70b": (64, {"tensor": 4, "pipeline": 8, "virtual": 5}, 256, 8192, "fp8", 1621),
    "llama-3.1-405b": (1024, {"tensor": 8, "pipeline": 8, "context": 2}, 1536, 8192, "fp8", 311),
}

MIXTRAL_FLOPS = 468 * 10**12
"""FLOP/s of each GPU, Mixtral 8x7B in bf16 with Megatron-Core 0.9 (github:NVIDIA/Megatron-LM
megatron/core/transformer/moe/README.md); the plan is the one that the same page gives for 64 H100s (of 0.8)."""


def predicted(name, gpu, plan, sequences, sequence, precision, recompute="none"):
    fleet = fleet_of(gpu)
    return train(
        name,
        fleet,
        training_plan(fleet.count, **plan),
        tokens=10**12,
        sequence=sequence,
        global_batch=sequences * sequence,
        precision=precision,
        recompute=recompute,
        mfu="predict",
    )


@pytest.fixture(scope="module")
def ratios():
    """Predicted over published, of every run."""
    found = {}
    for name, (devices, plan, sequences, sequence, precision, published) in RUNS.items():
        run = predicted(name, f"{devices}xh100", plan, sequences, sequence, precision)
        found[name] = run.batch_tokens / run.prediction.seconds / devices / published
    mixtral = predicted(
        "mixtral-8x7b", "64xh100", {"pipeline": 4, "virtual": 8, "expert": 8}, 256, 4096, "bf16"
    )
    # DeepSeek-V3's own run: 38.94% (arXiv 2505.09343, table 4), under DualPipe, which hides its all-to-alls
    own = predicted(
        "deepseek-v3",
        "2048xh800",
        {"pipeline": 16, "expert": 64},
        15_360,
        4096,
        "fp8-deepseek",
        "norm,act,mla_up_proj",
    )
    found["deepseek-v3, its authors"] = own.mfu / 0.3894
    # Llama 3.1 405B's own run: 43% (arXiv 2407.21783, table 4)
    own = predicted("llama-3.1-405b", "8192xh100", {"tensor": 8, "pipeline": 16}, 2048, 8192, "bf16")
    found["llama-3.1-405b, its authors"] = own.mfu / 0.43
    found["mixtral-8x7b"] = mixtral.mfu * mixtral.peak / MIXTRAL_FLOPS
    return found


def test_what_is_printed_of_published_runs_is_what_they_say(ratios):
    near, far = sorted(ratios.values())[:-2], sorted(ratios.values())[-2:]
    assert (len(near), len(far)) == (7, 2)
    printed = re.findall(r"\d+\.\d+", HELD_AGAINST)
    assert printed == [f"{near[0]:.1f}", f"{near[-1]:.1f}", f"{far[0]:.1f}", f"{far[1]:.1f}"]


def test_the_runs_that_are_far_off_have_the_fewest_active_parameters(ratios):
    by_active = sorted(ratios, key=lambda name: load(name.split(",")[0]).params.active())
    assert set(by_active[:2]) == set(sorted(ratios, key=ratios.get)[-2:])
