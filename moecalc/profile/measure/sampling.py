"""One runner through all steps: its weights, and of each step time, memory, FLOPs and experts."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from moecalc.profile.measure.clocks import Clocks, clocks_under
from moecalc.profile.measure.graphs import captured
from moecalc.profile.measure.memory import peak_bytes_during
from moecalc.profile.measure.runner import Runner, elements, stored_bytes
from moecalc.profile.measure.steps import Sample, StepPlan, StepSample, Touched
from moecalc.profile.measure.timing import Call, Clock, timed

LIMIT_SECONDS = 20.0
"""Of one step's repeats, once there are enough for a median."""


class Conditions:
    """Where and how steps are run."""

    def __init__(
        self, torch: Any, device: Any, clock: Clock, repeats: int, vocabulary: int, never_captured: str = ""
    ) -> None:
        self.torch = torch
        self.device = device
        self.clock = clock
        self.repeats = repeats
        self.vocabulary = vocabulary
        self.never_captured = never_captured
        """Why no step can be a CUDA graph; empty where one may."""
        self.not_captured: dict[str, None] = {}
        """Why decode steps on a GPU were none."""
        self.captured = 0
        """How many were one."""
        self.clocks: list[Clocks] = []
        """That were seen under steps of the table, on a GPU."""

    def ids(self, step: StepPlan) -> Any:
        """Random tokens [batch, new], drawn by the host: the same on every device.

        A capture that fails leaves the device's own generator unusable in some versions of torch.
        """
        return self.torch.randint(self.vocabulary, (step.batch, step.new)).to(self.device)


def sample(
    runner: Runner, steps: Iterable[StepPlan], conditions: Conditions, done: Callable[[], None]
) -> Sample:
    """Run every step; `done` is called after each."""
    weights = list(runner.tensors())
    seen = []
    uncounted: dict[str, None] = {}
    with conditions.torch.inference_mode():
        for step in steps:
            found, missed = _step(runner, step, conditions)
            seen.append(found)
            uncounted |= dict.fromkeys(missed)
            done()
    return Sample(
        parameters=elements(runner.parameters()),
        weight_bytes=stored_bytes(weights),
        steps=tuple(seen),
        uncounted=tuple(uncounted),
    )


def prepared(
    runner: Runner, step: StepPlan, conditions: Conditions
) -> tuple[Any, Callable[[], None], Callable[[], object]]:
    """A state, what makes it as it is before the step, and the step itself."""
    state = runner.new_state(step.batch, step.tokens)
    ids = conditions.ids(step)
    run = runner.decode if step.phase == "decode" else runner.prefill
    return state, lambda: runner.fill(state, step.past), lambda: run(ids, state)


def _step(runner: Runner, step: StepPlan, conditions: Conditions) -> tuple[StepSample, tuple[str, ...]]:
    state, again, call = prepared(runner, step, conditions)
    again()
    call()  # the first one draws the experts' tokens and finds out which kernels there are: that is no step's work
    kept = runner.state_tensors(state)
    state_bytes = None if kept is None else stored_bytes(kept)  # a cache that grows is full only now
    again()
    flops, missed = runner.count_flops(call) if step.shown else (None, ())
    kernels = runner.attention_kernels() if step.shown else ()
    touched: Touched | None = runner.touched()
    again()
    transient = peak_bytes_during(conditions.torch, conditions.device, call) if step.shown else None
    launched = captured(conditions.torch, conditions.device, step, again, call, conditions.never_captured)
    conditions.captured += bool(launched.how)
    if launched.why_not:
        conditions.not_captured[launched.why_not] = None
    timing = timed(
        launched.call,
        conditions.clock,
        conditions.repeats,
        limit_seconds=LIMIT_SECONDS,
        before=again,
        name=launched.how and f"{conditions.clock.name} around {launched.how}",
    )
    if step.shown and conditions.device.type == "cuda":
        busy = partial(_in_turn, again, launched.call)
        conditions.clocks.append(clocks_under(conditions.torch, conditions.device, busy))
    made = StepSample(
        plan=step,
        timing=timing,
        state_bytes=state_bytes,
        transient_bytes=transient,
        flops=flops,
        touched=touched,
        kernels=kernels,
    )
    return made, missed


def notes_of_graphs(conditions: Conditions) -> list[str]:
    """What must be known of decode steps on a GPU that were no CUDA graphs."""
    which = "some decode steps" if conditions.captured else "decode steps"
    return [f"{which} ran without a CUDA graph, launch by launch: {why}" for why in conditions.not_captured]


def _in_turn(again: Call, call: Call) -> None:
    again()
    call()
