"""What is said of the steps: which kernels computed attention."""

import pytest

from moecalc.profile.measure.notes import attention_notes


@pytest.mark.parametrize(
    ("kernels", "notes"),
    [
        ([("prefill", ()), ("decode", ())], []),
        ([("prefill", ("flash",)), ("decode", ("flash",))], ["attention ran as flash"]),
        (
            [("prefill", ("flash",)), ("decode", ("flex",)), ("decode", ("matmuls", "flex"))],
            ["attention in prefill ran as flash", "attention in decode ran as flex and matmuls"],
        ),
        ([("prefill", ("flash",)), ("decode", ())], ["attention in prefill ran as flash"]),
    ],
    ids=["nobody-looked", "alike", "by-phase", "one-phase"],
)
def test_notes_name_each_kernel_once(kernels, notes):
    assert attention_notes(kernels) == notes
