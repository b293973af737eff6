"""What `serve` found: a model on devices as a serving engine runs it. Data that renderers lay out."""

from fractions import Fraction
from typing import Any

import msgspec

from moecalc.calc.serving.serving import RankBudget, Scheduler
from moecalc.calc.serving.serving_state import ReservedState
from moecalc.ir.numeric import Number
from moecalc.report import Answer
from moecalc.specs.engines import Engine
from moecalc.specs.fleet import Fleet
from moecalc.specs.plan import Plan


class Serving(Answer, msgspec.Struct, frozen=True, kw_only=True):
    """The answer: budgets of the ranks, and state as the engine reserves it."""

    model: str
    title: str
    source: str
    checkpoint: str
    """What the engine is told to load: a hub id where one is known."""
    engine: Engine
    fleet: Fleet
    plan: Plan
    scheduler: Scheduler
    quant: str | None
    """The recipe or mixture that was asked for; None: as released."""
    precision: str
    kv_dtype: str
    speculate: bool
    stage_layers: tuple[int, ...]
    """Layers of each pipeline stage."""
    budgets: tuple[RankBudget, ...]
    state: ReservedState
    logical_bytes: Number
    """One request of the whole context: what the architecture needs, once."""
    naive_bytes: Number | None
    """The same by the one formula that knows neither grouped heads nor latents nor windows."""
    trained_length: int | None
    float32: bool
    """Whether the weights are float32, which engines cut to 16 bits unless told otherwise."""
    recurrent_float32: bool
    """Whether recurrent states are float32, which the engine must be told."""
    refusals: tuple[str, ...]
    """What keeps the engine from starting although memory suffices; `warnings` has it too."""
    defaults: dict[str, Any]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def starts(self) -> bool:
        """Whether the engine starts."""
        return self.state.fits and not self.refusals

    @property
    def beyond_trained(self) -> bool:
        """Whether the context is longer than the model was trained for."""
        return self.trained_length is not None and self.scheduler.context > self.trained_length

    @property
    def tightest(self) -> RankBudget:
        """The stage with the least left for state."""
        return min(self.budgets, key=lambda budget: budget.available_bytes)

    @property
    def tokens(self) -> int:
        """Tokens of cache of all copies of the engine."""
        return self.state.tokens * self.plan.data

    @property
    def concurrency(self) -> Fraction:
        """Requests of the whole context that fit at once, over all copies of the engine."""
        return self.state.concurrency * self.plan.data
