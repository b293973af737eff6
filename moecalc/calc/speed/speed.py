"""How fast a model decodes and reads prompts on given devices: the ceiling, and beside it what good engines reach.

Two numbers that are never mixed. The ceiling is physics: no engine on these devices is faster (`roofline`). The
expectation is fitted on published measurements and has an interval (`expectation`); where too few of them stand
behind a regime there is none, with the reason. Tokens that choose experts uniformly touch most of them, in
expectation; tokens that share theirs, fewer: so the ceiling of a batch stands on a routing assumption, and beside it
is the unconditional one, in which all tokens share their experts.
"""

from functools import cached_property

import msgspec

from moecalc.calc.speed.communication import Communication, decode_communication
from moecalc.calc.speed.expectation import Expected, NoExpectation
from moecalc.calc.speed.hybrid import Hybrid
from moecalc.calc.speed.latency import latency_seconds
from moecalc.calc.speed.measured import Measured
from moecalc.calc.speed.roofline import Roofline, StepTime
from moecalc.calc.speed.speculation import Speculation
from moecalc.calc.speed.speed_groups import GroupTime, decode_groups
from moecalc.calc.speed.traffic import UNIFORM, Routing
from moecalc.calc.speed.turns import Turns, step_of, turns
from moecalc.report import Answer
from moecalc.specs.fleet import Fleet
from moecalc.specs.plan import Plan
from moecalc.specs.workload import Workload


class Decode(msgspec.Struct, frozen=True, kw_only=True):
    """One step that gives each of `batch` sequences, over all devices, a token behind `context` keys."""

    batch: int
    context: int
    ceiling: StepTime
    """Under the routing assumption."""
    unconditional: StepTime
    """All tokens share their experts: the least that any routing takes."""
    expected: Expected | NoExpectation

    @property
    def ceiling_tokens_per_second(self) -> float:
        """Tokens per second of all sequences together that nothing exceeds under the routing assumption."""
        return float(self.batch / self.ceiling.seconds)

    @property
    def ceiling_tokens_per_second_per_user(self) -> float:
        """The same of one sequence."""
        return float(1 / self.ceiling.seconds)

    @property
    def unconditional_tokens_per_second(self) -> float:
        """Tokens per second of all sequences that nothing exceeds, however tokens are routed."""
        return float(self.batch / self.unconditional.seconds)


class Prefill(msgspec.Struct, frozen=True, kw_only=True):
    """`prompts` prompts of `prompt` tokens at once, each behind `past` cached ones, nothing else running."""

    prompt: int
    prompts: int
    past: int
    ceiling: StepTime
    expected: Expected | NoExpectation

    @property
    def ceiling_tokens_per_second(self) -> float:
        """Prompt tokens per second that nothing exceeds, all prompts together."""
        return float(self.prompts * self.prompt / self.ceiling.seconds)

    @property
    def expected_tokens_per_second(self) -> float | None:
        """What good engines reach; None where nothing is expected."""
        if not isinstance(self.expected, Expected):
            return None
        return self.prompts * self.prompt / self.expected.seconds


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """Whether weights and state fit the devices at that batch and context."""

    free_bytes: float
    """Of the fullest rank; below 0 is what is missing."""
    max_sequences: int | None
    """Most sequences of that context; None where not even one fits."""

    @property
    def fits(self) -> bool:
        """Whether every rank has what it needs."""
        return self.free_bytes >= 0


class Speed(Answer, msgspec.Struct, frozen=True, dict=True, kw_only=True):
    """A model on devices under a plan: decoding and reading prompts, each at its ceiling and as expected."""

    model: str
    source: str
    fleet: Fleet
    quant: str
    precision: str
    kv_dtype: str
    engine: str
    workload: Workload
    routing: Routing
    roofline: Roofline
    decode: Decode
    prefill: Prefill | None
    """One prompt for each copy of attention: what all devices together read. None where no peak is published: reading
    a prompt is arithmetic, and bandwidth alone bounds nothing of it that anyone meets."""
    first: Prefill | None
    """One prompt alone: its seconds are the time to the first token, unloaded."""
    served: Expected | NoExpectation | None
    """A decode step under continuous batching, where prompts are read in between: of a batch above 1, where `decode`
    has the expectation of a batch that only decodes. None where it was asked for in its place."""
    loaded: Expected | NoExpectation | None
    """To the first token of a request while `decode.batch` of them are under way; None of one alone, and where
    prefill has no ceiling."""
    requests: tuple[int, int]
    """Prompt and output tokens of the requests that `served` and `loaded` are of."""
    held: Held
    arithmetic: dict[str, str | None]
    """For each storage format the arithmetic whose dense peak bounds it; None where no source gives a peak."""
    hybrid: Hybrid | None = None
    """Where what does not fit lies in the host's RAM: then `decode` and `prefill` are of that placement."""
    speculation: Speculation | None = None
    measured: Measured | None = None
    plan_chosen: bool = False
    """Whether nobody named the plan."""
    warnings: tuple[str, ...] = ()

    @property
    def expected(self) -> Expected | NoExpectation:
        """The decode step that the answer leads with: of a batch that only decodes, else under continuous batching."""
        if isinstance(self.decode.expected, NoExpectation) and isinstance(self.served, Expected):
            return self.served
        return self.decode.expected

    @property
    def expected_tokens_per_second(self) -> float | None:
        """The same as tokens per second of all sequences together; None where nothing is expected."""
        expected = self.expected
        return self.decode.batch / expected.seconds if isinstance(expected, Expected) else None

    @property
    def expected_low(self) -> float | None:
        """The lower end of its interval."""
        expected = self.expected
        return self.decode.batch / expected.high_seconds if isinstance(expected, Expected) else None

    @property
    def expected_high(self) -> float | None:
        """The upper end of its interval."""
        expected = self.expected
        return self.decode.batch / expected.low_seconds if isinstance(expected, Expected) else None

    @property
    def is_held(self) -> bool:
        """Whether the devices hold it, with the RAM where it was named."""
        return self.held.fits or self.hybrid is not None

    @property
    def plan(self) -> Plan:
        """How the model is spread over the devices."""
        return self.roofline.plan

    @property
    def devices(self) -> int:
        """How many devices."""
        return self.fleet.count

    @property
    def ttft_seconds(self) -> float | None:
        """The least time from a request to its first token with nothing else running, at the ceiling."""
        return None if self.first is None else float(self.first.ceiling.seconds)

    @property
    def missing_peaks(self) -> tuple[tuple[str, str], ...]:
        """(device, format) of every storage format of which a device's dense peak is not published."""
        machines = self.roofline.machines
        return tuple(
            (machine.name, name)
            for machine in machines
            for name in self.roofline.ops
            if machine.peaks.get(name) is None
        )

    @property
    def is_bandwidth_only(self) -> bool:
        """Whether no peak is known for these formats, so that bandwidth alone bounds the speed."""
        return not self.roofline.is_bounded

    @cached_property
    def touched_share(self) -> float | None:
        """Expected share of the routed experts that a decode step reads; None for a dense model."""
        share = self.roofline.touched_share(self.decode.batch, self.routing)
        return None if share is None else float(share)

    @cached_property
    def groups(self) -> tuple[GroupTime, ...]:
        """Where a decode step's bytes and FLOPs are, by component; empty where part of the model lies in RAM."""
        if self.hybrid is not None:
            return ()
        found = self.turns
        return decode_groups(
            self.roofline,
            (self.decode.batch,) if found is None else found.worked_on,
            self.decode.context,
            self.routing,
            stages=None if found is None else found.stages,
        )

    @cached_property
    def turns(self) -> Turns | None:
        """How the sequences are dealt out to pipeline stages; None where all pass them at once."""
        if self.hybrid is not None:
            return None
        return turns(self.roofline, self.decode.batch, self.decode.context, self.routing)

    @cached_property
    def communication(self) -> Communication:
        """What a decode step sends between devices: beside the ceiling, not in it."""
        return decode_communication(self.roofline, self.decode.batch)

    @cached_property
    def latency_seconds(self) -> float | None:
        """The part of the expected decode step that is latency; None where nothing is expected."""
        decode = self.decode
        return latency_seconds(self.roofline, decode.batch, decode.context, self.expected, self.requests)

    @property
    def bound(self) -> str:
        """What binds a decode step at the ceiling."""
        if self.hybrid is not None:
            return self.hybrid.bound
        return binding(self.decode.ceiling if self.turns is None else self.turns.step)

    @cached_property
    def changes(self) -> tuple[tuple[int, str], ...]:
        """What binds from which batch on, from 1 up to `MOST_BATCH`; empty where part of the model lies in RAM."""
        if self.hybrid is not None:
            return ()
        return changes(self.roofline, self.decode.context, self.routing)


MOST_BATCH = 65_536
"""No larger batch is looked at for where the binding resource changes."""


def binding(step: StepTime) -> str:
    """What binds a step at the ceiling: `weights`, `state` (both memory) or `compute`."""
    if step.bound == "compute":
        return "compute"
    return "state" if step.state_bytes > step.weight_bytes else "weights"


def changes(roofline: Roofline, context: int, routing: Routing = UNIFORM) -> tuple[tuple[int, str], ...]:
    """The resource that binds a decode step from each batch on: (1, "weights"), (97, "state") ..."""

    def at(batch: int) -> str:
        return binding(step_of(roofline, batch, context, routing))

    found = [(1, at(1))]
    low = 1
    while low < MOST_BATCH:
        high = 2 * low
        word = at(high)
        if word != found[-1][1]:
            under, over = low, high
            while over - under > 1:
                middle = (under + over) // 2
                under, over = (under, middle) if at(middle) == word else (middle, over)
            found.append((over, word))
        low = high
    return tuple(found)
