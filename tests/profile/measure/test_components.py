"""Kernels belong to the range around the operation that launched them, and to nothing else.

Over torch's own events, made as its profiler makes them on a GPU: operations with the kernels that they launched, and
beside them the kernels and the ranges as the device saw them.
"""

import pytest
from torch.autograd import DeviceType
from torch.autograd.profiler_util import FunctionEvent

from moecalc.profile.measure.components import component_times


def event(name, start, end, *, parent=None, kernels=(), device_type=DeviceType.CPU):
    made = FunctionEvent(
        id=1,
        name=name,
        thread=1,
        start_us=start,
        end_us=end,
        use_device="cuda",
        device_type=device_type,
    )
    if parent is not None:
        parent.append_cpu_child(made)
        made.set_cpu_parent(parent)
    for kernel, duration in kernels:
        made.append_kernel(kernel, 0, duration)
    return made


@pytest.fixture
def events():
    """The host is done with the step after 40 microseconds, the device works on it from 100 to 200."""
    step = event("moecalc step decode 1", 0, 40)
    attention = event("moecalc.attention", 1, 20, parent=step)
    linear = event("aten::linear", 2, 18, parent=attention)
    product = event("aten::mm", 3, 17, parent=linear, kernels=[("gemm", 60)])
    added = event("aten::add", 25, 30, parent=step, kernels=[("elementwise", 20)])
    seen = [
        event(name, start, end, device_type=DeviceType.CUDA)
        for name, start, end in (
            ("gemm", 100, 160),
            ("elementwise", 180, 200),
            ("moecalc.attention", 100, 160),
            ("moecalc step decode 1", 100, 200),
        )
    ]
    return [step, attention, linear, product, added, *seen]


def seconds(events, **more):
    return {time.name: time.seconds for time in component_times(events, "decode", 1, **more)}


def test_on_a_device_a_component_has_its_kernels_and_the_step_no_gaps(events):
    assert seconds(events, on_device=True) == pytest.approx({"attention": 60e-6, "other": 20e-6})


def test_a_range_that_is_listed_as_a_kernel_is_none(events):
    events[1].append_kernel("moecalc.attention", 0, 60)
    events[0].append_kernel("moecalc step decode 1", 0, 100)
    assert seconds(events, on_device=True) == pytest.approx({"attention": 60e-6, "other": 20e-6})


def test_on_the_host_the_same_events_have_the_hosts_time(events):
    assert seconds(events) == pytest.approx({"attention": 19e-6, "other": 21e-6})
