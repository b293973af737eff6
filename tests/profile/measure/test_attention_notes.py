"""What is said of the steps: which kernels computed attention."""

import pytest

from moecalc.profile.measure.notes import attention_notes
from moecalc.profile.measure.steps import StepPlan, StepSample
from moecalc.specs.runs import Timing

TIMING = Timing(seconds=1.0, low_seconds=1.0, high_seconds=1.0, repeats=1, clock="told")


def step(phase, *kernels, shown=True):
    plan = StepPlan(phase, 1, 16, shown)
    return StepSample(
        plan=plan,
        timing=TIMING,
        state_bytes=None,
        transient_bytes=None,
        flops=None,
        touched=None,
        kernels=kernels,
    )


@pytest.mark.parametrize(
    ("steps", "notes"),
    [
        ([step("prefill"), step("decode")], []),
        ([step("prefill", "flash"), step("decode", "flash")], ["attention ran as flash"]),
        (
            [step("prefill", "flash"), step("decode", "flex"), step("decode", "matmuls", "flex")],
            ["attention in prefill ran as flash", "attention in decode ran as flex and matmuls"],
        ),
        (
            [step("prefill", "flash"), step("decode", shown=False)],
            ["attention in prefill ran as flash"],
        ),
    ],
    ids=["nobody-looked", "alike", "by-phase", "one-phase"],
)
def test_notes_name_each_kernel_once(steps, notes):
    assert attention_notes(steps) == notes
