"""CUDA graphs of decode steps: one launch for all kernels, as serving engines decode."""

from collections.abc import Callable
from typing import Any

from moecalc.profile.measure.steps import StepPlan


def captured(
    torch: Any, device: Any, step: StepPlan, again: Callable[[], None], call: Callable[[], object]
) -> tuple[Callable[[], object], str]:
    """A call that replays the step as a CUDA graph, and what it is; the call itself and no word where that cannot be.

    Only decoding on a GPU is captured. What waits for the host in between (a loop over experts that asks how many
    tokens each of them has) cannot be, and runs as it is.
    """
    if device.type != "cuda" or step.phase != "decode":
        return call, ""
    graph = torch.cuda.CUDAGraph()
    try:
        side = torch.cuda.Stream(device)
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):  # a capture must not be the first call
            again()
            call()
        torch.cuda.current_stream(device).wait_stream(side)
        again()
        with torch.cuda.graph(graph):
            call()
    except RuntimeError:
        torch.cuda.synchronize(device)
        return call, ""
    return graph.replay, "a CUDA graph"
