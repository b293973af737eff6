"""What was measured of a model over several devices: what ranks hold, what they sent, how long steps took."""

from typing import Literal

import msgspec

from moecalc.specs.runs import Timing

Phase = Literal["prefill", "decode"]


class Exchanged(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of exchange in one step: what the calculator says that a rank sends, and what it was counted to send."""

    phase: Phase
    name: str
    computed_times: float | None = None
    """None where the calculator leaves this kind of exchange out."""
    computed_bytes: float | None = None
    counted_times: int
    counted_bytes: float
    """By the rank that sent the most."""
    expected: bool = False
    """Whether what is computed is an expectation (experts drawn uniformly), and no exact count."""

    @property
    def equal(self) -> bool | None:
        """Whether both are the same to the byte; None where the calculator has no exact count."""
        if self.computed_bytes is None or self.expected:
            return None
        return (self.computed_times, self.computed_bytes) == (self.counted_times, self.counted_bytes)


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What each rank was to hold, and what it allocated."""

    computed: int
    ranks: tuple[int, ...]

    @property
    def equal(self) -> bool:
        """Whether every rank holds what the plan says."""
        return set(self.ranks) == {self.computed}


class RanksRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run under torchrun."""

    moecalc: str
    model: str
    source: str
    date: str
    plan: str
    ranks: int
    backend: str
    device: str
    torch: str
    dtype: str
    batch: int
    """Sequences over all devices."""
    prompt: int
    context: int
    routing: str
    seed: int
    parameters: Held
    weight_bytes: Held
    state_bytes: Held
    exchanged: tuple[Exchanged, ...]
    prefill: Timing
    """Of the rank that took longest."""
    decode: Timing
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """How it ran: which kernels computed attention."""
