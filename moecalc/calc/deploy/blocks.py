"""Whether a plan cuts matrices at the borders of their quantization blocks.

A scale, a zero point or a packed word stands for a block of rows x columns, so a cut inside a block would need a
scale on two ranks. vLLM and SGLang refuse to load such shards: FP8 in 128 x 128 blocks (`create_weights` in
vllm/model_executor/layers/quantization/fp8.py: "The output_size of gate's and up's weight = 96 is not divisible by
weight quantization block_n = 128"; pull request 39046 of vllm-project/vllm, 2026-04), integers in groups along the
inputs (gptq.py and awq.py: "The input size is not aligned with the quantized weight shape").
"""

from collections.abc import Iterator

import msgspec

from moecalc.calc.deploy.sharding import allowed_tensor_sizes
from moecalc.calc.deploy.shares import Formats, Shares
from moecalc.ir.roles import Component
from moecalc.ir.rows import Access, Ledger, Weight
from moecalc.specs.formats import Format, Precision
from moecalc.specs.plan import Plan


class CutBlock(msgspec.Struct, frozen=True, kw_only=True):
    """A matrix of which a rank's share is no whole number of blocks."""

    role: str
    share: int
    """Rows or columns of the share."""
    block: int
    format: str


def cut_blocks(shares: Shares, precision: Precision) -> list[CutBlock]:
    """Every role that a split cuts inside a block, once."""
    found: dict[str, CutBlock] = {}
    rows = zip(shares.ledger.weights, shares.split.weights, shares.formats.parts(precision), strict=True)
    for whole, share, parts in rows:
        if share is whole or not _is_matrix(whole) or whole.role.value in found:
            continue
        for _, format_ in parts:
            for share_side, side, block in _sides(whole, share, format_):
                if share_side != side and share_side % block:
                    found[whole.role.value] = CutBlock(
                        role=whole.role.value, share=share_side, block=block, format=format_.name
                    )
    return list(found.values())


def whole_blocks(ledger: Ledger, precision: Precision, most: int = 64) -> list[int]:
    """Tensor-parallel sizes up to `most` that heads allow and that cut no block."""
    formats = Formats(ledger)
    sizes = allowed_tensor_sizes(ledger, most)
    return [size for size in sizes if not cut_blocks(Shares(ledger, Plan(tensor=size), formats), precision)]


def _is_matrix(weight: Weight) -> bool:
    language = weight.component is Component.LANGUAGE
    return language and weight.access is Access.MATMUL and len(weight.shape) > 1


def _sides(whole: Weight, share: Weight, format_: Format) -> Iterator[tuple[int, int, int]]:
    """(the share's side, the whole side, elements of a block along it) for both sides that have blocks."""
    blocks = _blocks(format_)
    for axis, block in enumerate(blocks, start=-2):
        if block > 1:
            yield int(share.shape[axis].size), int(whole.shape[axis].size), block


def _blocks(format_: Format) -> tuple[int, int]:
    """Rows and columns that may not be cut; 1 where there is no block, or engines pad a cut one (microscaling)."""
    if format_.block is not None:
        return format_.block if format_.block[0] > 1 else (1, 1)
    blocks = [tensor.block for tensor in format_.tensors if tensor.is_block_scale]
    rows, columns = (max((block[side] or 1 for block in blocks), default=1) for side in (0, 1))
    return rows, columns
