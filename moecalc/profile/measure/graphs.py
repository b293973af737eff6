"""CUDA graphs of decode steps: one launch for all kernels, as serving engines decode.

A step that cannot be one runs as it is, and why is said. What is known not to work is not tried: a capture that fails
leaves the stream that it was made on current (torch.cuda.graph ends it before it leaves the stream, and that raises),
and in some versions of torch the device's own generator in a state that refuses to draw.
"""

from typing import Any, NamedTuple

from moecalc.errors import InputError
from moecalc.ir.rows import Ledger
from moecalc.profile.measure.steps import StepPlan
from moecalc.profile.measure.timing import Call
from moecalc.profile.measure.torch_errors import first_line, is_out_of_memory


class Launched(NamedTuple):
    """How a step is timed."""

    call: Call
    how: str = ""
    """What it is, where it is not the step's own call."""
    why_not: str = ""
    """Why it is no graph, where it could have been."""


def never_captured(ledger: Ledger, via: str | None) -> str:
    """Why no decode step of a model can be a graph: a graph reads a cache where it lay; empty where one can."""
    if via is not None:
        return f"the caches of {via} are replaced at every step"
    from moecalc.profile.builder.cache import GROWING

    if any(state.slots.kind in GROWING for state in ledger.states):
        return "the compressor's buffers of the open block are replaced at every step"
    return ""


def captured(torch: Any, device: Any, step: StepPlan, again: Call, call: Call, never: str = "") -> Launched:
    """A call that replays a decode step on a GPU as a CUDA graph, or else the call itself.

    `never` says why it is not tried. Raises InputError where the device does not come back from a capture.
    """
    if device.type != "cuda" or step.phase != "decode":
        return Launched(call)
    why_not = never or _why_it_waits(device, again, call)
    if why_not:
        return Launched(call, why_not=why_not)
    outer, side = torch.cuda.current_stream(device), torch.cuda.Stream(device)
    graph = torch.cuda.CUDAGraph()
    try:
        side.wait_stream(outer)
        with torch.cuda.stream(side):  # a capture must not be the first call on its stream
            again()
            call()
        outer.wait_stream(side)
        again()
        with torch.cuda.graph(graph, stream=side):
            call()
    except RuntimeError as error:
        _restore(torch, device, outer)
        return Launched(call, why_not=_words(error))
    return Launched(graph.replay, "a CUDA graph")


def _why_it_waits(device: Any, again: Call, call: Call) -> str:
    """What makes the host wait for the device in a step, as torch says it outside a capture; empty: nothing."""
    from moecalc.profile.builder.probing import refusing_to_wait

    again()
    try:
        with refusing_to_wait(device):
            call()
    except RuntimeError as error:
        return _words(error)
    return ""


def _restore(torch: Any, device: Any, stream: Any) -> None:
    """Go on where the capture began: on its stream, with nothing pending."""
    torch.cuda.set_stream(stream)
    try:
        torch.cuda.synchronize(device)
    except RuntimeError as error:
        raise InputError(
            f"`{device}` did not come back from the capture of a CUDA graph: {first_line(error)}",
            hint="`--via transformers` makes no graphs; a newer torch or driver may capture the step",
        ) from None


def _words(error: RuntimeError) -> str:
    if is_out_of_memory(error):
        return "no memory for a graph's own tensors"
    said = first_line(error)
    if "synchroniz" in said:
        return "it waits for the device: the host reads what the device has computed"
    return said
