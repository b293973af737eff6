"""What the mean request of a mix takes: its new input, its cached input and its output, in one pool or in two.

The three are told apart by taking the phases one after another: new tokens are prefilled as if nothing stood before
them, cached ones add what it takes to read their state and attend to it, output is decoded at the mean context. An
engine that lets prefill ride along with decode steps (chunked prefill: Agrawal et al. 2024, arXiv 2403.02310) overlaps
them: `overlapped`, at the ceiling all that this can save, and as expected under continuous batching.
"""

from fractions import Fraction

import msgspec

from moecalc.calc.cost.figure import Figure, added, joined
from moecalc.calc.cost.pace import decode_pace, prefill_pace
from moecalc.calc.speed.expectation import Expected, NoExpectation, expect_decode
from moecalc.calc.speed.roofline import Roofline
from moecalc.calc.speed.traffic import SHARED, UNIFORM, Routing
from moecalc.specs.request import Request

SERVED = "the request served"
"""What the expectation of continuous batching is called among those of a request."""

MOST_PARTS = 16
"""Deployments over which two pools are split at most: more are several such groups side by side."""

GOOD_SPLIT = Fraction(1, 20)
"""A split that leaves no more than this idle is not refined further."""


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """Deployments that only prefill beside deployments that only decode."""

    prefill: int
    decode: int
    prefill_share: float
    """The share of all devices that prefill would take where they could be divided freely."""
    seconds: float
    """Deployment-seconds that a request takes, the idle ones of the pool that waits included."""
    idle: float
    """Share of all deployments' time in which one pool waits for the other."""


class RequestTime(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of a whole deployment that one request of the mix takes."""

    request: Request
    batch: int
    new: Figure[float]
    cached: Figure[float]
    output: Figure[float]
    overlapped: Figure[float]
    """All three in one pool where prefill rides along with decode steps, as continuous batching lets it."""
    expectations: dict[str, Expected | NoExpectation]
    """What stands behind the expectations of input, output and continuous batching."""

    @property
    def apart(self) -> Figure[float]:
        """All three, one after another."""
        return added(self.new, self.cached, self.output)

    def seconds(self, pools: int) -> Figure[float]:
        """Of a request in one pool, or in two what the split takes, its idle time included."""
        return self.overlapped if pools == 1 else self.splits.map(lambda split: split.seconds)

    @property
    def splits(self) -> Figure[Split]:
        """Two pools, as the ceiling asks for them and as the expectation does."""
        return joined(split, added(self.new, self.cached), self.output)


def request_time(
    roofline: Roofline, request: Request, batch: int, engine: str, routing: Routing = UNIFORM
) -> RequestTime:
    """What a request takes where `batch` of them are prefilled together and then decoded together."""
    alone = prefill_pace(roofline, request.new_tokens, batch, 0, engine, routing)
    behind = prefill_pace(roofline, request.new_tokens, batch, request.cached_tokens, engine, routing)
    decode = decode_pace(roofline, batch, request.context, engine, routing)
    output = decode.seconds.map(lambda seconds: seconds * request.output / batch)
    cached = _attributed(alone.seconds, behind.seconds)
    stages = roofline.plan.pipeline

    def overlapped(step_seconds: float, compute_seconds: float) -> float:
        # Stages work side by side on different sequences: none does less than its share of the arithmetic.
        compute = request.output * compute_seconds + float(behind.step.compute_seconds)
        return max(request.output * step_seconds, compute / stages) / batch

    least = roofline.decode(batch, request.context, SHARED)
    served = expect_decode(
        roofline,
        batch,
        request.context,
        engine=engine,
        served=True,
        prompt=request.new_tokens,
        output=request.output,
    )
    return RequestTime(
        request=request,
        batch=batch,
        new=joined(lambda whole, part: (whole - part) / batch, behind.seconds, cached),
        cached=cached.map(lambda seconds: seconds / batch),
        output=output,
        overlapped=_with(
            served,
            request.output / batch,
            Figure(
                ceiling=overlapped(float(decode.step.seconds), float(decode.step.compute_seconds)),
                least=overlapped(float(least.seconds), float(least.compute_seconds)),
            ),
        ),
        expectations={
            "the request's input": behind.expectation,
            "the request's output": decode.expectation,
            SERVED: served,
        },
    )


def _with(served: Expected | NoExpectation, steps: float, figure: Figure[float]) -> Figure[float]:
    """The figure with what so many steps are expected to take beside it."""
    if isinstance(served, NoExpectation):
        return figure
    return msgspec.structs.replace(
        figure,
        expected=steps * served.seconds,
        low=steps * served.low_seconds,
        high=steps * served.high_seconds,
    )


def _attributed(alone: Figure[float], behind: Figure[float]) -> Figure[float]:
    """Seconds of a prefill that its cached tokens cause: what it takes longer than with nothing behind it.

    Of what is expected the same part as at the ceiling: no measurement tells the two apart.
    """
    share = 1 - alone.ceiling / behind.ceiling
    parts = behind.map(lambda seconds: seconds * share)
    return msgspec.structs.replace(parts, least=behind.least - alone.least)


def split(prefill_seconds: float, decode_seconds: float) -> Split:
    """The fewest deployments in two pools that leave at most 5% of their time idle; else the best of up to 16."""
    whole = prefill_seconds + decode_seconds
    best: tuple[float, int, int] | None = None
    for parts in range(2, MOST_PARTS + 1):
        for prefill in range(1, parts):
            slower = max(prefill_seconds / prefill, decode_seconds / (parts - prefill))
            idle = 1 - whole / (parts * slower)
            if best is None or idle < best[0] - 1e-12:
                best = idle, prefill, parts - prefill
        if best is not None and best[0] <= GOOD_SPLIT:
            break
    assert best is not None
    idle, prefill, decode = best
    return Split(
        prefill=prefill,
        decode=decode,
        prefill_share=prefill_seconds / whole,
        seconds=whole / (1 - idle),
        idle=idle,
    )
