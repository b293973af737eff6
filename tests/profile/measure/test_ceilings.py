"""Ceilings: the best that was seen of several forms, and never below what a step of the model reached."""

import pytest

from moecalc.profile.measure.ceilings import (
    MATMUL_SIZES,
    MOST_ROWS,
    Shape,
    measure_ceilings,
    own_shapes,
    raised,
)
from moecalc.profile.measure.device import choose_device, import_torch
from moecalc.profile.measure.timing import CpuClock
from moecalc.sources.hf_config import read_config
from tests.calc.speed.test_calibrated import CEILINGS, point
from tests.oracle.families import mixtral

NT = "x W'"


class Told:
    """A clock that says each product takes its form's time: linear a second, plain products longer."""

    name = "told"

    def __init__(self, torch, slow):
        self.seen = []
        self.torch, self.slow = torch, slow

    def seconds(self, call):
        func = getattr(call, "func", None)
        if func is None:
            return 1.0
        self.seen.append(func)
        return self.slow if func is self.torch.mm else 1.0


@pytest.mark.parametrize("slow", [0.5, 100.0])
def test_the_fastest_form_is_the_ceiling_and_a_hopeless_one_is_tried_once(slow):
    torch, device = import_torch(), choose_device(None, cpu=True)
    clock = Told(torch, slow)
    found = measure_ceilings(torch, device, torch.float32, "fp32", clock)
    assert found.flops_per_second == 2 * 64**3 / min(slow, 1.0)
    assert found.matmul_form == f"64 rows by 64 x 64, {'x W' if slow < 1 else NT}"
    plain = [func for func in clock.seen if func is torch.mm]
    assert len(plain) == 2 if slow > 1 else len(plain) > 2  # of two sizes


def test_the_models_own_products_are_those_that_do_most_of_a_prompts_arithmetic():
    """Gate and up are 2 x 4 x 256 x 64 for each token of each layer, down as many of its own shape; q is 64 x 64."""
    config = {**mixtral.TINY, "hidden_size": 64, "intermediate_size": 256, "num_experts_per_tok": 4}
    shapes = own_shapes(read_config(config).architecture.lower_to_ledger(), 10)
    assert shapes[:2] == (Shape(10, 256, 64), Shape(10, 64, 256))
    assert own_shapes(read_config(config).architecture.lower_to_ledger(), 10**6)[0].rows == MOST_ROWS


def test_a_product_of_the_model_can_be_the_ceiling():
    torch, device = import_torch(), choose_device(None, cpu=True)
    own = [Shape(rows=3, outputs=100_000, inputs=8)]
    found = measure_ceilings(torch, device, torch.float32, "fp32", Told(torch, 1.0), own)
    assert found.flops_per_second == 2 * 3 * 100_000 * 8
    assert found.matmul_form == "3 rows by 100,000 x 8, x W' of the model"
    assert found.matmul_size == 100_000


class Slow:
    """A clock to which calls of one name are slow."""

    name = "told"

    def __init__(self, slow):
        self._slow = slow

    def seconds(self, call):
        return 4.0 if getattr(call, "__name__", "") == self._slow else 1.0


@pytest.mark.parametrize(("slow", "form"), [("sum", "a matrix-vector product"), ("<lambda>", "a sum")])
def test_memory_is_read_in_the_faster_of_two_ways(slow, form):
    torch, device = import_torch(), choose_device(None, cpu=True)
    found = measure_ceilings(torch, device, torch.bfloat16, "bf16", Slow(slow))
    assert found.read_form == form
    assert found.read_bytes_per_second == found.buffer_bytes


def test_a_real_processor_has_ceilings():
    torch, device = import_torch(), choose_device(None, cpu=True)
    found = measure_ceilings(torch, device, torch.float32, "fp32", CpuClock())
    assert found.matmul_size in MATMUL_SIZES["cpu"]
    assert min(found.flops_per_second, found.copy_bytes_per_second, found.read_bytes_per_second) > 0


def test_a_step_that_is_faster_raises_the_arithmetic_and_says_so():
    slower, faster = point(8, 500, 1, 1.0), point(8, 4000, 1, 2.0, phase="prefill")
    assert raised(CEILINGS, [slower]) is CEILINGS
    assert raised(CEILINGS, []) is CEILINGS
    found = raised(CEILINGS, [slower, faster])
    assert found.flops_per_second == 2000.0
    assert found.matmul_form == "prefill of 8 tokens at batch 1"
    assert found.bytes_per_second == CEILINGS.bytes_per_second
