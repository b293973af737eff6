"""Ceilings: the best that was seen of several forms, and never below what a step of the model reached."""

import pytest

from moecalc.profile.measure.ceilings import MATMUL_SIZES, measure_ceilings, raised
from moecalc.profile.measure.device import choose_device, import_torch
from moecalc.profile.measure.timing import CpuClock
from tests.calc.speed.test_calibrated import CEILINGS, point

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
