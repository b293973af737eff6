"""FLOPs of training steps by layer: useful ones, and those that recomputation adds.

A trained matrix costs three times its forward pass, a frozen one two (the gradient of its input alone), its adapter
three times its own; attention's scores and mix and every recurrence three. Chinchilla's rule of 20 tokens per
parameter: Hoffmann et al. 2022, arXiv 2203.15556, table 3.
"""

from collections.abc import Iterable
from fractions import Fraction

import msgspec

from moecalc.calc.flops import TRAINING_OVER_FORWARD, choices_for, counted_rows
from moecalc.calc.training.training_activations import adapter_elements, trains
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Access, Ledger, Op, Weight
from moecalc.ir.step import Step
from moecalc.specs.training import runs_low
from moecalc.specs.training_choices import Lora

CHINCHILLA_TOKENS_PER_PARAMETER = 20
"""Hoffmann et al. 2022, arXiv 2203.15556, table 3: 20 within a few per cent from 0.4B to 1T parameters."""

RULE = 6
"""FLOPs per parameter and token (Kaplan et al. 2020, arXiv 2001.08361, section 2.1)."""

FROZEN_OVER_FORWARD = 2

CORE = frozenset({Role.ATTENTION_SCORES, Role.ATTENTION_MIX})
LATENT = frozenset({Role.ATTENTION_Q_B, Role.ATTENTION_KV_B})


class LayerFlops(msgspec.Struct, frozen=True, kw_only=True):
    """FLOPs of one sequence in one place: a layer, or what stands outside the layers (the head)."""

    forward: Fraction = Fraction(0)
    useful: Fraction = Fraction(0)
    """Forward and backward, nothing twice."""
    core: Fraction = Fraction(0)
    """Forward, attention's scores and mix alone."""
    latent: Fraction = Fraction(0)
    """Forward, queries, keys and values from latents."""
    routed: Fraction = Fraction(0)
    """Of `useful`, in routed experts."""
    low: Fraction = Fraction(0)
    """Of `useful`, in matrices that FP8 recipes convert."""

    def __add__(self, other: "LayerFlops") -> "LayerFlops":
        """Both places together."""
        return LayerFlops(
            **{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__}
        )


class TrainingFlops(msgspec.Struct, frozen=True, kw_only=True):
    """FLOPs of one sequence in training, place by place."""

    layers: tuple[LayerFlops, ...]
    outside: LayerFlops

    @property
    def useful(self) -> Fraction:
        """Of the whole model."""
        return sum((layer.useful for layer in self.layers), self.outside.useful)


def training_flops_by_layer(
    ledger: Ledger, layers: int, sequence: int, lora: Lora | None = None
) -> TrainingFlops:
    """FLOPs of one sequence: causal pairs, all logits, the form of latent attention that needs less."""
    step = Step.prefill(sequence)
    choices = choices_for(ledger, step, "useful")
    matrices = {
        w.role: w for w in ledger.weights if w.component is Component.LANGUAGE and w.access is Access.MATMUL
    }
    places = [LayerFlops() for _ in range(layers)]
    outside = LayerFlops()
    for op in counted_rows(ledger, "useful"):
        forward = Fraction(op.flops(step, choices))
        if not forward:
            continue
        part = _part(op, forward / (len(op.indices) or 1), matrices.get(op.role), lora)
        if not op.indices:
            outside += part
        for index in op.indices:
            places[index] += part
    if lora is not None:
        for index, adapters in _adapters(ledger.weights, sequence, lora):
            places[index] += adapters
    return TrainingFlops(layers=tuple(places), outside=outside)


def _part(op: Op, forward: Fraction, matrix: Weight | None, lora: Lora | None) -> LayerFlops:
    frozen = lora is not None and matrix is not None
    useful = (FROZEN_OVER_FORWARD if frozen else TRAINING_OVER_FORWARD) * forward
    none = Fraction(0)
    return LayerFlops(
        forward=forward,
        useful=useful,
        core=forward if op.role in CORE else none,
        latent=forward if op.role in LATENT else none,
        routed=useful if op.pool is not None else none,
        low=useful if matrix is not None and runs_low(matrix) else none,
    )


def _adapters(weights: Iterable[Weight], sequence: int, lora: Lora) -> Iterable[tuple[int, LayerFlops]]:
    for weight in weights:
        if weight.component is not Component.LANGUAGE or not trains(weight, lora):
            continue
        calls: Number = 1 if weight.pool is None else Fraction(weight.pool.calls) / weight.pool.experts
        forward = Fraction(2 * sequence * calls * adapter_elements(weight, lora) * weight.applications)
        each = forward / len(weight.indices)
        useful = TRAINING_OVER_FORWARD * each
        routed = useful if weight.pool is not None else Fraction(0)
        for index in weight.indices:
            yield index, LayerFlops(forward=each, useful=useful, routed=routed)
