"""What was measured of a model over several devices: what ranks hold, what they sent, how long steps took."""

from typing import Literal

import msgspec

from moecalc.specs.runs import Timing

Phase = Literal["prefill", "decode"]


def kind_of(name: str) -> str:
    """The kind of an exchange by its name: `all-to-all of choices` is an all-to-all."""
    return name.partition(" of ")[0]


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
    seconds: float | None = None
    """Of all exchanges of this kind in the step, of each those of the rank that waited least; None in files before
    exchanges were timed."""

    @property
    def kind(self) -> str:
        """What ranks do, without what they do it with."""
        return kind_of(self.name)

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


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """What one kind of exchange reached in the run."""

    kind: str
    bytes_per_second: float
    """That a rank sent in the fastest large one (NCCL-tests call it bus bandwidth)."""
    start_seconds: float
    """Of the fastest tiny one."""
    sent_bytes: int
    """By a rank, in the large one."""

    def least_seconds(self, times: float, sent_bytes: float) -> float:
        """What so many exchanges take, one behind the other, in which a rank sends so many bytes in all."""
        return times * self.start_seconds + sent_bytes / self.bytes_per_second


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
    links: tuple[Link, ...] = ()
    """Of the kinds of exchange that were seen; none in files before these were measured."""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """How it ran: which kernels computed attention."""

    def step(self, phase: Phase) -> Timing:
        """The time of a step of the slowest rank."""
        return self.prefill if phase == "prefill" else self.decode

    def link(self, kind: str) -> Link | None:
        """What that kind of exchange reached; None where it was not measured."""
        return next((link for link in self.links if link.kind == kind), None)
