"""How long steps take on a deployment, at the ceiling and as expected: what a price is multiplied with."""

import msgspec

from moecalc.calc.cost.figure import Figure
from moecalc.calc.speed.expectation import Expected, NoExpectation, expect_decode, expect_prefill
from moecalc.calc.speed.roofline import Roofline, StepTime
from moecalc.calc.speed.traffic import SHARED, UNIFORM, Routing

MILLION = 1_000_000


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a deployment: its seconds, the tokens it yields, and what stands behind both numbers."""

    seconds: Figure[float]
    tokens: int
    step: StepTime
    """At the ceiling, under the routing assumption."""
    expectation: Expected | NoExpectation
    served: Expected | NoExpectation | None = None
    """Of decode under continuous batching, as many prompt tokens read in between as are decoded."""

    @property
    def served_per_million(self) -> Figure[float] | None:
        """Seconds of the whole deployment for a million decoded tokens so served; None where none is expected."""
        if not isinstance(self.served, Expected):
            return None
        steps = MILLION / self.tokens
        return Figure(
            ceiling=self.per_million.ceiling,
            least=self.per_million.least,
            expected=steps * self.served.seconds,
            low=steps * self.served.low_seconds,
            high=steps * self.served.high_seconds,
        )

    @property
    def per_token(self) -> Figure[float]:
        """Seconds of the whole deployment for one token."""
        return self.seconds.map(lambda value: value / self.tokens)

    @property
    def per_million(self) -> Figure[float]:
        """Seconds of the whole deployment for a million tokens."""
        return self.seconds.map(lambda value: value / self.tokens * MILLION)


def decode_pace(
    roofline: Roofline, batch: int, context: int, engine: str, routing: Routing = UNIFORM
) -> Pace:
    """A decode step: one token for each of `batch` sequences with `context` keys."""
    step = roofline.decode(batch, context, routing)
    least = roofline.decode(batch, context, SHARED)
    expectation = expect_decode(roofline, batch, context, engine=engine)
    served = expect_decode(roofline, batch, context, engine=engine, served=True)
    return Pace(
        seconds=_figure(step, least, expectation),
        tokens=batch,
        step=step,
        expectation=expectation,
        served=served,
    )


def prefill_pace(
    roofline: Roofline, prompt: int, batch: int, past: int, engine: str, routing: Routing = UNIFORM
) -> Pace:
    """Prompts for `batch` sequences: at the ceiling all in one step, as expected one after another on each copy."""
    step = roofline.prefill(prompt, batch, past, routing)
    least = roofline.prefill(prompt, batch, past, SHARED)
    copies = min(roofline.plan.replicas, batch)
    expectation = expect_prefill(roofline, prompt, copies, past, engine=engine)
    return Pace(
        seconds=_figure(step, least, expectation, batch / copies),
        tokens=batch * prompt,
        step=step,
        expectation=expectation,
    )


def _figure(
    step: StepTime, least: StepTime, expectation: Expected | NoExpectation, times: float = 1
) -> Figure[float]:
    if isinstance(expectation, NoExpectation):
        return Figure(ceiling=float(step.seconds), least=float(least.seconds))
    return Figure(
        ceiling=float(step.seconds),
        least=float(least.seconds),
        expected=times * expectation.seconds,
        low=times * expectation.low_seconds,
        high=times * expectation.high_seconds,
    )
