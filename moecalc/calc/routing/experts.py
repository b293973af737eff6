"""The experts that one router chooses among, as a batch meets them: bytes and FLOPs of one, and what a rank buffers."""

from collections.abc import Iterable

import msgspec

from moecalc.ir.numeric import Number, fraction
from moecalc.ir.roles import Component
from moecalc.ir.rows import Access, Ledger, Pool, Weight
from moecalc.specs.formats import Precision

ELEMENT_BYTES = 2
"""Activations are taken to be 16-bit, as those of `fit` are."""


class Experts(msgspec.Struct, frozen=True, kw_only=True):
    """One pool over all layers that choose among it; means over layers where their experts differ in size."""

    pool: Pool
    layers: int
    """Times that a token chooses: layers, each as often as it is run."""
    expert_bytes: Number
    """Stored bytes of one expert of one layer."""
    flops_per_token: Number
    """Of one expert and one token: 2 per multiply-accumulate of its matrices."""
    stored_bytes: Number
    """Of all experts in all layers."""
    buffer_bytes_per_choice: Number
    """What a rank holds of a token that was sent to one expert: its input and the outputs of the expert's matrices."""
    format_name: str
    """In which most of the matrices are stored."""


def experts_of(ledger: Ledger, precision: Precision) -> tuple[Experts, ...]:
    """The pools of the language model, in the order of its layers; none for a dense model."""
    return tuple(_experts(pool, rows, precision) for pool, rows in pools_of(ledger).items())


def pools_of(ledger: Ledger) -> dict[Pool, list[Weight]]:
    """The language model's sorts of experts, each with its rows."""
    pools: dict[Pool, list[Weight]] = {}
    for weight in ledger.weights:
        if weight.pool is not None and weight.component is Component.LANGUAGE:
            pools.setdefault(weight.pool, []).append(weight)
    return pools


def _experts(pool: Pool, rows: list[Weight], precision: Precision) -> Experts:
    matrices = [row for row in rows if row.access is Access.MATMUL and len(row.shape) > 2]
    by_role: dict[str, int] = {}
    for row in matrices or rows:
        by_role[row.role.value] = by_role.get(row.role.value, 0) + row.layers * row.applications
    layers = max(by_role.values())
    of_expert = layers * pool.experts
    return Experts(
        pool=pool,
        layers=layers,
        expert_bytes=fraction(_total(precision.bytes_of(row) * row.applications for row in rows), of_expert),
        flops_per_token=2 * fraction(_total(row.elements * row.applications for row in matrices), of_expert),
        stored_bytes=_total(precision.bytes_of(row) for row in rows),
        buffer_bytes_per_choice=ELEMENT_BYTES * _buffered(matrices, layers),
        format_name=precision.format_of(max(matrices or rows, key=lambda row: row.elements)).name,
    )


def _buffered(matrices: list[Weight], layers: int) -> Number:
    """Elements: each matrix' output, and the first one's input."""
    outputs = _total(row.shape[-2].size * row.layers * row.applications for row in matrices)
    return matrices[0].shape[-1].size + fraction(outputs, layers) if matrices else 0


def _total(values: Iterable[Number]) -> Number:
    return sum(values)
