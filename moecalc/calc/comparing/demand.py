"""What a decode step demands of hardware: bytes to hold, bytes to move, FLOPs. From rows, or from two numbers."""

from fractions import Fraction
from functools import cached_property
from typing import Protocol

import msgspec

from moecalc.calc import flops, memory
from moecalc.calc.speed.reads import UNIFORM, Reads, Routing, reads_of
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger, Pool, Weight
from moecalc.ir.step import Step
from moecalc.specs.formats import Precision, find_format


class Demand(Protocol):
    """The figures a roofline and a deployment need. None where they cannot be known."""

    @property
    def weight_bytes(self) -> Number:
        """Bytes that must sit in memory."""

    def weight_bytes_read(self, tokens: int) -> Number:
        """Expected bytes of weights one step reads for `tokens` tokens."""

    def experts_touched(self, tokens: int) -> Fraction | None:
        """Expected share of the routed experts that `tokens` tokens touch; None for a dense model."""

    def state_bytes(self, context: int) -> Number | None:
        """Bytes one sequence holds after `context` tokens."""

    def state_bytes_read(self, context: int) -> Number | None:
        """Bytes of state one decode step reads for one sequence."""

    def decode_flops(self, context: int) -> Number:
        """FLOPs of one decoded token with `context` keys."""


class Exact(Routing, frozen=True):
    """A routing in fractions: a comparison adds and divides without rounding, and rounds once at the end."""

    under: Routing = UNIFORM

    def touched(self, pool: Pool, tokens: Number) -> Fraction:
        """Expected share of a pool's experts that `tokens` tokens touch."""
        return Fraction(self.under.touched(pool, tokens))


EXACT = Exact()


class LedgerDemand(msgspec.Struct, frozen=True, dict=True):
    """The demand of a known architecture."""

    ledger: Ledger
    precision: Precision
    kv_dtype: str
    routing: Routing = EXACT

    @cached_property
    def weight_bytes(self) -> Number:
        """Bytes of the stored language model, buffers and scales included."""
        return memory.weight_bytes(self.ledger, self.precision)

    def weight_bytes_read(self, tokens: int) -> Number:
        """Matrices once per application, routed ones by expected distinct experts, look-ups by their rows."""
        return self.reads.weight_bytes(tokens, tokens, self.routing)

    def experts_touched(self, tokens: int) -> Fraction | None:
        """Expected distinct share, weighted by the bytes of each pool."""
        share: Fraction | None = self.reads.touched_share(tokens, self.routing)
        return share

    def state_bytes(self, context: int) -> Number:
        """Logical state of one sequence."""
        return memory.state_bytes(self.ledger, context, self.kv_dtype)

    def state_bytes_read(self, context: int) -> Number:
        """State one query touches: less than is held where attention is sparse."""
        return memory.state_bytes_read(self.ledger, context, self.kv_dtype)

    def decode_flops(self, context: int) -> Number:
        """Under the causal convention: what the mathematics needs."""
        return flops.step_flops(self.ledger, Step.decode(context), "causal")

    @cached_property
    def reads(self) -> Reads:
        """The stored language model, summed by how a step reads it."""
        language = (weight for weight in self.ledger.weights if weight.component is Component.LANGUAGE)
        return reads_of((weight, self._stored(weight)) for weight in language)

    def _stored(self, weight: Weight) -> Number:
        # A tied head stores nothing of its own and is read all the same.
        own = msgspec.structs.replace(weight, tied_to=None)
        return self.precision.bytes_of(own)


LOOKED_UP = Fraction(1, 4)
"""The share of a model's active parameters that an input embedding may be. The largest among released models known here
is 22%: Ling-mini-2.0's config.json has 157,184 rows of 2,048 among 1.43 B active parameters."""


class StatedDemand(msgspec.Struct, frozen=True):
    """The demand that follows from a total and an active count alone. State and attention stay unknown.

    With a pool (experts x top_k) the routed share follows too: total = shared + E e, active = shared + k e.
    """

    total: int
    active: int
    dtype: str = "bf16"
    pool: Pool | None = None
    routing: Routing = EXACT
    looked_up: Fraction = Fraction(0)
    """The share of the active parameters that is taken as an input embedding: looked up, so neither read nor
    multiplied. 0 makes what a step reads an upper bound in this respect."""

    @property
    def routed(self) -> Fraction:
        """Parameters of all routed experts."""
        if self.pool is None:
            return Fraction(0)
        per_expert = Fraction(self.total - self.active, self.pool.experts - self.pool.top_k)
        routed: Fraction = per_expert * self.pool.experts
        return routed

    @property
    def weight_bytes(self) -> Number:
        """All parameters in the dtype."""
        return find_format(self.dtype).bytes_for(self.total)

    def weight_bytes_read(self, tokens: int) -> Number:
        """With a pool by expected distinct experts; without one the least that can be: all tokens share theirs."""
        read: Number = self.active
        if self.pool is not None:
            read = (self.total - self.routed) + self.routed * self.routing.touched(self.pool, tokens)
        return find_format(self.dtype).bytes_for(read - self._embedding)

    def experts_touched(self, tokens: int) -> Fraction | None:
        """Known only with a pool."""
        return Fraction(self.routing.touched(self.pool, tokens)) if self.pool else None

    def state_bytes(self, context: int) -> None:  # noqa: ARG002 - the protocol's signature
        """Two numbers say nothing about attention."""
        return

    def state_bytes_read(self, context: int) -> None:  # noqa: ARG002 - the protocol's signature
        """Two numbers say nothing about attention."""
        return

    def decode_flops(self, context: int) -> Number:  # noqa: ARG002 - the protocol's signature
        """2 per active parameter that is not looked up: attention's share is unknown."""
        return 2 * (self.active - self._embedding)

    def with_lookup(self) -> "StatedDemand":
        """The least that the model can read and compute: with the largest embedding that is looked up."""
        return msgspec.structs.replace(self, looked_up=LOOKED_UP)

    @property
    def _embedding(self) -> Number:
        """Parameters that are looked up; no routed expert is."""
        return min(self.looked_up * self.active, self.total - self.routed)


class EqualState(msgspec.Struct, frozen=True):
    """A demand with another model's state, so that two models differ in their weights only."""

    own: Demand
    other: Demand

    @property
    def weight_bytes(self) -> Number:
        """The model's own."""
        return self.own.weight_bytes

    def weight_bytes_read(self, tokens: int) -> Number:
        """The model's own."""
        return self.own.weight_bytes_read(tokens)

    def experts_touched(self, tokens: int) -> Fraction | None:
        """The model's own."""
        return self.own.experts_touched(tokens)

    def state_bytes(self, context: int) -> Number | None:
        """The other model's."""
        return self.other.state_bytes(context)

    def state_bytes_read(self, context: int) -> Number | None:
        """The other model's."""
        return self.other.state_bytes_read(context)

    def decode_flops(self, context: int) -> Number:
        """The model's own."""
        return self.own.decode_flops(context)
