"""The steps that a run times, and what each of them showed."""

import msgspec

from moecalc.specs.runs import Phase, Timing


class StepPlan(msgspec.Struct, frozen=True):
    """One step to be timed: reading `tokens` of a prompt, or decoding a token that sees `tokens` keys."""

    phase: Phase
    batch: int
    tokens: int
    shown: bool = True
    """Whether the table has it; the others are for calibration."""

    @property
    def past(self) -> int:
        """Tokens that the state holds before it."""
        return self.tokens - 1 if self.phase == "decode" else 0

    @property
    def new(self) -> int:
        """New tokens of each sequence."""
        return 1 if self.phase == "decode" else self.tokens

    @property
    def new_tokens(self) -> int:
        """New tokens of all sequences."""
        return self.batch * self.new


class Touched(msgspec.Struct, frozen=True, kw_only=True):
    """Distinct experts that a step's tokens chose, summed over the layers that have them."""

    distinct: float
    experts: int
    """Of all those layers."""
    layers: int
    stand_for: tuple[tuple[int, int], ...] = ()
    """Of each kind of layer, how many there are, and in how many of them was counted; empty: in all."""

    @property
    def counted_in(self) -> int:
        """Layers in which was counted."""
        return sum(counted for _, counted in self.stand_for) if self.stand_for else self.layers

    @property
    def largest(self) -> float:
        """What one counted expert adds at most."""
        return max((every / counted for every, counted in self.stand_for), default=1.0)

    @property
    def inflation(self) -> float:
        """How many times the variance is what it were if all layers had been counted in."""
        if not self.stand_for:
            return 1.0
        return sum(every**2 / counted for every, counted in self.stand_for) / self.layers


class StepSample(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of a step; None where it was not measured."""

    plan: StepPlan
    timing: Timing
    state_bytes: int | None
    """Of the cache that it used."""
    transient_bytes: int | None
    """Allocated beside weights and state, at the peak."""
    flops: int | None
    """By the counter."""
    touched: Touched | None
    kernels: tuple[str, ...] = ()
    """Of attention; none where nobody looked."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of a model, or of a part of one."""

    parameters: int
    weight_bytes: int
    steps: tuple[StepSample, ...]
    uncounted: tuple[str, ...] = ()
    """Operations that the counter of FLOPs has no formula for."""


def steps_of(prompt: int, context: int, batches: tuple[int, ...], *, calibrate: bool) -> tuple[StepPlan, ...]:
    """A prompt alone, and a decode step of each batch; for calibration half and quarter lengths of them too."""
    made = [StepPlan("prefill", 1, prompt)]
    made += [StepPlan("decode", batch, context) for batch in batches]
    if calibrate:
        shorter = dict.fromkeys(length for length in (prompt // 2, prompt // 4) if 0 < length < prompt)
        made += [StepPlan("prefill", 1, length, shown=False) for length in shorter]
        half = [length for length in dict.fromkeys((context // 2, context // 4)) if 0 < length < context]
        made += [StepPlan("decode", batch, length, shown=False) for batch in batches for length in half]
    return tuple(made)
