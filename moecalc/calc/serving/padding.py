"""What an engine's kernels add to the experts: sides of their matrices, rounded up to whole tiles.

The checkpoint has none of it; the engine's log counts it among the weights ("Model loading took ...").
"""

from collections.abc import Mapping

import msgspec

from moecalc.calc.deploy.ranks import Sharded
from moecalc.ir.dims import Axis, Dim
from moecalc.ir.numeric import Number
from moecalc.ir.rows import Access, Weight
from moecalc.specs.engines import Engine
from moecalc.specs.formats import Precision


def padding_bytes(sharded: Sharded, stage: int, precision: Precision, engine: Engine) -> int:
    """Bytes that the fullest rank of a stage holds beyond its share of the stored experts; 0 where nothing is padded.

    A rank's share is rounded up, not the whole matrix: under tensor parallelism each rank pads its own slice.
    """
    rules = engine.overheads.padded_experts
    if not rules:
        return 0
    added: Number = 0
    for whole, share in sharded.rank_weights(stage):
        if whole.pool is None or whole.access is not Access.MATMUL:
            continue
        for part, format_ in precision.parts(whole):
            rule = rules.get(format_.name)
            if rule is not None:
                held = msgspec.structs.replace(share, layers=part.layers, indices=part.indices)
                added += format_.bytes_of(_padded(held, rule.multiples)) - format_.bytes_of(held)
    return int(-(-added // 1))


def _padded(weight: Weight, multiples: Mapping[str, int]) -> Weight:
    return msgspec.structs.replace(
        weight, shape=tuple(_padded_axis(axis, multiples) for axis in weight.shape)
    )


def _padded_axis(axis: Axis, multiples: Mapping[str, int]) -> Axis:
    if axis.parts:
        return Axis(parts=tuple(_padded_axis(part, multiples) for part in axis.parts))
    return Axis(tuple(_padded_dim(dim, multiples.get(dim.name, 1)) for dim in axis.dims))


def _padded_dim(dim: Dim, multiple: int) -> Dim:
    return Dim(dim.name, -(-dim.size // multiple) * multiple)
