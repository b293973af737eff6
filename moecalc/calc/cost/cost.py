"""What tokens cost on a deployment: dollars per hour x the seconds they take. Data that renderers lay out.

$ per million tokens = price per GPU-hour x GPUs / (tokens per second x busy share), at the ceiling of speed, which no
engine beats, and as expected, which has an interval; money in Decimal, seconds as they come.
"""

from decimal import Decimal

import msgspec

from moecalc.calc.cost.buying import Buying
from moecalc.calc.cost.energy import Draw, Energy, energy
from moecalc.calc.cost.figure import Figure
from moecalc.calc.cost.outlay import Outlay
from moecalc.calc.cost.pace import MILLION, Pace
from moecalc.calc.cost.plans import Plans
from moecalc.calc.cost.request import RequestTime, Split
from moecalc.calc.speed.speculation import Gain, Speculation
from moecalc.ir.numeric import Number
from moecalc.report import Answer
from moecalc.specs.plan import Plan


class RequestCost(msgspec.Struct, frozen=True, kw_only=True):
    """What a request of the mix costs, and a conversation of such requests."""

    time: RequestTime
    pools: int
    new_usd: Figure[Decimal]
    cached_usd: Figure[Decimal]
    output_usd: Figure[Decimal]
    apart_usd: Figure[Decimal]
    """The three one after another."""
    usd: Figure[Decimal]
    """In one pool under continuous batching, prefill riding along with decode steps; in two what the split takes, its
    idle time included."""
    splits: Figure[Split] | None
    moved_bytes: Number
    """State of the prompt, which two pools hand over."""
    link_bytes_per_second: int | None = None
    """What it is handed over through; None where that was not said."""
    hold_usd_per_hour: Decimal
    """The room that the state of one conversation takes, held for an hour."""
    hold_usd: Decimal | None
    """Held between the turns of a conversation; None where no pause was said, or there is one turn."""

    @property
    def seconds(self) -> Figure[float]:
        """Deployment-seconds of a request."""
        return self.time.seconds(self.pools)

    @property
    def moved_seconds(self) -> float | None:
        """To hand the state of a prompt over where nothing else uses the link; None where none was said."""
        return (
            None
            if self.link_bytes_per_second is None
            else float(self.moved_bytes / self.link_bytes_per_second)
        )

    @property
    def moved_bytes_per_second(self) -> Figure[float] | None:
        """What all deployments of a split hand over where none of them waits; None in one pool."""
        if self.splits is None:
            return None
        moved = float(self.moved_bytes)
        return self.splits.map(lambda split: moved * (split.prefill + split.decode) / split.seconds)

    @property
    def conversation_usd(self) -> Figure[Decimal]:
        """As many requests as turns, and what is held between them where that is known."""
        held = self.hold_usd or Decimal(0)
        return self.usd.map(lambda value: value * self.time.request.turns + held)

    @property
    def cached_usd_per_million(self) -> Figure[Decimal] | None:
        """A million cached tokens read; None where the mix has none."""
        tokens = self.time.request.cached_tokens
        return self.cached_usd.map(lambda value: value / tokens * 1_000_000) if tokens else None


class Cost(Answer, msgspec.Struct, frozen=True, kw_only=True):
    """A model on a deployment, and what its tokens cost."""

    model: str
    title: str
    source: str
    fleet: str
    devices: int
    plan: Plan
    precision: str
    kv_dtype: str
    engine: str
    batch: int
    context: int
    prompt: int
    capacity: int
    """Most sequences that fit; 2^20 where their state hardly counts."""
    outlay: Outlay
    output: Pace
    input: Pace | None
    """None where no peak is published for the devices, so that nothing bounds a prompt."""
    curve: tuple[Pace, ...]
    """Output over the batch, at the same context."""
    is_sparse: bool
    draw: Draw | None
    draw_words: str
    grams_per_kwh: Decimal | None
    request: RequestCost | None
    buying: Buying | None
    defaults: dict[str, str | int]
    routing_words: str = "uniform"
    """How tokens are taken to choose their experts."""
    plans: Plans | None = None
    """This plan among the others that the devices allow; None where the plan was named, or there is no other."""
    speculation: Speculation | None = None
    """At the batches of the curve; None where it was not asked for."""
    in_ram_bytes: Number = 0
    """What lies in the host's RAM, because the devices do not hold it: then the curve has one batch."""
    host_note: str = ""
    """What a source says that hosts draw beside the devices; empty where none does."""
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def usd_per_million(self, pace: Pace) -> Figure[Decimal]:
        """Dollars per million tokens of a step."""
        return pace.per_million.map(self.outlay.usd)

    @property
    def gain(self) -> Gain | None:
        """What speculation does at the batch that was asked about."""
        gains = self.speculation.gains if self.speculation else ()
        return next((gain for gain in gains if gain.batch == self.batch), None)

    def speculative_usd_per_million(self, gain: Gain) -> Decimal:
        """Dollars per million tokens decoded speculatively, at the ceiling."""
        return self.outlay.usd(gain.seconds_per_token / gain.batch * MILLION)

    def energy(self, pace: Pace) -> Energy | None:
        """Energy of a million tokens; None where no power is known."""
        return None if self.draw is None else energy(pace.per_million, self.draw, self.grams_per_kwh)
