"""A decode step of a pipeline in parts: sequences dealt out to its stages in turn, and what of that binds.

Sequences are dealt out evenly to micro-batches, of which every stage works on one while the others work on theirs. A
sequence gets its next token when its micro-batch has passed all stages, and no sooner than the slowest stage is done
with all of them: the longer of the two is the step (`Roofline.decode`). Each micro-batch reads the weights anew, so
fewer of them than stages may be the faster. Of a single point only.
"""

import msgspec

from moecalc.calc.speed.roofline import Roofline, StepTime
from moecalc.calc.speed.traffic import UNIFORM, Routing


class Turns(msgspec.Struct, frozen=True, kw_only=True):
    """How sequences take turns, and the part of that which takes as long as a step."""

    sizes: tuple[int, ...]
    """Sequences of each micro-batch, over all copies of attention; they differ by one at most, the largest first."""
    stage: int | None
    """The slowest stage, where the step is its work on all micro-batches; None where it is one's way through all."""
    step: StepTime
    """What is done in that time: by the slowest stage, or by all stages on the largest micro-batch."""

    @property
    def parts(self) -> int:
        """Micro-batches: each copy of attention deals out its own sequences so."""
        return len(self.sizes)

    @property
    def stages(self) -> tuple[int, ...] | None:
        """The stages of which the step is; None: all."""
        return None if self.stage is None else (self.stage,)

    @property
    def worked_on(self) -> tuple[int, ...]:
        """Sizes of the micro-batches that are worked on in that time."""
        return self.sizes[:1] if self.stage is None else self.sizes


def turns(roofline: Roofline, batch: int, context: int, routing: Routing = UNIFORM) -> Turns | None:
    """How a decode step is dealt out to the stages; None where all sequences pass them at once, which is no slower."""
    plan = roofline.plan
    most = min(-(-batch // plan.replicas), plan.pipeline)
    if most == 1:
        return None
    whole = _sum(roofline.stages(batch, context, routing))
    tried = [_in_turn(roofline, dealt(batch, parts), context, routing) for parts in range(2, most + 1)]
    best = min(tried, key=lambda found: found.step.seconds)
    return None if whole.seconds <= best.step.seconds else best


def dealt(batch: int, parts: int) -> tuple[int, ...]:
    """Sequences of as many micro-batches: as even as they can be, the larger ones first."""
    each, more = divmod(batch, parts)
    return (each + 1,) * more + (each,) * (parts - more)


def _in_turn(roofline: Roofline, sizes: tuple[int, ...], context: int, routing: Routing) -> Turns:
    of_size = {size: roofline.stages(size, context, routing) for size in set(sizes)}
    passing = _sum(of_size[sizes[0]])
    by_stage = [
        _sum(tuple(of_size[size][stage] for size in sizes)) for stage in range(roofline.plan.pipeline)
    ]
    slowest = max(range(len(by_stage)), key=lambda stage: by_stage[stage].seconds)
    if passing.seconds >= by_stage[slowest].seconds:
        return Turns(sizes=sizes, stage=None, step=passing)
    return Turns(sizes=sizes, stage=slowest, step=by_stage[slowest])


def step_of(roofline: Roofline, batch: int, context: int, routing: Routing = UNIFORM) -> StepTime:
    """The decode step of the ceiling, with what is read and multiplied in that time, where it is in turns or not."""
    found = turns(roofline, batch, context, routing)
    return roofline.decode(batch, context, routing) if found is None else found.step


def _sum(steps: tuple[StepTime, ...]) -> StepTime:
    """One after another."""
    return StepTime(
        **{name: sum(getattr(step, name) for step in steps) for name in StepTime.__struct_fields__}
    )
