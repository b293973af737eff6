"""Bytes of a training run on the fullest rank of every pipeline stage: states of the weights, and activations.

The states follow ZeRO's stages (Rajbhandari et al. 2020, arXiv 1910.02054, section 5): the data ranks share optimizer
states and master weights (1), gradients too (2), weights too (3). Experts are shared by the ranks that hold the same
ones, which are fewer. Activations: as many microbatches as the schedule has under way on a stage: 1F1B
min(m, p - s) (arXiv 2104.04473, section 2.2); interleaved with v pieces 2 (p - s - 1) + (v - 1) p + 1 pieces, which on
the first stage is Korthikanti's L (1 + (p - 1) / (p v)) layers (arXiv 2205.05198, section 4.2.3).

Not counted: buffers of the communication library and of all-gathers, workspaces, fragmentation, the CUDA context.
"""

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from functools import cached_property

import msgspec

from moecalc.calc.deploy.ranks import loaded_rows
from moecalc.calc.deploy.sharding import check_plan, layer_count, split_ledger, stage_weights
from moecalc.calc.deploy.shares import share_bytes
from moecalc.calc.speed.communication import hidden_size
from moecalc.calc.training.training_activations import (
    Kept,
    Layer,
    Pair,
    Saving,
    adapter_elements,
    kept,
    trains,
)
from moecalc.errors import InputError
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Kind, Ledger, Weight
from moecalc.specs.formats import Precision
from moecalc.specs.training import FLOAT_BYTES, Optimizer
from moecalc.specs.training_plan import TrainingPlan


class StateBytes(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of everything that belongs to weights."""

    weights: int
    gradients: int
    master: int
    moments: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.weights + self.gradients + self.master + self.moments


class StageMemory(msgspec.Struct, frozen=True, kw_only=True):
    """The fullest rank of one pipeline stage."""

    stage: int
    layers: tuple[int, ...]
    parameters: int
    """Elements of the weights that it holds, before ZeRO shares anything out."""
    states: StateBytes
    in_flight: Fraction
    """Microbatches whose activations it holds at once; of an interleaved schedule in whole models' worth."""
    layer_bytes: int
    """Activations of its layers for one microbatch."""
    activation_bytes: int
    """Of all that are under way."""
    logits_bytes: int
    """The head's peak: its input, logits in 16 bits, their softmax in float32; 0 without the head."""
    working_bytes: int
    """Of one layer that is computed again, beside what is kept; 0 without recomputation."""
    gathered_bytes: int
    """The largest layer's weights, gathered where each rank holds a part of them (ZeRO 3)."""

    @property
    def peak_bytes(self) -> int:
        """The largest of what stands beside the kept activations for a moment."""
        return max(self.logits_bytes, self.working_bytes)

    @property
    def total(self) -> int:
        """Everything that is counted."""
        return self.states.total + self.activation_bytes + self.peak_bytes + self.gathered_bytes


class LayerMemory(msgspec.Struct, frozen=True, kw_only=True):
    """Activations of one kind of layer for one microbatch on a rank, under each policy."""

    words: str
    indices: tuple[int, ...]
    none_bytes: int
    kept_bytes: int
    full_bytes: int


class TrainingMemory(msgspec.Struct, frozen=True, dict=True, kw_only=True):
    """A model, laid over the ranks of a training run."""

    ledger: Ledger
    plan: TrainingPlan
    saving: Saving
    optimizer: Optimizer
    micro_batch: int
    """Sequences of a microbatch."""
    microbatches: int
    """Of each copy of the model, in a step."""
    frozen_precision: Precision | None = None
    """How frozen weights are stored (QLoRA); None as the run's precision has them."""
    gradient_bytes: int = 4

    @cached_property
    def rows(self) -> Ledger:
        """The language model."""
        return loaded_rows(self.ledger, (Component.LANGUAGE,))

    @cached_property
    def layers(self) -> int:
        """Layers that a pipeline cuts between."""
        return layer_count(self.rows)

    @cached_property
    def pieces(self) -> tuple[tuple[Pair, ...], ...]:
        """The rows of every piece of the pipeline in the order of the layers. Raises InputError for a bad plan."""
        plan = self.plan
        check_plan(self.rows, plan)
        parts = plan.pipeline * plan.virtual
        if plan.virtual > 1 and (self.layers % parts or plan.stages):
            raise InputError(
                f"`--pp {plan.pipeline}` x `--vpp {plan.virtual}` = {parts} pieces: {self.layers} layers cannot be "
                "dealt to them evenly",
                hint="an interleaved schedule needs layers that are a multiple of the pieces (Megatron-LM)",
            )
        if plan.virtual > 1 and self.microbatches % plan.pipeline:
            raise InputError(
                f"{self.microbatches} microbatches are no multiple of `--pp {plan.pipeline}`",
                hint="an interleaved schedule needs that (Megatron-LM); change `--global-batch` or `--micro-batch`",
            )
        flat = plan.pieces
        split = split_ledger(self.rows, plan)
        return tuple(tuple(stage_weights(self.rows, split, flat, piece)) for piece in range(parts))

    def stage_rows(self, stage: int) -> tuple[Pair, ...]:
        """All rows of a stage's fullest rank: every `pipeline`-th piece from the stage's own on."""
        return tuple(pair for piece in self.pieces[stage :: self.plan.pipeline] for pair in piece)

    def stage_layers(self, stage: int) -> tuple[int, ...]:
        """The layers of a stage."""
        ranges = self.plan.pieces.layers_of_stages(self.layers)[stage :: self.plan.pipeline]
        return tuple(index for piece in ranges for index in piece)

    @cached_property
    def tokens(self) -> Fraction:
        """Tokens of a microbatch on one rank of its copy of attention."""
        return Fraction(self.micro_batch * self.saving.sequence, self.plan.context)

    # ------------------------------------------------------------------------------------------------- stages

    @cached_property
    def stages(self) -> tuple[StageMemory, ...]:
        """The fullest rank of every stage."""
        return tuple(self._stage(stage) for stage in range(self.plan.pipeline))

    @cached_property
    def fullest(self) -> StageMemory:
        """The stage whose rank holds most."""
        return max(self.stages, key=lambda stage: stage.total)

    def _stage(self, stage: int) -> StageMemory:
        rows, layers = self.stage_rows(stage), self.stage_layers(stage)
        by_layer = [self.layer_activations[index] for index in layers]
        layer_bytes = sum(Fraction(layer.kept_bytes) for layer in by_layer) * self.tokens
        in_flight = self.in_flight(stage)
        recomputes = self.saving.recompute.full or bool(self.saving.recompute.modules)
        working = (
            max((layer.all_bytes - layer.kept_bytes for layer in by_layer), default=0) if recomputes else 0
        )
        return StageMemory(
            stage=stage,
            layers=layers,
            parameters=int(sum(share.elements for _, share in rows if share.kind is Kind.PARAMETER)),
            states=self.states_of(rows),
            in_flight=in_flight,
            layer_bytes=_whole(layer_bytes),
            activation_bytes=_whole(layer_bytes * in_flight),
            logits_bytes=self._logits(rows) if stage == self.plan.pipeline - 1 else 0,
            working_bytes=_whole(working * self.tokens),
            gathered_bytes=self._gathered(rows, layers),
        )

    def in_flight(self, stage: int) -> Fraction:
        """Microbatches under way on a stage at its fullest."""
        p, v, m = self.plan.pipeline, self.plan.virtual, self.microbatches
        if v == 1:
            return Fraction(min(m, p - stage))
        return Fraction(min(m * v, 2 * (p - stage - 1) + (v - 1) * p + 1), v)

    def _logits(self, rows: Iterable[Pair]) -> int:
        """Final norm and head keep their inputs; the loss works on 16-bit logits and their float32 softmax.

        The softmax becomes the logits' gradient in place (Megatron-LM, tensor_parallel/cross_entropy.py; 4 s b v in
        arXiv 2205.05198, section 4.3).
        """
        vocabulary = next((share.shape[0].size for whole, share in rows if whole.role is Role.HEAD), 0)
        hidden = Fraction(hidden_size(self.rows), self.plan.stream_ranks)
        size = self.saving.element_bytes
        return _whole(self.tokens * (2 * hidden * size + vocabulary * (size + FLOAT_BYTES)))

    def _gathered(self, rows: Iterable[Pair], layers: tuple[int, ...]) -> int:
        if self.plan.zero < 3:
            return 0
        sizes: dict[int, Fraction] = defaultdict(Fraction)
        for whole, share in rows:
            for index in whole.indices:
                sizes[index] += Fraction(self._weight_bytes(whole, share)) / len(whole.indices)
        return _whole(max((sizes[index] for index in layers), default=Fraction(0)))

    # ------------------------------------------------------------------------------------------------- states

    def states_of(self, rows: Iterable[Pair]) -> StateBytes:
        """Weights, gradients, master weights and moments of rows, shared out as the ZeRO stage says."""
        sums: dict[tuple[str, int], Fraction] = defaultdict(Fraction)
        for whole, share in rows:
            ranks = self.plan.expert_data if whole.pool is not None else self.plan.data
            for name, size in self._row_bytes(whole, share):
                sums[name, ranks] += Fraction(size)
        totals: dict[str, int] = defaultdict(int)
        shared_from = {"weights": 3, "gradients": 2, "master": 1, "moments": 1}
        for (name, ranks), size in sums.items():
            parts = ranks if self.plan.zero >= shared_from[name] else 1
            totals[name] += _whole(size / parts)
        return StateBytes(**{name: totals[name] for name in shared_from})

    def _row_bytes(self, whole: Weight, share: Weight) -> Iterable[tuple[str, Number]]:
        yield "weights", self._weight_bytes(whole, share)
        lora, precision = self.saving.lora, self.saving.precision
        if lora is None:
            if share.kind is Kind.PARAMETER:
                yield "gradients", self.gradient_bytes * share.elements
                yield "master", precision.master_bytes * share.elements
                yield "moments", self.optimizer.bytes_of(share)
        elif trains(whole, lora):
            adapter = adapter_elements(share, lora)
            yield "weights", 2 * adapter
            yield "gradients", self.gradient_bytes * adapter
            yield "master", precision.master_bytes * adapter
            yield "moments", self._adapter_moments(share, adapter)

    def _adapter_moments(self, share: Weight, adapter: Number) -> Number:
        """As if the adapters of a row were one vector: none is large enough to be worth its own rows and columns."""
        moments = self.optimizer.matrices
        if moments.factored:
            return FLOAT_BYTES * moments.moments * adapter
        per_element = (
            Fraction(self.optimizer.bytes_of(share), share.elements) if share.elements else Fraction(0)
        )
        return per_element * adapter

    def _weight_bytes(self, whole: Weight, share: Weight) -> Number:
        if whole.kind is Kind.BUFFER:
            return share_bytes(Precision(), whole, share)
        if self.frozen_precision is not None:
            return share_bytes(self.frozen_precision, whole, share)
        if self.saving.lora is not None:
            return 2 * share.elements
        return self.saving.precision.weight_bytes(share)

    @cached_property
    def trainable(self) -> int:
        """Parameters that are trained, of the whole model."""
        if self.saving.lora is None:
            return int(sum(w.elements for w in self.rows.weights if w.kind is Kind.PARAMETER))
        lora = self.saving.lora
        return int(sum(adapter_elements(w, lora) for w in self.rows.weights if trains(w, lora)))

    @cached_property
    def checkpoint_bytes(self) -> int:
        """What a run resumes from: weights in 16 bits, master weights and moments, each once; of LoRA the adapters."""
        lora, total = self.saving.lora, Fraction(0)
        for weight in self.rows.weights:
            parts = dict(self._row_bytes(weight, weight)) if lora is None or trains(weight, lora) else {}
            if lora is None:
                total += 2 * weight.elements if weight.kind is Kind.PARAMETER else Fraction(parts["weights"])
            elif parts:
                total += 2 * adapter_elements(weight, lora)
            total += Fraction(parts.get("master", 0)) + Fraction(parts.get("moments", 0))
        return _whole(total)

    # ---------------------------------------------------------------------------------------------- activations

    @cached_property
    def layer_activations(self) -> tuple[Kept, ...]:
        """Bytes per token that each layer keeps, in the order of the layers."""
        return tuple(self._kinds[key][1] for key in self._layer_keys)

    @cached_property
    def layer_kinds(self) -> tuple[LayerMemory, ...]:
        """Each kind of layer with what it keeps under each policy."""
        indices: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, key in enumerate(self._layer_keys):
            indices[key].append(index)
        found = []
        stream = Fraction(hidden_size(self.rows) * self.saving.element_bytes, self.plan.stream_ranks)
        for key, where in indices.items():
            words, amounts = self._kinds[key]
            found.append(
                LayerMemory(
                    words=words,
                    indices=tuple(where),
                    none_bytes=_whole(amounts.all_bytes * self.tokens),
                    kept_bytes=_whole(amounts.kept_bytes * self.tokens),
                    full_bytes=_whole(stream * self.tokens),
                )
            )
        return tuple(found)

    @cached_property
    def _layer_keys(self) -> tuple[tuple[int, ...], ...]:
        """For each layer the rows that it has, by their place in the ledger: equal keys are equal layers."""
        keys: list[list[int]] = [[] for _ in range(self.layers)]
        for place, weight in enumerate(self.rows.weights):
            for index in weight.indices:
                keys[index].append(place)
        return tuple(map(tuple, keys))

    @cached_property
    def _kinds(self) -> dict[tuple[int, ...], tuple[str, Kept]]:
        split = split_ledger(self.rows, self.plan)
        hidden = hidden_size(self.rows)
        kinds: dict[tuple[int, ...], tuple[str, Kept]] = {}
        for index, key in enumerate(self._layer_keys):
            if key in kinds:
                continue
            rows = [(self.rows.weights[place], split.weights[place]) for place in key]
            ops = [op for op in self.rows.ops if index in op.indices and op.component is Component.LANGUAGE]
            amounts = kept(Layer(rows, ops, self.saving).saved(), self.saving, hidden)
            runs = _runs(rows)
            kinds[key] = (
                _words(rows),
                Kept(all_bytes=runs * amounts.all_bytes, kept_bytes=runs * amounts.kept_bytes),
            )
        return kinds


def _runs(rows: Iterable[Pair]) -> Number:
    """How often a step runs the layer: each run keeps activations of its own."""
    runs = (Fraction(w.layers * w.applications, len(w.indices)) for w, _ in rows if w.indices)
    return max(runs, default=Fraction(1))


def _words(rows: Iterable[Pair]) -> str:
    groups = {whole.role.group for whole, _ in rows}
    mixer = "attention" if "attention" in groups else "recurrence" if "recurrent" in groups else "no mixer"
    if "attention" in groups and "recurrent" in groups:
        mixer = "attention and recurrence"
    feed = "experts" if "routed" in groups else "dense" if "ffn" in groups else "no feed-forward"
    return f"{mixer}, {feed}"


def _whole(value: Number) -> int:
    """Rounded up to whole bytes."""
    return int(-(-Fraction(value) // 1))
