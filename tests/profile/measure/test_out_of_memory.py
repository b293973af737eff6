"""A device that runs out of memory, wherever it does: one error, and what to try."""

import re

import pytest
import torch

from moecalc.errors import InputError
from moecalc.profile.measure import profiling
from moecalc.profile.measure.asked import Asked
from moecalc.profile.measure.computing import Computed
from moecalc.profile.measure.fitting import needed_bytes
from moecalc.profile.measure.own import OwnMaker, OwnRunner
from moecalc.profile.measure.profiling import profile
from moecalc.profile.measure.steps import steps_of
from moecalc.units import format_bytes_binary
from tests.profile.measure.models import DENSE, MIXTURE, model

CUDA = torch.OutOfMemoryError(
    "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of ..."
)
LIBRARY = RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
RUNTIME = RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported ...")
CPU = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried ..."
)
NUMPY = MemoryError("Unable to allocate 12.0 GiB for an array")


def asked(**more):
    return Asked(**{"cpu": True, "prompt": 16, "context": 64, "dtype": "fp32", "repeats": 1, **more})


def failing(error):
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("error", [CUDA, LIBRARY, RUNTIME, CPU, NUMPY])
@pytest.mark.parametrize("layers", ["all", "kinds"])
def test_in_a_step_half_the_batch_is_what_to_try(monkeypatch, error, layers):
    monkeypatch.setattr(OwnRunner, "decode", failing(error))
    with pytest.raises(InputError, match=r"ran out of memory on `cpu` in its steps") as caught:
        profile(model(MIXTURE), asked(batches=(1, 8), layers=layers))
    whole = Computed(model=model(MIXTURE), dtype="fp32")
    parts = [whole] if layers == "all" else [whole.with_one_layer_of(kind) for kind in ("dense", "moe")]
    needs = format_bytes_binary(needed_bytes(parts, steps_of(16, 64, (4,), calibrate=False)))
    assert caught.value.hint.startswith(f"`--batch 4` is computed to need {needs}")
    assert "\n" not in caught.value.message


def test_of_one_sequence_half_the_lengths_are_what_to_try(monkeypatch):
    monkeypatch.setattr(OwnRunner, "prefill", failing(CUDA))
    with pytest.raises(InputError) as caught:
        profile(model(DENSE), asked())
    assert "--batch 1 --context 32 --prompt 8" in caught.value.hint


def test_as_it_is_built(monkeypatch):
    monkeypatch.setattr(OwnMaker, "_build", failing(CUDA))
    with pytest.raises(InputError, match="ran out of memory"):
        profile(model(DENSE), asked())


@pytest.mark.parametrize("error", [CUDA, CPU])
def test_as_the_library_builds_it(monkeypatch, error):
    import transformers

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_config", failing(error))
    with pytest.raises(InputError, match="ran out of memory on `cpu` as it was built") as caught:
        profile(model(DENSE), asked(via="transformers"))
    assert "--layers" not in caught.value.hint  # it is not taken apart


def test_in_a_step_of_the_library_and_of_one_that_can_be_no_smaller(monkeypatch):
    from moecalc.profile.measure.via_transformers import TransformersRunner

    monkeypatch.setattr(TransformersRunner, "prefill", failing(CPU))
    with pytest.raises(InputError, match="in its steps") as caught:
        profile(model(DENSE), asked(via="transformers", prompt=1, context=2))
    assert "--layers" not in caught.value.hint


def test_as_the_dtype_is_tried_and_as_ceilings_are_measured(monkeypatch):
    monkeypatch.setattr(profiling, "measure_ceilings", failing(CUDA))
    with pytest.raises(InputError, match="does not suffice to measure its ceilings in"):
        profile(model(DENSE), asked())
    monkeypatch.setattr(profiling, "torch_dtype", failing(RUNTIME))
    with pytest.raises(InputError, match="does not suffice to try the dtype in"):
        profile(model(DENSE), asked())


def test_as_the_trace_is_made(monkeypatch):
    monkeypatch.setattr(profiling, "traced", failing(CUDA))
    with pytest.raises(InputError, match="ran out of memory"):
        profile(model(DENSE), asked())


def test_what_was_free_is_told_as_it_was_before_the_model_was_built(monkeypatch):
    told = iter([2**40])
    monkeypatch.setattr(profiling, "free_bytes", lambda _: next(told))
    monkeypatch.setattr(OwnRunner, "decode", failing(CUDA))
    with pytest.raises(InputError, match=re.escape("1.00 TiB were free")):
        profile(model(DENSE), asked())


def test_another_error_of_torch_is_not_about_memory(monkeypatch):
    monkeypatch.setattr(OwnRunner, "decode", failing(RuntimeError("CUDA error: an illegal memory access")))
    with pytest.raises(RuntimeError, match="illegal memory access"):
        profile(model(DENSE), asked())
