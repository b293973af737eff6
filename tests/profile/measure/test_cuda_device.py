"""Which GPU is used, what is free on it, by which events it is timed: over a torch.cuda that records questions."""

from types import SimpleNamespace

import pytest
import torch

from moecalc.errors import InputError
from moecalc.profile.measure import device as devices
from moecalc.profile.measure.timing import CudaClock

GPU_1 = torch.device("cuda", 1)


@pytest.fixture
def two_gpus(monkeypatch):
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    return chosen


@pytest.mark.parametrize(("asked", "index"), [(None, 0), (0, 0), (1, 1)])
def test_the_gpu_that_is_asked_for_becomes_the_current_one(two_gpus, asked, index):
    device = devices.choose_device(asked, cpu=False)
    assert two_gpus == [device] == [torch.device("cuda", index)]


def test_a_gpu_that_is_not_there_is_refused_before_it_is_set(two_gpus):
    with pytest.raises(InputError, match="no GPU 2: torch sees 2"):
        devices.choose_device(2, cpu=False)
    assert two_gpus == []


@pytest.mark.parametrize("call", ["set_device", "synchronize"])
def test_a_gpu_that_the_driver_refuses_is_one_line(two_gpus, monkeypatch, call):
    def refused(_: object) -> None:
        raise RuntimeError("CUDA error: CUDA-capable device(s) is/are busy or unavailable\nCompile with ...")

    monkeypatch.setattr(torch.cuda, call, refused)
    with pytest.raises(InputError) as caught:
        devices.choose_device(1, cpu=False)
    assert str(caught.value).startswith("GPU 1 cannot be used: CUDA error: CUDA-capable device(s)")
    assert "\n" not in caught.value.message


def test_the_processor_sets_no_gpu(two_gpus):
    devices.choose_device(None, cpu=True)
    assert two_gpus == []


def test_what_torch_keeps_for_itself_is_free_on_the_gpu_that_was_asked(monkeypatch):
    asked = []

    def told(value: object):
        return lambda device: (asked.append(device), value)[1]

    monkeypatch.setattr(torch.cuda, "mem_get_info", told((1000, 5000)))
    monkeypatch.setattr(torch.cuda, "memory_reserved", told(700))
    monkeypatch.setattr(torch.cuda, "memory_allocated", told(300))
    assert devices.free_bytes(GPU_1) == 1000 + 400
    assert asked == [GPU_1] * 3


def test_a_full_device_is_no_word_about_a_type(monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "ones", full)
    with pytest.raises(torch.OutOfMemoryError):
        devices.torch_dtype("bf16", torch.device("cpu"))


def test_events_stand_around_the_call_on_the_stream_of_the_device():
    order: list[object] = []

    class Event:
        def __init__(self, *, enable_timing: bool) -> None:
            assert enable_timing

        def record(self, stream: object) -> None:
            order.append(stream)

        def elapsed_time(self, end: object) -> float:
            assert end is not self
            return 2.5  # milliseconds

    cuda = SimpleNamespace(
        Event=Event,
        synchronize=lambda device: order.append(("synchronize", device)),
        current_stream=lambda device: ("stream", device),
    )
    clock = CudaClock(SimpleNamespace(cuda=cuda), GPU_1)
    assert clock.seconds(lambda: order.append("call")) == 0.0025
    waits, stream = ("synchronize", GPU_1), ("stream", GPU_1)
    assert order == [waits, stream, "call", stream, waits]
