"""What is said of a run beside its figures."""

from msgspec.structs import replace

from moecalc.profile.measure.notes import notes_of
from moecalc.profile.measure.steps import Sample

SAMPLE = Sample(parameters=10, weight_bytes=40, steps=())


def test_nothing_where_nothing_is_odd():
    assert list(notes_of(SAMPLE, "bf16", None)) == []


def test_operations_that_were_not_counted():
    (note,) = notes_of(replace(SAMPLE, uncounted=("aten.mv",)), "bf16", None)
    assert note == "FLOPs of these operations are not counted: aten.mv"


def test_eight_bits_are_made_dense():
    (note,) = notes_of(SAMPLE, "bf16", "int8", 32)
    assert "dense in bf16 before it is multiplied, but in steps of at most 32 tokens" in note
    assert "but in steps" not in next(notes_of(SAMPLE, "bf16", "fp8"))
    assert "bounds of that arithmetic" in note
