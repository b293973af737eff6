"""What is computed of the steps that are timed: on the ceilings of this run, under its dtype and routing."""

from collections.abc import Iterator
from functools import cached_property

import msgspec

from moecalc.api.model import Model
from moecalc.api.precision import precision_for
from moecalc.calc import memory
from moecalc.calc.deploy.activations import LOGIT_BYTES, activation_peak
from moecalc.calc.deploy.ranks import Sharded
from moecalc.calc.routing.skewed import routing_under
from moecalc.calc.routing.spread import called_variance, likely_deviation, touched_variance
from moecalc.calc.speed.expectation import decode_terms, prefill_terms
from moecalc.calc.speed.machine import Machine
from moecalc.calc.speed.reads import Routing
from moecalc.calc.speed.roofline import Roofline, StepTime, operand_formats
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Ledger, Op, OpKind, Pool
from moecalc.ir.step import Choices, Step
from moecalc.profile.measure.steps import StepPlan, StepSample, Touched
from moecalc.specs.formats import Precision, find_format
from moecalc.specs.plan import Plan
from moecalc.specs.routing import UNIFORM_SKEW, Skew
from moecalc.specs.runs import Ceilings, Point

STREAMS, ENGINES_STREAMS = 3, 2
"""Tensors as wide as the residual stream that this runner holds at the peak, and those that engines are taken to."""


class Computed(msgspec.Struct, frozen=True, dict=True, kw_only=True):
    """A model in one dtype."""

    model: Model
    dtype: str
    skew: Skew = UNIFORM_SKEW
    quant: str | None = None
    """The recipe that stores the matrices; None: in the dtype."""
    dense_bytes: int = 0
    """What a stored matrix takes that is made dense for its use."""
    packed_rows: int = 0
    """Tokens of a step up to which none is: torch multiplies by the 8 bits themselves."""
    kind: str | None = None
    """Of the one layer that is left of the model, beside embeddings and head; None: all layers."""

    @cached_property
    def routing(self) -> Routing:
        """The skew as the calculators of speed take it."""
        return routing_under(self.skew)

    @cached_property
    def ledger(self) -> Ledger:
        """The rows of the language model: what is built and timed."""
        if self.kind is None:
            return self.model.ledger.part(Component.LANGUAGE)
        architecture = self.model.architecture
        (stack,) = architecture.stacks
        one = msgspec.structs.replace(stack, layers={self.kind: stack.layers[self.kind]}, pattern=self.kind)
        cut = msgspec.structs.replace(architecture, stacks=[one])
        return cut.lower_to_ledger().part(Component.LANGUAGE)

    def with_one_layer_of(self, kind: str) -> "Computed":
        """The same model with one layer of a kind: the least that is built of it where it is measured by kinds."""
        return msgspec.structs.replace(self, kind=kind)

    @cached_property
    def precision(self) -> Precision:
        """All weights in the dtype, but those that are stored in one of their own, or as the recipe has it."""
        if self.quant is None:
            return Precision(self.dtype)
        return msgspec.structs.replace(precision_for(self.model, self.quant), default=self.dtype)

    @property
    def parameters(self) -> int:
        """Of the language model, tied tensors once."""
        return self.model.params.total

    @cached_property
    def weight_bytes(self) -> int:
        """Of all stored tensors, buffers among them."""
        return int(memory.weight_bytes(self.ledger, self.precision))

    def state_bytes(self, step: StepPlan) -> int:
        """Of the sequences after the step."""
        return int(memory.state_bytes(self.ledger, step.tokens, self.dtype, step.batch))

    def transient_bytes(self, step: StepPlan) -> int:
        """Activations at their peak: an estimate from the widths of matrices, without workspaces of kernels.

        Of this runner: a layer's input is held until it returns, beside the stream behind its mixer and its normed
        copy, and logits are in the dtype of the weights.
        """
        element_bytes = find_format(self.dtype).bits // 8
        made = activation_peak(self.ledger, Plan(), step.new_tokens, step.batch, element_bytes)
        streams = made.stream_bytes * STREAMS // ENGINES_STREAMS
        logits = made.logits_bytes * element_bytes // LOGIT_BYTES
        dense = self.dense_bytes if step.new_tokens > self.packed_rows else 0
        return int(streams + max(made.widest_bytes, logits)) + dense

    def peak_bytes(self, step: StepPlan) -> int:
        """Weights, state and activations."""
        return self.weight_bytes + self.state_bytes(step) + self.transient_bytes(step)

    def counted_flops(self, step: StepPlan) -> int:
        """FLOPs as the counter sees them: all score positions, logits of the last; matmuls and convolutions only."""
        run, choices = Step(step.new, step.past, step.batch), self._choices(step)
        return int(sum(op.flops(run, choices) for op in self._counted_ops))

    def _choices(self, step: StepPlan) -> Choices:
        from moecalc.profile.builder.counters import counted_choices

        return counted_choices(Step(step.new, step.past, step.batch))

    @property
    def _counted_ops(self) -> Iterator[Op]:
        return (op for op in self.ledger.ops if op.kind is not OpKind.SCAN)

    def roofline(self, ceilings: Ceilings, device: str) -> Roofline:
        """The model on one device that does what was measured, in this dtype."""
        formats = dict.fromkeys(("fp32", *operand_formats(self.ledger, self.precision, self.dtype)))
        return Roofline(
            sharded=Sharded(ledger=self.ledger, plan=Plan()),
            precision=self.precision,
            kv_dtype=self.dtype,
            machines=(
                Machine(
                    name=device,
                    bandwidth=int(ceilings.bytes_per_second),
                    peaks=dict.fromkeys(formats, int(ceilings.flops_per_second)),
                ),
            ),
        )

    def bound(self, roofline: Roofline, step: StepPlan) -> StepTime:
        """The least that a step takes at those ceilings."""
        if step.phase == "decode":
            return roofline.decode(step.batch, step.tokens, self.routing)
        return roofline.prefill(step.tokens, step.batch, 0, self.routing)

    def point(self, roofline: Roofline, sample: StepSample) -> Point:
        """A timed step beside what it was computed to move and to do."""
        step = sample.plan
        bound = self.bound(roofline, step)
        if step.phase == "decode":
            terms = decode_terms(roofline, step.batch, step.tokens, self.routing)
        else:
            terms = prefill_terms(roofline, step.tokens, step.batch, 0, self.routing)
        return Point(
            phase=step.phase,
            batch=step.batch,
            tokens=step.tokens,
            timing=sample.timing,
            weight_bytes=float(bound.weight_bytes),
            state_bytes=float(bound.state_bytes),
            flops=float(bound.flops),
            operations=float(terms["operations"]),
        )

    def touched(self, step: StepPlan) -> float | None:
        """Distinct experts that a step is expected to touch, summed over the layers that have them; None if dense."""
        shares = (
            layers * float(pool.experts) * float(self.routing.touched(pool, step.new_tokens))
            for layers, pool in self._pools
        )
        return float(sum(shares)) if self._pools else None

    def touched_deviation(self, step: StepPlan, touched: Touched) -> float:
        """By how many experts a draw of the law may be off the expectation (`calc.routing.spread`)."""
        total = 0.0
        for layers, pool in self._pools:
            of_layer = touched_variance(self.skew, pool, step.new_tokens)
            # Layers that differ are drawn of a law, or some of them stand for all.
            varied = self.skew.law == "dirichlet" or touched.counted_in < touched.layers
            total += layers * (of_layer.within + (of_layer.between if varied else 0.0))
        return likely_deviation(total * touched.inflation, touched.largest)

    @cached_property
    def draws_flops(self) -> bool:
        """Whether a router's choice decides a token's FLOPs: some of its experts have no weights."""
        return any(pool.null_experts for _, pool in self._pools)

    def flops_deviation(self, step: StepPlan, touched: Touched) -> float:
        """By how many FLOPs a draw may be off the expectation, where experts without weights are chosen too."""
        run = Step(step.new, step.past, step.batch)
        by_pool: dict[Pool, float] = {}
        for op in self._counted_ops:
            if op.pool is not None:
                by_pool[op.pool] = by_pool.get(op.pool, 0.0) + float(op.flops(run, self._choices(step)))
        of_call = max(
            by_pool.get(pool, 0.0) / (step.new_tokens * layers * float(pool.calls))
            for layers, pool in self._pools
        )
        variance = sum(layers * called_variance(pool, step.new_tokens) for layers, pool in self._pools)
        return of_call * likely_deviation(variance * touched.inflation, touched.largest)

    @cached_property
    def _pools(self) -> tuple[tuple[int, Pool], ...]:
        """In how many layers tokens choose, and among what."""
        layers: dict[Pool, int] = {}
        for weight in self.ledger.weights:
            if weight.pool is not None and weight.role is Role.EXPERT_DOWN:
                layers[weight.pool] = layers.get(weight.pool, 0) + int(weight.layers)
        return tuple((count, pool) for pool, count in layers.items())
