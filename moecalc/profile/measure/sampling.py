"""Runners through all steps: their weights, and of each step time, memory, FLOPs and experts."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

from moecalc.profile.measure.clocks import Clocks, clocks_under
from moecalc.profile.measure.graphs import captured
from moecalc.profile.measure.memory import peak_bytes_during
from moecalc.profile.measure.runner import Runner, elements, stored_bytes
from moecalc.profile.measure.steps import Sample, StepPlan, StepSample, Touched
from moecalc.profile.measure.timing import Clock, Timed, timed_in_turn
from moecalc.specs.runs import Timing

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
    (seen,) = samples([runner], steps, conditions, done)
    return seen


def samples(
    runners: Sequence[Runner], steps: Iterable[StepPlan], conditions: Conditions, done: Callable[[], None]
) -> tuple[Sample, ...]:
    """Run every step of several runners, whose times are taken in turn; `done` is called after each step."""
    seen: list[list[StepSample]] = [[] for _ in runners]
    uncounted: list[dict[str, None]] = [{} for _ in runners]
    with conditions.torch.inference_mode():
        for step in steps:
            looked_at = [_looked_at(runner, step, conditions) for runner in runners]
            timings = timed_in_turn(
                [look.timed for look in looked_at],
                conditions.clock,
                conditions.repeats,
                limit_seconds=LIMIT_SECONDS,
            )
            if step.shown and conditions.device.type == "cuda":
                busy = partial(_in_turn, looked_at[0].timed)
                conditions.clocks.append(clocks_under(conditions.torch, conditions.device, busy))
            for index, (look, timing) in enumerate(zip(looked_at, timings, strict=True)):
                seen[index].append(look.sample(timing))
                uncounted[index] |= dict.fromkeys(look.uncounted)
            done()
    return tuple(
        Sample(
            parameters=elements(runner.parameters()),
            weight_bytes=stored_bytes(list(runner.tensors())),
            steps=tuple(of_runner),
            uncounted=tuple(missed),
        )
        for runner, of_runner, missed in zip(runners, seen, uncounted, strict=True)
    )


def prepared(
    runner: Runner, step: StepPlan, conditions: Conditions
) -> tuple[Any, Callable[[], None], Callable[[], object]]:
    """A state, what makes it as it is before the step, and the step itself."""
    state = runner.new_state(step.batch, step.tokens)
    ids = conditions.ids(step)
    run = runner.decode if step.phase == "decode" else runner.prefill
    return state, lambda: runner.fill(state, step.past), lambda: run(ids, state)


class _LookedAt(NamedTuple):
    """A step of a runner, all but its time."""

    plan: StepPlan
    timed: Timed
    state_bytes: int | None
    transient_bytes: int | None
    flops: int | None
    uncounted: tuple[str, ...]
    touched: Touched | None
    kernels: tuple[str, ...]

    def sample(self, timing: Timing) -> StepSample:
        """With its time."""
        return StepSample(
            plan=self.plan,
            timing=timing,
            state_bytes=self.state_bytes,
            transient_bytes=self.transient_bytes,
            flops=self.flops,
            touched=self.touched,
            kernels=self.kernels,
        )


def _looked_at(runner: Runner, step: StepPlan, conditions: Conditions) -> _LookedAt:
    state, again, call = prepared(runner, step, conditions)
    again()
    call()  # the first one draws the experts' tokens and finds out which kernels there are: that is no step's work
    kept = runner.state_tensors(state)
    state_bytes = None if kept is None else stored_bytes(kept)  # a cache that grows is full only now
    again()
    flops, uncounted = runner.count_flops(call) if step.shown else (None, ())
    kernels = runner.attention_kernels() if step.shown else ()
    touched = runner.touched()
    again()
    transient = peak_bytes_during(conditions.torch, conditions.device, call) if step.shown else None
    launched = captured(conditions.torch, conditions.device, step, again, call, conditions.never_captured)
    conditions.captured += bool(launched.how)
    if launched.why_not:
        conditions.not_captured[launched.why_not] = None
    name = launched.how and f"{conditions.clock.name} around {launched.how}"
    return _LookedAt(
        plan=step,
        timed=Timed(launched.call, again, name),
        state_bytes=state_bytes,
        transient_bytes=transient,
        flops=flops,
        uncounted=uncounted,
        touched=touched,
        kernels=kernels,
    )


def notes_of_graphs(conditions: Conditions) -> list[str]:
    """What must be known of decode steps on a GPU that were no CUDA graphs."""
    which = "some decode steps" if conditions.captured else "decode steps"
    return [f"{which} ran without a CUDA graph, launch by launch: {why}" for why in conditions.not_captured]


def _in_turn(timing: Timed) -> None:
    if timing.before is not None:
        timing.before()
    timing.call()
