"""Many plans, batches and contexts at once: the frontier of speed per user and per device, and limits kept cheapest.

Over many points the rows are evaluated once on numpy arrays, by the same functions that serve one point; where numpy
is not installed, or the points are few, one by one.
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from moecalc.calc.speed.expectation import Expected, NoExpectation
from moecalc.calc.speed.roofline import Roofline, StepTime
from moecalc.calc.speed.slo import Slo
from moecalc.calc.speed.traffic import UNIFORM, Routing
from moecalc.calc.speed.turns import step_of
from moecalc.report import Answer
from moecalc.specs.plan import Plan

FEW = 64
"""Stages times points up to which importing numpy would take longer than evaluating them."""

SECONDS_PER_HOUR = 3600

SAME_PRICE = 1e-3
"""What is cheaper by less is not: norms that every rank reads again make that much of a difference."""


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of decode steps by batch and context: `seconds[i][j]` is at `batches[i]` and `contexts[j]`."""

    batches: tuple[int, ...]
    contexts: tuple[int, ...]
    seconds: list[list[float]]
    memory_seconds: list[list[float]]
    compute_seconds: list[list[float]]


def decode_grid(
    roofline: Roofline, batches: Sequence[int], contexts: Sequence[int], routing: Routing = UNIFORM
) -> Grid:
    """A decode step at every batch and context, at the ceiling."""
    many = len(batches) * len(contexts) * roofline.plan.pipeline > FEW
    numpy = _numpy() if many else None
    if numpy is None:
        steps = [[roofline.decode(b, c, routing) for c in contexts] for b in batches]

        def column(name: str) -> list[list[float]]:
            return [[float(getattr(step, name)) for step in row] for row in steps]

    else:
        batch = numpy.array(batches, dtype=numpy.int64)[:, None]
        context = numpy.array(contexts, dtype=numpy.int64)[None, :]
        whole: StepTime = roofline.decode(batch, context, routing)
        shape = len(batches), len(contexts)

        def column(name: str) -> list[list[float]]:
            values = numpy.broadcast_to(numpy.asarray(getattr(whole, name), dtype=float), shape)
            return values.tolist()  # type: ignore[no-any-return]

    return Grid(
        batches=tuple(batches),
        contexts=tuple(contexts),
        seconds=column("seconds"),
        memory_seconds=column("memory_seconds"),
        compute_seconds=column("compute_seconds"),
    )


def _numpy() -> Any:
    try:
        import numpy as np
    except ImportError:
        return None
    return np


MANY = 2_000
"""Points of which a sweep without numpy takes a second or so."""


def slow_words(points: int) -> list[str]:
    """What makes a large sweep faster, where it is not there."""
    if points <= MANY or _numpy() is not None:
        return []
    slow = f"{points:,} points were evaluated one by one"
    return [f"{slow}: with numpy (pip install 'moecalc[arrays]') it takes about a hundredth of the time"]


class Deployed(msgspec.Struct, frozen=True, kw_only=True):
    """A plan on devices that holds the model."""

    fleet: str
    kind: str
    """The devices without their number."""
    devices: int
    plan: Plan
    max_sequences: int
    roofline: Roofline
    routing: Routing
    ttft_seconds: float | None
    """At the ceiling; None where no peak is published."""
    usd_per_hour: float | None
    """Of all devices together."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One batch on one deployment: decoding at the ceiling, and what is expected where something is."""

    on: Deployed
    batch: int
    context: int
    seconds: float
    """Of a decode step."""
    memory_seconds: float
    """Of that step as if all sequences passed a pipeline's stages at once."""
    compute_seconds: float
    """The same of arithmetic."""
    expected: Expected | NoExpectation | None = None
    """None: not asked for."""
    expected_ttft: Expected | NoExpectation | None = None
    latency_seconds: float | None = None
    """Of the step as expected, what no bandwidth shortens; None where nothing is expected, or it was not asked for."""

    @property
    def bound(self) -> str:
        """What binds at the ceiling: memory or compute; of a pipeline, the part of it that the step waits for."""
        if self.on.plan.pipeline > 1:
            return step_of(self.on.roofline, self.batch, self.context, self.on.routing).bound
        return "compute" if self.compute_seconds > self.memory_seconds else "memory"

    @property
    def per_user(self) -> float:
        """Tokens per second of one sequence at the ceiling."""
        return 1 / self.seconds

    @property
    def expected_bound(self) -> str | None:
        """What binds the step as expected: latency where it alone takes longer than the ceiling; None: not known."""
        if self.latency_seconds is None:
            return None
        return "latency" if self.latency_seconds > self.seconds else self.bound

    @property
    def per_device(self) -> float:
        """Tokens per second for each device at the ceiling."""
        return self.batch / self.seconds / self.on.devices

    @property
    def expected_per_user(self) -> float | None:
        """The same as expected; None where nothing is."""
        return 1 / self.expected.seconds if isinstance(self.expected, Expected) else None

    @property
    def expected_per_device(self) -> float | None:
        """Tokens per second for each device as expected; None where nothing is."""
        each = self.expected_per_user
        return None if each is None else each * self.batch / self.on.devices

    @property
    def expected_usd_per_million(self) -> float | None:
        """Of decoding a million tokens at the speed that is expected; None where none is."""
        return self.cost(self.expected.seconds) if isinstance(self.expected, Expected) else None

    @property
    def usd_per_million(self) -> float | None:
        """Of decoding a million tokens at the ceiling, at list prices and devices never idle."""
        return self.cost(self.seconds)

    def cost(self, seconds: float) -> float | None:
        """Dollars per million tokens where a step takes that long; None without a price."""
        if self.on.usd_per_hour is None:
            return None
        return self.on.usd_per_hour / SECONDS_PER_HOUR * seconds / self.batch * 1e6


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The cheapest point that keeps the limits, or the one that misses them by least."""

    point: Point
    expected: bool
    """Whether it was judged by what is expected; else by the ceiling, which no engine beats."""
    misses: dict[str, float]
    """How many times over its limit each figure is; empty where all are kept."""
    considered: int
    """Points that could be judged so."""
    loaded: Expected | NoExpectation | None = None
    """The first token of a request among the others of the batch, which no limit is held against; None of a request
    alone, and at the ceiling, which has no queue."""
    beyond: str | None = None
    """Why nothing is expected of the next larger batch that fits: it may be cheaper; None where something is."""


class Sweep(Answer, msgspec.Struct, frozen=True, kw_only=True):
    """What was found over devices, plans and batches."""

    model: str
    source: str
    quant: str
    precision: str
    kv_dtype: str
    context: int
    prompt: int
    routing: Routing
    is_routed: bool
    points: tuple[Point, ...]
    frontier: tuple[Point, ...]
    """At the ceiling."""
    expected_frontier: tuple[Point, ...]
    """As expected, among the points for which something is; empty where too many batches were named to ask of each."""
    slo: Slo | None
    at_ceiling: Choice | None
    """Under `slo`."""
    as_expected: Choice | None
    """The same among the points for which something is expected; None where there is none."""
    left_out: dict[str, str]
    """Kinds of devices of which no point could be chosen as expected -> why."""
    prices: tuple[str, ...]
    """Whose prices these are, and of when."""
    batch_range: tuple[int, int] | None = None
    """Where a range of batches was asked for: picks are of all of it, the points a selection."""
    busy: Decimal | None = None
    """Where the sweep is about cost, the share of the paid time that is worked: dollars pay for the rest too."""
    notes: tuple[str, ...] = ()
    defaults: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()

    @property
    def meets(self) -> bool:
        """Whether anything keeps the limits: as expected where that is known, else at the ceiling."""
        chosen = self.as_expected or self.at_ceiling
        if self.slo is None:
            return bool(self.points)
        return chosen is not None and not chosen.misses


def frontier(points: Iterable[Point]) -> tuple[Point, ...]:
    """The points that no other of the same kind of device beats both per user and per device; fastest user first."""
    return _frontier(points, lambda point: -point.per_device)


def cheapest_frontier(points: Iterable[Point]) -> tuple[Point, ...]:
    """The points that no other of the same kind of device beats both per user and in dollars; fastest user first.

    Points without a price are in none.
    """
    return _frontier(points, lambda point: point.usd_per_million, SAME_PRICE)


def expected_frontier(points: Iterable[Point], in_dollars: bool) -> tuple[Point, ...]:
    """The same of what is expected, in dollars or per device; points of which nothing is expected are in none."""
    known = [point for point in points if isinstance(point.expected, Expected)]

    def per_user(point: Point) -> float:
        return point.expected_per_user or 0.0

    if in_dollars:
        return _frontier(known, lambda point: point.expected_usd_per_million, SAME_PRICE, per_user)
    return _frontier(known, lambda point: -(point.expected_per_device or 0.0), speed_of=per_user)


def _frontier(
    points: Iterable[Point],
    loss_of: Callable[[Point], float | None],
    margin: float = 0.0,
    speed_of: Callable[[Point], float] = lambda point: point.per_user,
) -> tuple[Point, ...]:
    """Kept are points of less loss, by more than that share, than all that are faster per user."""
    kinds: dict[str, list[tuple[float, Point]]] = {}
    for point in points:
        if (loss := loss_of(point)) is not None:
            kinds.setdefault(point.on.kind, []).append((loss, point))
    kept = []
    for kind in sorted(kinds):
        least = None
        for loss, point in sorted(kinds[kind], key=lambda pair: (-speed_of(pair[1]), pair[0])):
            if least is None or loss < least - margin * abs(least):
                kept.append(point)
                least = loss
    return tuple(kept)


def judged(point: Point, slo: Slo, expected: bool) -> tuple[float, dict[str, float]] | None:
    """Seconds of a step and the limits that are missed, at the ceiling or as expected; None where nothing is known."""
    if not expected:
        return point.seconds, slo.misses(point.on.ttft_seconds, point.seconds)
    decode, first = point.expected, point.expected_ttft
    if not isinstance(decode, Expected):
        return None
    if slo.ttft_seconds is not None and not isinstance(first, Expected):
        return None
    ttft = _held(first, slo) if isinstance(first, Expected) else None
    return decode.seconds, slo.misses(ttft, _held(decode, slo))


def choose(points: Sequence[Point], slo: Slo, expected: bool) -> Choice | None:
    """The cheapest point that keeps the limits, else the nearest; None where no point can be judged so.

    Of what is expected, the middle of the interval is held against the limits, or its high end (`high`); of the time to
    the first token, that of a request alone.

    Cheapest: dollars per token where every device has a price, else device-seconds per token.
    """
    found = [(point, judged(point, slo, expected)) for point in points]
    entries = [(point, *held) for point, held in found if held is not None]
    if not entries:
        return None
    keeping = [entry for entry in entries if not entry[2]]
    if keeping:
        priced = all(entry[0].on.usd_per_hour is not None for entry in keeping)

        def cost(entry: tuple[Point, float, dict[str, float]]) -> float:
            point, seconds, _ = entry
            return (point.cost(seconds) or 0.0) if priced else seconds * point.on.devices / point.batch

        best = min(keeping, key=cost)
    else:
        best = min(entries, key=lambda entry: max(entry[2].values()))
    return Choice(point=best[0], expected=expected, misses=best[2], considered=len(entries))


def unjudged(points: Iterable[Point], allowed: Iterable[Point], slo: Slo) -> dict[str, str]:
    """Kinds of devices of which none of `points` could be judged as expected -> why; none where that holds of all.

    `allowed` are those of the points that keep the limits at the ceiling, with what is expected of them.
    """
    found: dict[str, str] = {}
    by_kind: dict[str, list[Point]] = {}
    for point in allowed:
        by_kind.setdefault(point.on.kind, []).append(point)
    for kind in dict.fromkeys(point.on.kind for point in points) if by_kind else ():
        reasons = [_reason(point, slo) for point in by_kind.get(kind, ())]
        if not reasons:
            found[kind] = "nothing on it keeps the limits even at the ceiling"
        elif all(reasons):
            found[kind] = f"no expectation: {reasons[0]}"
    return found


def _reason(point: Point, slo: Slo) -> str | None:
    """Why a point cannot be judged by what is expected; None where it can be."""
    needed = (point.expected, point.expected_ttft if slo.ttft_seconds is not None else None)
    return next((missing.reason for missing in needed if isinstance(missing, NoExpectation)), None)


def _held(expected: Expected, slo: Slo) -> float:
    """The seconds that are held against a limit."""
    return expected.high_seconds if slo.high else expected.seconds
