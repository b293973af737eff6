"""The ledger's rows: weights, operations and states, each an integer monomial over named dims."""

from collections.abc import Iterator
from enum import Enum

import msgspec

from moecalc.ir.dims import Axis, Dim
from moecalc.ir.numeric import Number, fraction, minimum, product
from moecalc.ir.roles import Component, Role
from moecalc.ir.step import Choices, Domain, Extent, Form, KeysKind, Step


class Selection(Enum):
    """How a token finds its experts."""

    LEARNED = "learned"
    HASH = "hash"


class Pool(msgspec.Struct, frozen=True):
    """A set of interchangeable expert weights of which each token uses `top_k`.

    `null_experts` stand in the same choice but hold no weights (zero-compute experts), so a token uses between
    `min_calls` and `max_calls` real experts; the expectation assumes uniform choice.
    """

    experts: Number
    top_k: Number
    null_experts: Number = 0
    groups: Number = 1
    selection: Selection = Selection.LEARNED
    group_limit: Number | None = None
    """Groups that one token's experts come from at most (DeepSeek's node limit); None: all of them."""

    @property
    def calls(self) -> Number:
        """Expected real experts per token."""
        if isinstance(self.null_experts, int) and self.null_experts == 0:
            return self.top_k
        return fraction(self.top_k * self.experts, self.experts + self.null_experts)

    @property
    def min_calls(self) -> Number:
        """Fewest real experts one token can use."""
        return self.top_k - minimum(self.top_k, self.null_experts)

    @property
    def max_calls(self) -> Number:
        """Most real experts one token can use."""
        return minimum(self.top_k, self.experts)

    def distinct_share(self, tokens: Number) -> Number:
        """Expected share of the experts that `tokens` tokens touch if each chooses uniformly: 1 - (1 - k/E)^B."""
        # A float: exact powers of a fraction grow to thousands of digits, and this is an expectation anyway.
        return 1 - (1 - float(self.calls) / self.experts) ** tokens


class Access(Enum):
    """How a step touches a weight."""

    MATMUL = "matmul"
    LOOKUP = "lookup"
    """Only the rows asked for move (embedding and hash tables)."""
    ELEMENTWISE = "elementwise"


class Kind(Enum):
    """Whether a stored tensor is a parameter."""

    PARAMETER = "parameter"
    BUFFER = "buffer"
    """Stored with the weights but not trained and not counted as a parameter."""


class Weight(msgspec.Struct, frozen=True, kw_only=True):
    """One stored tensor per layer: `layers` copies of the product of the axes.

    `applications` is how often a step runs each stored copy (looped and shared layers); parameters count once.
    `pool` marks routed expert weights; their leading axis is the experts. `tied_to` names the role whose
    tensor this one is: nothing more is stored. `stored_as` overrides the checkpoint's format for this tensor.
    `rows` is the number of rows a token looks up (LOOKUP only). `indices` are the layers of the stack it belongs to.
    """

    role: Role
    shape: tuple[Axis, ...]
    layers: Number = 1
    applications: Number = 1
    pool: Pool | None = None
    access: Access = Access.MATMUL
    kind: Kind = Kind.PARAMETER
    component: Component = Component.LANGUAGE
    stored_as: str | None = None
    tied_to: Role | None = None
    rows: Number = 1
    indices: tuple[int, ...] = ()
    norm_bias: bool = False
    """The second vector of a norm, which shifts what the first has scaled: no norm of its own."""

    @property
    def elements_per_layer(self) -> Number:
        """Elements of one stored tensor."""
        return product(axis.size for axis in self.shape)

    @property
    def elements(self) -> Number:
        """Stored elements over all layers; 0 for a tied tensor."""
        return 0 if self.tied_to else self.layers * self.elements_per_layer


class OpKind(Enum):
    """The sort of arithmetic, as counters classify it."""

    MATMUL = "matmul"
    CONV = "conv"
    SCAN = "scan"
    """Elementwise recurrences: real work, but no matmul, so torch's counter sees none of it."""


class Op(msgspec.Struct, frozen=True, kw_only=True):
    """A multiply-accumulate: coefficient x product of dims, once per unit of the extent, per layer application.

    `forms` lists the forms in which the operation exists; empty means in every form. `pool` multiplies by the
    expected expert calls per token. `operands` is the format that serving engines multiply in where it follows
    neither from a stored weight nor from the KV dtype.
    """

    role: Role
    dims: tuple[Dim, ...]
    extent: Extent
    layers: Number = 1
    applications: Number = 1
    forms: frozenset[Form] = frozenset()
    kind: OpKind = OpKind.MATMUL
    pool: Pool | None = None
    coefficient: Number = 2
    operands: str | None = None
    component: Component = Component.LANGUAGE
    indices: tuple[int, ...] = ()

    @property
    def reads_source(self) -> bool:
        """Whether the operation belongs to cross-attention: there is none without a source."""
        crossing = (KeysKind.CROSS, KeysKind.WITH_SOURCE)
        return self.extent.domain is Domain.SOURCE or self.extent.keys.kind in crossing

    def counts_under(self, choices: Choices) -> bool:
        """Whether the operation exists in one of the chosen forms."""
        return not self.forms or not self.forms.isdisjoint(choices.forms)

    def flops(self, step: Step, choices: Choices) -> Number:
        """FLOPs in the step (2 per multiply-accumulate), over the batch; 0 where its form is not chosen."""
        if not self.counts_under(choices):
            return 0
        calls = self.pool.calls if self.pool else 1
        size = product(dim.size for dim in self.dims)
        return (
            self.coefficient
            * size
            * self.extent.count(step, choices)
            * self.layers
            * self.applications
            * calls
        )


class SlotsKind(Enum):
    """How the number of stored slots of a state follows from the context."""

    FULL = "full"
    """One per token."""
    WINDOW = "window"
    """One per token up to `size`."""
    CHUNK = "chunk"
    """One per token of the current chunk of `size`; reserved and bounded like a window."""
    BLOCKS = "blocks"
    """One per closed block of `size` tokens."""
    REMAINDER = "remainder"
    """The tokens of the block that is still open."""
    OVERLAP = "overlap"
    """`size` slots as soon as one block of `size` tokens has closed."""
    CONSTANT = "constant"
    CONV = "conv"
    """The last `size` - 1 input columns of a convolution of kernel `size`."""
    SOURCE = "source"
    """One per vector that cross-attention reads."""


class Slots(msgspec.Struct, frozen=True):
    """A rule for how many slots a state holds at a context."""

    kind: SlotsKind = SlotsKind.FULL
    size: Number = 1
    top_k: Number | None = None
    """For reads: at most this many of the slots are touched by one query."""
    ranks: int = 1
    """Ranks over which the tokens' slots are dealt out (decode-context parallel); what is counted is one rank's."""

    def count(self, context: Number) -> Number:
        """Slots the architecture needs (logical) with `context` tokens seen."""
        kind, size = self.kind, self.size
        count: Number
        if kind is SlotsKind.FULL:
            count = -(-context // self.ranks)
        elif kind is SlotsKind.WINDOW or kind is SlotsKind.CHUNK:
            count = minimum(size, context)
        elif kind is SlotsKind.BLOCKS:
            count = context // size
        elif kind is SlotsKind.REMAINDER:
            count = context % size
        elif kind is SlotsKind.OVERLAP:
            count = size * (context >= size)
        elif kind is SlotsKind.CONV:
            count = size - 1
        elif kind is SlotsKind.CONSTANT:
            count = 1
        elif kind is SlotsKind.SOURCE:
            count = 0  # it follows from the images, not from the tokens: see `State.source_elements`
        else:
            raise AssertionError(kind)
        return count if self.top_k is None else minimum(self.top_k, count)

    def reserved_by_transformers(self, context: Number) -> Number:
        """Slots transformers' own cache objects hold: windows keep size - 1, convolutions all `size` columns."""
        if self.kind is SlotsKind.WINDOW or self.kind is SlotsKind.CHUNK:
            return minimum(self.size - 1, context)
        if self.kind is SlotsKind.CONV:
            return self.size
        return self.count(context)


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What one sequence must remember: `dims` elements in each slot, per layer application.

    `stored_as` is its own format (a float32 recurrent matrix beside a bf16 cache); None means the KV dtype.
    `served_as` is the format that serving engines keep it in whatever the KV dtype (the FP8 keys of an indexer),
    while the reference implementation keeps it in the KV dtype.
    `read` is the extent a decode step touches where it is less than what is stored (sparse attention).
    `reserved` is the rule of transformers' cache where it differs from what the slots' kind reserves there;
    `reserved_dims` are the dims of its slots where it stores more in each (Falcon repeats key-value heads).
    `dims` name what tensor parallelism can split; a latent has no heads and is on every rank.
    """

    role: Role
    dims: tuple[Dim, ...]
    slots: Slots
    layers: Number = 1
    applications: Number = 1
    stored_as: str | None = None
    served_as: str | None = None
    read: Slots | None = None
    reserved: Slots | None = None
    reserved_dims: tuple[Dim, ...] = ()
    component: Component = Component.LANGUAGE
    indices: tuple[int, ...] = ()

    @property
    def elements_per_slot(self) -> Number:
        """Elements of one slot of one layer."""
        return product(dim.size for dim in self.dims)

    def elements(self, context: Number) -> Number:
        """Stored elements of one sequence, over all layers and applications."""
        return self.elements_per_slot * self.slots.count(context) * self.layers * self.applications

    def source_elements(self, source: Number) -> Number:
        """Stored elements of one sequence for `source` vectors that cross-attention reads."""
        slots = source if self.slots.kind is SlotsKind.SOURCE else 0
        return self.elements_per_slot * slots * self.layers * self.applications

    def elements_reserved(self, context: Number) -> Number:
        """Elements transformers' cache holds of one sequence after `context` tokens."""
        slots = (self.reserved or self.slots).reserved_by_transformers(context)
        size = product(dim.size for dim in self.reserved_dims or self.dims)
        return size * slots * self.layers * self.applications

    def elements_read(self, context: Number) -> Number:
        """Elements one decode step reads of one sequence with `context` keys."""
        slots = self.read or self.slots
        return self.elements_per_slot * slots.count(context) * self.layers * self.applications


Row = Weight | Op | State


class Ledger(msgspec.Struct, frozen=True):
    """All rows of a model, in the order its layers run."""

    weights: tuple[Weight, ...]
    ops: tuple[Op, ...]
    states: tuple[State, ...]

    @classmethod
    def of(cls, rows: Iterator[Row]) -> "Ledger":
        """Sort rows into the three kinds, keeping their order."""
        weights: list[Weight] = []
        ops: list[Op] = []
        states: list[State] = []
        for row in rows:
            if isinstance(row, Weight):
                weights.append(row)
            elif isinstance(row, Op):
                ops.append(row)
            else:
                states.append(row)
        return cls(tuple(weights), tuple(ops), tuple(states))

    def part(self, component: Component) -> "Ledger":
        """Only the rows of one component."""
        return Ledger(
            tuple(w for w in self.weights if w.component is component),
            tuple(o for o in self.ops if o.component is component),
            tuple(s for s in self.states if s.component is component),
        )
