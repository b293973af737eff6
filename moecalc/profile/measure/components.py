"""Where a step's time goes: the profiler's trace, and the seconds of each component from it.

The modules that run name what they do by ranges (`torch.profiler.record_function`) that begin with `moecalc.`; what
follows is the group of the ledger's roles: `moecalc.attention`, `moecalc.router`, `moecalc.routed`. An operation's
time belongs to the innermost range around it.
"""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from moecalc.errors import InputError
from moecalc.profile.measure.steps import StepPlan
from moecalc.profile.measure.timing import Call
from moecalc.specs.runs import ComponentTime, Phase

RANGE = "moecalc"
"""What the names of all ranges begin with, a step's among them."""

PREFIX = f"{RANGE}."

OUTSIDE = "other"
"""What runs in no range: residual additions, copies of tokens."""


def traced(torch: Any, device: Any, steps: Iterable[tuple[StepPlan, Call, Call]]) -> Any:
    """A finished profiler that saw each step once, in a range of its own: what prepares it runs outside."""
    from torch.profiler import ProfilerActivity, profile, record_function

    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities, acc_events=True) as seen:
        for step, prepare, call in steps:
            prepare()
            with record_function(step_name(step.phase, step.batch)):
                call()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
    return seen


def step_name(phase: Phase, batch: int) -> str:
    """The range around a whole step."""
    return f"moecalc step {phase} {batch}"


def component_times(
    events: Iterable[Any], phase: Phase, batch: int, *, on_device: bool = False
) -> tuple[ComponentTime, ...]:
    """Seconds of each component in one step, largest first; empty where the step has no range of a component.

    `events` are the profiler's function events. `on_device`, the kernels that an operation launched are its time, and
    what the host does meanwhile is not.
    """
    seconds: dict[str, float] = defaultdict(float)
    for event in events:
        if event.device_type.name != "CPU":
            continue  # a kernel, which its operation has, or a range as the device saw it
        component = _component(event, step_name(phase, batch))
        if component is not None:
            seconds[component] += _self_microseconds(event, on_device=on_device) / 1e6
    whole = sum(seconds.values())
    if not whole or set(seconds) == {OUTSIDE}:
        return ()
    return tuple(
        ComponentTime(name=name, phase=phase, batch=batch, seconds=value, share=value / whole)
        for name, value in sorted(seconds.items(), key=lambda entry: -entry[1])
    )


def save_trace(seen: Any, path: str) -> None:
    """Write the trace in Chrome's format. Raises InputError where it cannot be written."""
    folder = Path(path).resolve().parent
    if not folder.is_dir() or Path(path).is_dir():
        raise InputError(f"cannot write the trace to `{path}`", hint="name a file in a folder that exists")
    seen.export_chrome_trace(path)


def _component(event: Any, step: str) -> str | None:
    """The innermost range's component; None of an event outside the step."""
    found = None
    while event is not None:
        if found is None and event.name.startswith(PREFIX):
            found = event.name.removeprefix(PREFIX)
        if event.name == step:
            return found or OUTSIDE
        event = event.cpu_parent
    return None


def _self_microseconds(event: Any, *, on_device: bool) -> float:
    """What the event took beside those nested in it; on a device its own kernels, among which ranges may be listed."""
    if not on_device:
        return float(event.self_cpu_time_total)
    return float(sum(kernel.duration for kernel in event.kernels if not kernel.name.startswith(RANGE)))
