"""TF32 and reduced sums: read from torch's own settings, which a run leaves as they are."""

import subprocess
import sys

import msgspec
import pytest
import torch

from moecalc.profile.measure.arithmetic import arithmetic_of
from moecalc.profile.measure.asked import Asked
from moecalc.profile.measure.profiling import profile
from moecalc.render.profile import arithmetic_words, conditions
from moecalc.specs.runs import Arithmetic, Run, encode
from tests.console import ROOT
from tests.profile.measure.models import DENSE, model

GPU = torch.device("cuda", 0)


@pytest.fixture
def precision():
    before = torch.get_float32_matmul_precision()
    yield torch.set_float32_matmul_precision
    torch.set_float32_matmul_precision(before)


@pytest.fixture(scope="module")
def run() -> Run:
    sizes = {"prompt": 4, "context": 8, "dtype": "fp32", "repeats": 1}
    return profile(model(DENSE), Asked(cpu=True, **sizes))


@pytest.mark.parametrize(("word", "tf32"), [("highest", False), ("high", True), ("medium", True)])
def test_products_are_in_tf32_where_torch_was_told_so(precision, word, tf32):
    precision(word)
    found = arithmetic_of(torch, GPU)
    assert (found.float32_matmul_precision, found.tf32_matmul) == (word, tf32)


def test_the_libraries_own_veto_is_heard(precision, monkeypatch):
    precision("high")
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    found = arithmetic_of(torch, GPU)
    assert (found.tf32_matmul, found.tf32_convolution) == (False, False)


@pytest.mark.parametrize(
    ("lines", "tf32"),
    [
        ("torch.backends.cuda.matmul.allow_tf32 = True", True),
        ("torch.backends.cuda.matmul.fp32_precision = 'tf32'", True),
        ("torch.backends.fp32_precision = 'tf32'", True),
    ],
)
def test_either_of_torchs_switches_is_read(lines, tf32):
    """In a process of its own: torch refuses one of them once the other was used."""
    code = (
        f"import torch\n{lines}\n"
        "from moecalc.profile.measure.arithmetic import arithmetic_of\n"
        "print(arithmetic_of(torch, torch.device('cuda')).tf32_matmul)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(tf32)


def test_reduced_sums_are_read(monkeypatch):
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_bf16_reduced_precision_reduction
    try:
        matmul.allow_bf16_reduced_precision_reduction = not before
        assert arithmetic_of(torch, GPU).reduced_bf16_sums is not before
    finally:
        matmul.allow_bf16_reduced_precision_reduction = before


def test_a_run_records_the_setting_and_leaves_it(precision):
    precision("high")
    sizes = {"prompt": 4, "context": 8, "dtype": "fp32", "repeats": 1}
    made = profile(model(DENSE), Asked(cpu=True, **sizes))
    assert made.arithmetic == Arithmetic(float32_matmul_precision="high")
    assert torch.get_float32_matmul_precision() == "high"
    assert msgspec.json.decode(encode(made), type=Run).arithmetic == made.arithmetic


def on_gpu(run: Run, dtype: str, **settings: bool) -> Run:
    return msgspec.structs.replace(
        run,
        dtype=dtype,
        device=msgspec.structs.replace(run.device, kind="cuda"),
        arithmetic=Arithmetic(float32_matmul_precision="highest", **settings),
    )


@pytest.mark.parametrize(
    ("dtype", "settings", "words"),
    [
        (
            "fp32",
            {"tf32_matmul": False, "tf32_convolution": True},
            "products in full fp32, convolutions in TF32",
        ),
        (
            "fp32",
            {"tf32_matmul": True, "tf32_convolution": False},
            "products in TF32, convolutions in full fp32",
        ),
        ("bf16", {"reduced_bf16_sums": True, "reduced_fp16_sums": False}, "sums of products may be in bf16"),
        ("fp16", {"reduced_bf16_sums": True, "reduced_fp16_sums": False}, "sums of products in fp32"),
    ],
)
def test_what_bears_on_the_type_is_printed(run, dtype, settings, words):
    assert f", {words}, " in conditions(on_gpu(run, dtype, **settings))


def test_a_processor_and_an_old_file_say_nothing(run):
    assert arithmetic_words(run) == ""
    assert arithmetic_words(msgspec.structs.replace(on_gpu(run, "bf16"), arithmetic=None)) == ""
