"""What one layer keeps from its forward for its backward pass, from the rows of the ledger.

After Korthikanti et al. 2022 (arXiv 2205.05198, section 4), rule by rule, so that any layer the ledger can say has a
figure: a matrix keeps its input (for its own gradient), a norm its input and statistics, an activation what goes into
it, attention its queries, keys, values and output, and where the scores are materialised (`eager`) the
probabilities. What several rules keep is kept once. Their 34 s b h + 5 a s^2 b of a GPT layer follows (a test holds
that).

Two sets of kernels. `fused` are those of Megatron-LM and Transformer Engine: a norm, or an activation with its gate,
is one operation. `autograd` is plain PyTorch, as transformers' modules are written: RMSNorm is computed in float32
and keeps its normed input too, a gated activation keeps its result, experts' outputs are kept for their weights.
What is written out elementwise beyond that (GELU as a polynomial, clamped gates, soft caps on scores) keeps more.

Widths are one rank's. What tensor parallelism does not split is shared out over its ranks under sequence parallelism.
Small tensors that a layer makes anew (rotary tables, masks) are left out.
"""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

import msgspec

from moecalc.ir.dims import Axis
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Role
from moecalc.ir.rows import Access, Kind, Op, Weight
from moecalc.ir.step import Choices, Form, Logits, Pairs, Step
from moecalc.specs.training import FLOAT_BYTES, TrainingPrecision, is_matrix
from moecalc.specs.training_choices import Attention, Kernels, Lora, Recompute
from moecalc.specs.training_plan import TrainingPlan

Pair = tuple[Weight, Weight]
"""A row, whole, and what the rank holds of it."""

MASK_BYTES = 1
INDEX_BYTES = 8

MIXERS = frozenset({"attention", "indexer", "compressor", "recurrent"})
LATENTS = frozenset({Role.ATTENTION_Q_B, Role.ATTENTION_KV_B})
QUERIES = (Role.ATTENTION_Q_B, Role.ATTENTION_Q)
GATES = frozenset({Role.FFN_GATE, Role.SHARED_GATE, Role.EXPERT_GATE})
UPS = frozenset({Role.FFN_UP, Role.SHARED_UP, Role.EXPERT_UP})
DOWNS = frozenset({Role.FFN_DOWN, Role.SHARED_DOWN, Role.EXPERT_DOWN})
HANDLED = MIXERS | {"ffn", "shared", "routed", "latent", "router"}


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is kept, for each token of a rank's microbatch."""

    name: str
    elements: Number
    element_bytes: Number
    module: str | None = None
    """The recomputation that drops it."""

    @property
    def bytes(self) -> Number:
        """Bytes per token."""
        return self.elements * self.element_bytes


class Saving(msgspec.Struct, frozen=True, kw_only=True):
    """How a run keeps activations."""

    plan: TrainingPlan
    precision: TrainingPrecision
    sequence: int
    attention: Attention = "flash"
    kernels: Kernels = "fused"
    recompute: Recompute = Recompute("none")
    dropout: bool = False
    """Behind attention's probabilities, each mixer and each feed-forward: masks of one byte (GPT-3)."""
    lora: Lora | None = None
    imbalance: Fraction = Fraction(1)
    """Tokens of the fullest rank's experts, over the mean."""
    element_bytes: int = 2

    def input_bytes(self, weight: Weight) -> Fraction:
        """Bytes of an element of a matrix's kept input."""
        return self.precision.input_bytes(weight) * self.element_bytes / 2

    @property
    def routed_share(self) -> Fraction:
        """Tokens that reach a rank's experts, over tokens of its copy of attention, for one call per token."""
        return self.imbalance * self.plan.expert_tensor / self.plan.tensor


WITHOUT_ADAPTERS = frozenset({"router", "norm", "residual"})
"""Groups of roles that no adapter stands beside: none of them is a linear layer in transformers."""


def trains(weight: Weight, lora: Lora | None) -> bool:
    """Whether a matrix has a gradient of its own: it is trained, or an adapter beside it is."""
    if lora is None:
        return weight.kind is Kind.PARAMETER
    if not is_matrix(weight) or weight.role is Role.RECURRENT_CONV or weight.role.group in WITHOUT_ADAPTERS:
        return False
    return lora.target == "all" or weight.role.group in MIXERS


def adapter_elements(share: Weight, lora: Lora) -> Number:
    """Parameters of the adapters beside a rank's share of a row: rank x (in + out) for each matrix."""
    copies = share.layers
    for side in share.shape[:-2]:
        copies = copies * side.size
    return copies * lora.rank * (share.shape[-2].size + share.shape[-1].size)


class Layer:
    """What one layer keeps, rule by rule. `rows` are those of the layer, `ops` its operations, whole."""

    def __init__(self, rows: Sequence[Pair], ops: Sequence[Op], saving: Saving) -> None:
        self.rows, self.ops, self.saving = rows, ops, saving
        self.by_role: dict[Role, Pair] = {}
        for whole, share in rows:
            self.by_role.setdefault(whole.role, (whole, share))

    def saved(self) -> tuple[Saved, ...]:
        """Everything kept without recomputation."""
        return tuple(part for part in self._parts() if part.elements)

    def _parts(self) -> Iterator[Saved]:
        yield from self._norms()
        yield from self._inputs()
        yield from self._attention()
        yield from self._activations()
        yield from self._routing()
        yield from self._recurrence()
        yield from self._others()
        if self.saving.dropout:
            for what in self._sublayers:
                yield self._stream(f"dropout mask of the {what}", MASK_BYTES)

    # ------------------------------------------------------------------------------------------------- norms

    @property
    def _sublayers(self) -> list[str]:
        groups = {whole.role.group for whole, _ in self.rows}
        return [
            name
            for name, there in (
                ("mixer", groups & MIXERS),
                ("feed-forward", groups & {"ffn", "routed", "shared"}),
            )
            if there
        ]

    @property
    def _stream_norms(self) -> int:
        found = sum(w.role is Role.NORM and not w.norm_bias for w, _ in self.rows)
        return found or len(self._sublayers)

    def _norms(self) -> Iterator[Saved]:
        biased = {whole.role for whole, _ in self.rows if whole.norm_bias}
        # Norms without parameters have no rows; torch's own are one operation.
        fused = Role.NORM in biased or Role.NORM not in self.by_role
        for _ in range(self._stream_norms):
            yield from self._norm("stream", self._stream_width, fused)
        seen: dict[Role, int] = {}
        for whole, share in self.rows:
            if whole.access is not Access.ELEMENTWISE or whole.norm_bias or whole.kind is Kind.BUFFER:
                continue
            width = self._normed_width(whole, share, seen.get(whole.role, 0))
            if width is not None:
                seen[whole.role] = seen.get(whole.role, 0) + 1
                yield from self._norm(whole.role.value, width, whole.role in biased)

    def _norm(self, name: str, width: Number, fused: bool) -> Iterator[Saved]:
        """A norm over the layer's own kernels; torch's LayerNorm is fused everywhere."""
        size = self.saving.element_bytes
        if self.saving.kernels == "autograd" and not fused:
            yield Saved(name=f"norm input in float32: {name}", elements=width, element_bytes=FLOAT_BYTES)
            yield Saved(name=f"normed input: {name}", elements=width, element_bytes=size)
        else:
            yield Saved(name=f"norm input: {name}", elements=width, element_bytes=size)

    def _normed_width(self, whole: Weight, share: Weight, number: int) -> Number | None:
        if whole.role is Role.ATTENTION_QK_NORM:
            role = (Role.ATTENTION_Q, Role.ATTENTION_K)[min(number, 1)]
            return self._out(self.by_role[role]) if role in self.by_role else None
        if whole.role in {Role.RECURRENT_NORM, Role.FFN_NORM}:
            role = Role.RECURRENT_OUT if whole.role is Role.RECURRENT_NORM else Role.FFN_DOWN
            return self._in(self.by_role[role]) if role in self.by_role else None
        if whole.role in {Role.ATTENTION_LATENT_NORM, Role.ATTENTION_NORM, Role.INDEXER_NORM}:
            return self._width(whole.shape[-1], share.shape[-1])
        return None

    # ---------------------------------------------------------------------------------------- inputs of matrices

    def _inputs(self) -> Iterator[Saved]:
        """What each trained matrix multiplies, once for all that multiply the same."""
        one_norm = self._stream_norms == 1
        found: dict[tuple[object, ...], Saved] = {}
        for whole, share in self.rows:
            if (
                not is_matrix(whole)
                or whole.role is Role.RECURRENT_CONV
                or not trains(whole, self.saving.lora)
            ):
                continue
            if whole.role is Role.ATTENTION_O and self._output_is_input:
                continue
            names = tuple(dim.name for dim in whole.shape[-1].dims)
            sublayer = "both" if one_norm else whole.role.group in MIXERS
            size = self.saving.input_bytes(whole)
            routed = whole.pool is not None
            key = (sublayer, names, whole.shape[-1].size, size, routed)
            found.setdefault(
                key,
                Saved(
                    name=f"input of {whole.role.value}",
                    elements=self._in((whole, share)) * self._calls(whole),
                    element_bytes=size,
                    module=self._module(whole, names),
                ),
            )
        yield from found.values()

    def _module(self, whole: Weight, names: tuple[str, ...]) -> str | None:
        if whole.role in DOWNS:
            return "act"
        from_norm = names == ("hidden_size",) and whole.pool is None
        return "norm" if from_norm or whole.role in LATENTS else None

    # ------------------------------------------------------------------------------------------------ attention

    @property
    def _output_is_input(self) -> bool:
        """Whether what attention keeps of its output is what the output projection keeps of its input."""
        if self.saving.attention == "eager" or Role.ATTENTION_GATE in self.by_role:
            return False
        whole, _ = self.by_role[Role.ATTENTION_O]
        normed = Role.ATTENTION_NORM in self.by_role
        return self._has_scores and not normed and self.saving.input_bytes(whole) == self.saving.element_bytes

    @property
    def _has_scores(self) -> bool:
        return any(op.role is Role.ATTENTION_SCORES for op in self.ops)

    def _attention(self) -> Iterator[Saved]:
        query = next((self.by_role[role] for role in QUERIES if role in self.by_role), None)
        if not self._has_scores or query is None:
            return
        saving = self.saving
        size, eager = saving.element_bytes, saving.attention == "eager"
        latent = Role.ATTENTION_KV_B in self.by_role
        queries = self._out(query)
        output = self._in(self.by_role[Role.ATTENTION_O]) if Role.ATTENTION_O in self.by_role else queries
        keys, values = self._out_of(Role.ATTENTION_K), self._out_of(Role.ATTENTION_V)
        if latent or (eager and keys):  # eager attention repeats each key-value head for its queries
            keys, values = queries, output
        if latent and not eager and saving.kernels == "autograd":
            values = self._out_of(Role.ATTENTION_KV_B)  # a view, which keeps all that it is a part of
        module = "mla_up_proj" if latent else None
        for name, width in (("queries", queries), ("keys", keys), ("values", values)):
            yield Saved(name=name, elements=width, element_bytes=size, module=module)
        heads = self._heads(query)
        if eager:
            yield from self._probabilities(heads)
        else:
            yield Saved(name="attention output", elements=output, element_bytes=size)
            yield Saved(name="log-sum-exp", elements=heads, element_bytes=FLOAT_BYTES, module=None)
        if Role.ATTENTION_GATE in self.by_role:
            if eager:
                yield Saved(name="attention output", elements=output, element_bytes=size)
            yield Saved(
                name="gate of attention",
                elements=self._out(self.by_role[Role.ATTENTION_GATE]),
                element_bytes=size,
            )

    def _probabilities(self, heads: Number) -> Iterator[Saved]:
        size = self.saving.element_bytes
        scored = heads * self._keys_per_query()
        core = "core_attn"
        if self.saving.kernels == "autograd" and size != FLOAT_BYTES:  # softmax runs in float32
            yield Saved(name="softmax in float32", elements=scored, element_bytes=FLOAT_BYTES, module=core)
        yield Saved(name="probabilities", elements=scored, element_bytes=size, module=core)
        if self.saving.dropout:
            yield Saved(name="dropped probabilities", elements=scored, element_bytes=size, module=core)
            yield Saved(name="dropout mask", elements=scored, element_bytes=MASK_BYTES, module=core)

    def _keys_per_query(self) -> Fraction:
        """Score positions a plain implementation computes, for one head and query."""
        choices = Choices(Pairs.FULL, Logits.ALL, frozenset({Form.NAIVE, Form.CHUNK}))
        step = Step.prefill(self.saving.sequence)
        op = next(op for op in self.ops if op.role is Role.ATTENTION_SCORES and op.counts_under(choices))
        return Fraction(op.extent.count(step, choices), self.saving.sequence)

    def _heads(self, query: Pair) -> Number:
        dims = query[1].shape[-2].dims
        return next((dim.size for dim in dims if dim.name == "heads"), 0)

    # ---------------------------------------------------------------------------------------------- feed-forward

    def _activations(self) -> Iterator[Saved]:
        size = Fraction(self.saving.precision.activation_bits, 8) * self.saving.element_bytes / 2
        for pair in self.rows:
            whole = pair[0]
            if whole.role in GATES | UPS and len(whole.shape) > 1:
                width = self._out(pair) * self._calls(whole)
                yield Saved(name=f"output of {whole.role.value}", elements=width, element_bytes=size)
                if whole.role in GATES and self.saving.kernels == "autograd":
                    yield Saved(
                        name=f"activated {whole.role.value}",
                        elements=width,
                        element_bytes=self.saving.element_bytes,
                        module="act",
                    )

    def _routing(self) -> Iterator[Saved]:
        if Role.EXPERT_DOWN not in self.by_role:
            return
        whole, share = self.by_role[Role.EXPERT_DOWN]
        assert whole.pool is not None
        ranks = self.saving.plan.stream_ranks
        calls = whole.pool.calls
        if Role.ROUTER in self.by_role:
            choices = self.by_role[Role.ROUTER][0].shape[-2].size
            yield Saved(
                name="router probabilities", elements=Fraction(choices, ranks), element_bytes=FLOAT_BYTES
            )
        yield Saved(name="chosen experts", elements=Fraction(calls) / ranks, element_bytes=INDEX_BYTES)
        yield Saved(name="weights of experts", elements=Fraction(calls) / ranks, element_bytes=FLOAT_BYTES)
        if self.saving.kernels == "autograd":
            width = self._calls(whole) * self._out((whole, share))
            size = self.saving.element_bytes
            yield Saved(
                name="token of each expert call", elements=self._calls(whole), element_bytes=INDEX_BYTES
            )
            yield Saved(name="experts' outputs", elements=width, element_bytes=size)
            yield Saved(name="experts' weighted outputs", elements=width, element_bytes=size)

    # ---------------------------------------------------------------------------------------------- the rest

    def _recurrence(self) -> Iterator[Saved]:
        """Projections, the convolution's output and the result; chunk states are computed again by the kernels."""
        for pair in self.rows:
            whole = pair[0]
            if (
                whole.role.group != "recurrent"
                or whole.role is Role.RECURRENT_OUT
                or whole.access is not Access.MATMUL
            ):
                continue
            yield Saved(
                name=f"output of {whole.role.value}",
                elements=self._out(pair),
                element_bytes=self.saving.element_bytes,
            )

    def _others(self) -> Iterator[Saved]:
        """Outputs of matrices that no rule above speaks of; and of adapters, the inner vector."""
        lora = self.saving.lora
        for pair in self.rows:
            whole = pair[0]
            if not is_matrix(whole):
                continue
            if lora is not None and trains(whole, lora):
                yield Saved(
                    name=f"inside the adapter of {whole.role.value}",
                    elements=lora.rank * self._calls(whole),
                    element_bytes=self.saving.element_bytes,
                )
            if whole.role.group not in HANDLED:
                yield Saved(
                    name=f"output of {whole.role.value}",
                    elements=self._out(pair),
                    element_bytes=self.saving.element_bytes,
                )

    # ---------------------------------------------------------------------------------------------- widths

    @property
    def _stream_width(self) -> Number:
        hidden = next(
            (d.size for w, _ in self.rows for a in w.shape for d in a.dims if d.name == "hidden_size"), 0
        )
        return Fraction(hidden, self.saving.plan.stream_ranks)

    def _stream(self, name: str, size: Number) -> Saved:
        return Saved(name=name, elements=self._stream_width, element_bytes=size)

    def _calls(self, whole: Weight) -> Number:
        """Rows of a matrix's input on this rank for each token of its copy of attention."""
        return 1 if whole.pool is None else whole.pool.calls * self.saving.routed_share

    def _in(self, pair: Pair) -> Number:
        whole, share = pair
        if whole.pool is not None:  # experts' ranks see all columns that their matrices have
            return share.shape[-1].size
        return self._width(whole.shape[-1], share.shape[-1])

    def _out(self, pair: Pair) -> Number:
        whole, share = pair
        if whole.pool is not None:
            return share.shape[-2].size
        return self._width(whole.shape[-2], share.shape[-2])

    def _out_of(self, role: Role) -> Number:
        return self._out(self.by_role[role]) if role in self.by_role else 0

    def _width(self, whole: Axis, share: Axis) -> Number:
        """Elements per token: of what the ranks split, the share; of what all have, the rank's tokens' worth."""
        return share.size if share.size != whole.size else Fraction(share.size, self.saving.plan.stream_ranks)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes per token of one layer's activations on a rank."""

    all_bytes: Number
    """Without recomputation: what is at hand while the layer runs backward."""
    kept_bytes: Number
    """Between the passes, under the run's policy."""


def kept(saved: Iterable[Saved], saving: Saving, hidden: int) -> Kept:
    """What a layer keeps under the policy, of all that it would keep. Under `full`, its input alone."""
    parts = tuple(saved)
    everything = sum(part.bytes for part in parts)
    if saving.recompute.full:
        stream = Fraction(hidden * saving.element_bytes, saving.plan.stream_ranks)
        return Kept(all_bytes=everything, kept_bytes=stream)
    left = sum(part.bytes for part in parts if part.module not in saving.recompute.modules)
    return Kept(all_bytes=everything, kept_bytes=left)
