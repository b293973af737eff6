"""Decode steps as CUDA graphs, over a torch.cuda that captures by running and fails where it is told to."""

import warnings
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from moecalc.errors import InputError
from moecalc.profile.builder import build
from moecalc.profile.builder.probing import refusing_to_wait
from moecalc.profile.measure.graphs import captured, never_captured
from moecalc.profile.measure.own import OwnRunner
from moecalc.profile.measure.sampling import Conditions, notes_of_graphs, sample
from moecalc.profile.measure.steps import StepPlan
from moecalc.sources.hf_config import read_config
from tests.oracle.cases import MODULES
from tests.oracle.families import deepseek_v4, mixtral
from tests.profile.builder.test_types import BUILT
from tests.profile.measure.models import DENSE
from tests.profile.measure.test_timing import FakeClock

GPU_1 = torch.device("cuda", 1)
DECODE, PREFILL = StepPlan("decode", 2, 8), StepPlan("prefill", 1, 8)


class Stream:
    def __init__(self, device: object, name: str = "side") -> None:
        self.device, self.name = device, name

    def wait_stream(self, other: "Stream") -> None:
        assert other.device == self.device


class FakeCuda:
    """As torch.cuda behaves: the context of a capture that fails leaves its stream current."""

    def __init__(self, fails: Exception | None = None, lost: bool = False) -> None:
        self.fails, self.lost = fails, lost
        self.main = self.current = Stream(GPU_1, "main")
        self.replayed = 0
        self.order: list[str] = []

    def current_stream(self, device):
        assert device == GPU_1
        return self.current

    def Stream(self, device):  # noqa: N802 - as torch has it
        return Stream(device)

    def CUDAGraph(self):  # noqa: N802 - as torch has it
        return SimpleNamespace(replay=lambda: self.order.append("replay"))

    def set_stream(self, stream) -> None:
        self.current = stream

    def synchronize(self, device) -> None:
        assert device == GPU_1
        if self.lost:
            raise RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors ...")

    @contextmanager
    def stream(self, stream):
        self.current = stream
        yield
        self.current = self.main

    @contextmanager
    def graph(self, graph, stream):
        self.current = stream
        self.order.append("capture")
        yield
        if self.fails is not None:
            raise self.fails  # torch.cuda.graph ends the capture first, and so never leaves the stream
        self.current = self.main


@pytest.fixture
def modes(monkeypatch):
    seen = ["default"]
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: seen[-1])

    def set_mode(mode):
        if mode == "error":
            warnings.warn("Synchronization debug mode is a prototype feature", stacklevel=1)
        seen.append(mode)

    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", set_mode)
    return seen


def launched(cuda: FakeCuda, *, step=DECODE, call=None, device=GPU_1, never=""):
    made = SimpleNamespace(cuda=cuda)
    again, call = (lambda: cuda.order.append("again")), call or (lambda: cuda.order.append("call"))
    return captured(made, device, step, again, call, never), call


def test_a_decode_step_is_captured_behind_a_call_on_its_stream_and_replayed(modes):
    cuda = FakeCuda()
    found, _ = launched(cuda)
    assert (found.how, found.why_not) == ("a CUDA graph", "")
    assert cuda.order == ["again", "call", "again", "call", "again", "capture", "call"]
    found.call()
    assert cuda.order[-1] == "replay"
    assert cuda.current is cuda.main
    assert modes == ["default", "error", "default"]


@pytest.mark.parametrize(("step", "device"), [(PREFILL, GPU_1), (DECODE, torch.device("cpu"))])
def test_a_prompt_and_a_processor_have_no_graph_and_no_reason(step, device):
    cuda = FakeCuda()
    found, call = launched(cuda, step=step, device=device)
    assert found == (call, "", "")
    assert cuda.order == []


def test_a_step_that_waits_for_the_device_is_found_out_before_it_is_captured(modes):
    def waits() -> None:
        raise RuntimeError("called a synchronizing CUDA operation")

    cuda = FakeCuda()
    found, call = launched(cuda, call=waits)
    assert found.call is call
    assert found.why_not.startswith("it waits for the device")
    assert "capture" not in cuda.order
    assert modes[-1] == "default"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore"), "not permitted"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), "no memory for a graph's own"),
    ],
)
def test_a_capture_that_fails_is_left_behind_and_the_step_runs_as_it_is(modes, error, words):
    cuda = FakeCuda(fails=error)
    found, call = launched(cuda)
    assert found.call is call
    assert words in found.why_not
    assert "\n" not in found.why_not
    assert cuda.current is cuda.main


def test_a_device_that_is_lost_in_a_capture_is_one_error(modes):
    with pytest.raises(InputError, match="did not come back from the capture of a CUDA graph: CUDA error"):
        launched(FakeCuda(fails=RuntimeError("CUDA error: unspecified"), lost=True))


def test_what_is_known_not_to_work_is_not_tried():
    cuda = FakeCuda()
    found, call = launched(cuda, never="its cache grows")
    assert found == (call, "", "its cache grows")
    assert cuda.order == []


def test_the_mode_is_put_back_where_torch_refuses(modes):
    with pytest.raises(RuntimeError), refusing_to_wait(GPU_1):
        raise RuntimeError("called a synchronizing CUDA operation")
    assert modes == ["default", "error", "default"]


def test_caches_that_are_replaced_are_never_captured():
    def ledger(config):
        return read_config(config).architecture.lower_to_ledger()

    assert never_captured(ledger(mixtral.TINY), None) == ""
    assert "compressor's buffers" in never_captured(ledger(deepseek_v4.TINY), None)
    assert "caches of transformers" in never_captured(ledger(mixtral.TINY), "transformers")


@pytest.mark.parametrize("name", BUILT)
def test_a_step_writes_to_the_tensors_that_it_found_unless_it_is_never_captured(name):
    """What a graph needs: a step and what prepares it leave every state where it lies."""
    architecture = read_config(MODULES[name].TINY).architecture
    runner = OwnRunner(build(architecture, dtype=torch.float32, device="cpu"))
    state = runner.new_state(2, 40)
    held = []  # or the next tensor may lie where one was thrown away
    for _ in range(3):
        runner.fill(state, 38)
        runner.decode(torch.zeros(2, 1, dtype=torch.int64), state)
        held.append(list(state.tensors()))
    places = {tuple(tensor.data_ptr() for tensor in tensors) for tensors in held}
    assert (len(places) > 1) == bool(never_captured(architecture.lower_to_ledger(), None))


def test_the_reason_is_kept_and_the_clock_is_no_graphs(modes, monkeypatch):
    seen, conditions = sampled(monkeypatch, FakeCuda(), "its cache grows")
    assert notes_of_graphs(conditions) == [
        "decode steps ran without a CUDA graph, launch by launch: its cache grows"
    ]
    assert [step.timing.clock for step in seen.steps] == ["told"] * 2


def test_where_one_of_two_steps_is_captured_some_are_not(modes, monkeypatch):
    class Once(FakeCuda):
        def CUDAGraph(self):  # noqa: N802 - as torch has it
            self.fails = RuntimeError("CUDA error: operation not permitted") if self.order else None
            return super().CUDAGraph()

    seen, conditions = sampled(monkeypatch, Once())
    assert notes_of_graphs(conditions) == [
        "some decode steps ran without a CUDA graph, launch by launch: CUDA error: operation not permitted"
    ]
    assert [step.timing.clock for step in seen.steps] == ["told around a CUDA graph", "told"]


def sampled(monkeypatch, cuda: FakeCuda, never: str = ""):
    """Two decode steps of a small model on the processor, captured as if they ran on a GPU."""
    network = build(read_config(DENSE).architecture, dtype=torch.float32, device="cpu")
    conditions = Conditions(torch, torch.device("cpu"), FakeClock(*[1] * 12), 3, 512, never)
    monkeypatch.setattr(
        "moecalc.profile.measure.sampling.captured",
        lambda _, __, *rest: captured(SimpleNamespace(cuda=cuda), GPU_1, *rest),
    )
    steps = [DECODE, StepPlan("decode", 1, 8)]
    return sample(OwnRunner(network), steps, conditions, lambda: None), conditions
