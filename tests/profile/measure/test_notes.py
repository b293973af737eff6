"""What is said of a run beside its figures."""

from pathlib import Path

from msgspec.structs import replace

from moecalc.profile.measure.notes import notes_of
from moecalc.profile.measure.steps import Sample
from moecalc.specs.runs import read

CPU = read(Path(__file__).parents[2] / "validation" / "runs" / "cpu-gpt2.json").device
SAMPLE = Sample(parameters=10, weight_bytes=40 * 2**20, steps=())


def said(sample: Sample = SAMPLE, device=CPU, dtype: str = "bf16", quant: str | None = None) -> list[str]:
    return list(notes_of(sample, device, dtype, quant))


def test_nothing_where_nothing_is_odd():
    assert said() == []
    assert said(device=replace(CPU, cache_bytes=39 * 2**20, float32_matmul="highest"), dtype="fp32") == []


def test_small_weights_are_read_from_the_cache():
    (note,) = said(device=replace(CPU, cache_bytes=50 * 2**20))
    assert "40.0 MiB" in note
    assert "50.0 MiB" in note
    assert "not flushed" in note


def test_fp32_that_is_multiplied_as_less():
    device = replace(CPU, float32_matmul="high")
    (note,) = said(device=device, dtype="fp32")
    assert "`high`" in note
    assert said(device=device) == []


def test_steps_that_were_not_captured_and_operations_that_were_not_counted():
    sample = replace(SAMPLE, remarks=("no CUDA graph: why",), uncounted=("aten.mv",))
    assert said(sample) == ["FLOPs of these operations are not counted: aten.mv", "no CUDA graph: why"]


def test_eight_bits_are_made_dense():
    (note,) = said(quant="int8")
    assert "dense in bf16" in note
    assert "bounds of that arithmetic" in note
