"""When a step is captured, on a torch that pretends to: nobody here has a GPU."""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest

from moecalc.profile.measure.graphs import Replay, captured
from moecalc.profile.measure.steps import StepPlan

GPU = SimpleNamespace(type="cuda")
DECODE = StepPlan("decode", 2, 64)


class Pretended:
    """What `captured` asks of torch. `waits` and `fails` are said of the call when torch watches, or captures."""

    def __init__(self, waits: str = "", fails: str = "") -> None:
        self.log: list[str] = []
        self.modes: list[object] = []
        self._waits, self._fails = waits, fails
        self.mode: object = 0
        stream = SimpleNamespace(wait_stream=lambda _: None)
        self.cuda = SimpleNamespace(
            CUDAGraph=lambda: SimpleNamespace(replay=lambda: self.log.append("replay")),
            Stream=lambda _: stream,
            current_stream=lambda _: stream,
            stream=lambda _: nullcontext(),
            graph=self._graph,
            synchronize=lambda _: self.log.append("synchronize"),
            get_sync_debug_mode=lambda: self.mode,
            set_sync_debug_mode=self._set,
        )

    def _set(self, mode: object) -> None:
        self.mode = mode
        self.modes.append(mode)

    @contextmanager
    def _graph(self, _graph: object):
        self.log.append("capture")
        yield
        if self._fails:
            raise RuntimeError(self._fails)

    def call(self) -> None:
        self.log.append("call")
        if self._waits and self.mode == "error":
            raise RuntimeError(self._waits)


def taken(torch: Pretended, step: StepPlan = DECODE, device=GPU, state=lambda: ["buffer"]):
    return captured(torch, device, step, lambda: torch.log.append("again"), torch.call, state)


def test_a_step_is_replayed():
    torch = Pretended()
    made, why_not = taken(torch)
    assert (type(made), why_not, torch.mode) == (Replay, "", 0)
    assert torch.log.count("capture") == 1
    # Made as it was before each of the three calls: watched, on the side, captured.
    assert [entry for entry in torch.log if entry != "capture"] == ["again", "call"] * 3
    made()
    assert torch.log[-1] == "replay"


def test_what_a_step_replaces_is_held_on_to():
    class Buffer:
        freed = 0

        def __del__(self) -> None:
            Buffer.freed += 1

    torch = Pretended()
    state = [Buffer()]
    made, _ = captured(
        torch, GPU, DECODE, lambda: None, lambda: state.__setitem__(0, Buffer()), lambda: list(state)
    )
    assert Buffer.freed == 1, "of four the first: what was captured reads what the call on the side left"
    state.clear()
    held = Buffer.freed
    del made
    assert Buffer.freed > held


@pytest.mark.parametrize(
    ("step", "device"), [(StepPlan("prefill", 1, 64), GPU), (DECODE, SimpleNamespace(type="cpu"))]
)
def test_nothing_else_is_captured(step, device):
    torch = Pretended()
    made, why_not = taken(torch, step, device)
    assert (made, why_not, torch.log) == (torch.call, "", [])


def test_a_step_that_waits_for_the_host_is_not_even_tried():
    torch = Pretended(waits="called a synchronizing CUDA operation\nadvice")
    made, why_not = taken(torch)
    assert (made, why_not) == (torch.call, "it waits for the host: called a synchronizing CUDA operation")
    assert "capture" not in torch.log
    assert torch.modes == ["error", 0]


def test_a_capture_that_fails_leaves_the_plain_call():
    torch = Pretended(fails="CUDA error: operation not permitted when stream is capturing\nadvice")
    made, why_not = taken(torch)
    assert made == torch.call
    assert why_not == (
        "torch did not capture it: CUDA error: operation not permitted when stream is capturing"
    )
    assert torch.log[-1] == "synchronize"


def test_a_cache_that_nobody_can_hold():
    assert taken(Pretended(), state=lambda: None)[1] == "its cache cannot be held on to"
