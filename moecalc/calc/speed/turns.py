"""A decode step of a pipeline in parts: sequences dealt out to its stages in turn, and what of that binds.

With as many micro-batches as stages, every stage works on one of them while the others work on theirs. A sequence gets
its next token when its micro-batch has passed all stages, and no sooner than the slowest stage is done with all of
them: the longer of the two is the step (`Roofline.decode`). Each micro-batch reads the weights anew. Of a single point
only.
"""

import msgspec

from moecalc.calc.speed.roofline import Roofline, StepTime
from moecalc.calc.speed.traffic import UNIFORM, Routing


class Turns(msgspec.Struct, frozen=True, kw_only=True):
    """How sequences take turns, and the part of that which takes as long as a step."""

    parts: int
    """Micro-batches: each copy of attention deals out its own sequences so."""
    batch: int
    """Sequences of one of them, over all copies of attention."""
    stage: int | None
    """The slowest stage, where the step is its work on all micro-batches; None where it is one's way through all."""
    step: StepTime
    """What is done in that time: by the slowest stage, or by all stages on one micro-batch."""

    @property
    def stages(self) -> tuple[int, ...] | None:
        """The stages of which the step is; None: all."""
        return None if self.stage is None else (self.stage,)

    @property
    def times(self) -> int:
        """How many micro-batches are worked on in that time."""
        return 1 if self.stage is None else self.parts


def turns(roofline: Roofline, batch: int, context: int, routing: Routing = UNIFORM) -> Turns | None:
    """How a decode step is dealt out to the stages; None where all sequences pass them at once, which is no slower."""
    plan = roofline.plan
    parts = min(-(-batch // plan.replicas), plan.pipeline)
    if parts == 1:
        return None
    part = -(-batch // parts)
    stages = roofline.stages(part, context, routing)
    passing = _sum(stages)
    slowest = max(range(plan.pipeline), key=lambda index: stages[index].seconds)
    waiting = _sum((stages[slowest],) * parts)
    step = max(passing, waiting, key=lambda found: found.seconds)
    if _sum(roofline.stages(batch, context, routing)).seconds <= step.seconds:
        return None
    return Turns(parts=parts, batch=part, stage=None if step is passing else slowest, step=step)


def step_of(roofline: Roofline, batch: int, context: int, routing: Routing = UNIFORM) -> StepTime:
    """The decode step of the ceiling, with what is read and multiplied in that time, where it is in turns or not."""
    found = turns(roofline, batch, context, routing)
    return roofline.decode(batch, context, routing) if found is None else found.step


def _sum(steps: tuple[StepTime, ...]) -> StepTime:
    """One after another."""
    return StepTime(
        **{name: sum(getattr(step, name) for step in steps) for name in StepTime.__struct_fields__}
    )
