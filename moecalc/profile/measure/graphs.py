"""CUDA graphs of decode steps: one launch for all kernels, as serving engines decode.

A capture that fails leaves torch's generator and allocator in the midst of it, so a step that waits for the host in
between is found out before, by torch's own check of synchronising calls.
"""

from collections.abc import Callable, Iterable
from typing import Any

from moecalc.profile.measure.steps import StepPlan


class Replay:
    """Calls that replay a graph; `held` are the tensors whose addresses the graph knows."""

    def __init__(self, graph: Any, held: Iterable[Any]) -> None:
        self._graph = graph
        self._held = tuple(held)

    def __call__(self) -> None:
        """Replay it."""
        self._graph.replay()


def captured(
    torch: Any,
    device: Any,
    step: StepPlan,
    again: Callable[[], None],
    call: Callable[[], object],
    state: Callable[[], Iterable[Any] | None],
) -> tuple[Callable[[], object], str]:
    """A call that replays the step as a CUDA graph, and no words; the call itself and why where that cannot be.

    Only decoding on a GPU is captured. What waits for the host in between (a loop over experts that asks how many
    tokens each of them has) cannot be, and runs as it is. `state` gives the tensors that the step reads and writes:
    one that a step replaces by another is still read by every replay, and must not be freed.
    """
    if device.type != "cuda" or step.phase != "decode":
        return call, ""
    waits = _waits(torch, again, call)
    if waits:
        return call, f"it waits for the host: {waits}"
    again()
    held = state()
    if held is None:
        return call, "its cache cannot be held on to"
    graph = torch.cuda.CUDAGraph()
    try:
        side = torch.cuda.Stream(device)
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):  # a capture must not be the first call
            call()
        torch.cuda.current_stream(device).wait_stream(side)
        again()
        held = [*held, *(state() or ())]
        with torch.cuda.graph(graph):
            call()
    except RuntimeError as error:
        torch.cuda.synchronize(device)
        return call, f"torch did not capture it: {first_line(error)}"
    return Replay(graph, held), ""


def _waits(torch: Any, again: Callable[[], None], call: Callable[[], object]) -> str:
    """What a call waits for the host for, in torch's words; empty where it does not."""
    again()
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        call()
    except RuntimeError as error:
        return first_line(error)
    finally:
        torch.cuda.set_sync_debug_mode(before)
    return ""


def first_line(error: Exception) -> str:
    """An error's words without the advice that torch adds below."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
