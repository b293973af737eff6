"""Which blocks of a layer remember something of its sequences, and the states of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moecalc.ir.blocks.rwkv import ChannelMix
from moecalc.ir.blocks.stack import Layer, crossing
from moecalc.profile.build.cache import LayerCache

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from moecalc.ir.blocks.base import Block
    from moecalc.ir.rows import Row
    from moecalc.ir.site import Site


def layer_caches(
    layer: Layer,
    site: Site,
    batch: int,
    slots: int,
    dtype: torch.dtype,
    device: torch.device,
    source: int,
) -> list[LayerCache]:
    """Those of its mixers, then of the shared block before them, then of its feed-forward."""
    blocks: list[Block] = [mixer for mixer in (layer.mixer, layer.mixer_beside) if mixer is not None]
    if layer.before:
        blocks.append(layer.before.attention)
    if isinstance(layer.ffn, ChannelMix):
        blocks.append(layer.ffn)
    return [LayerCache(_rows(layer, block, site), batch, slots, dtype, device, source) for block in blocks]


def _rows(layer: Layer, block: Block, site: Site) -> Iterator[Row]:
    """The rows of a block, as its layer has them."""
    for row in block.lower(site):
        yield crossing(row) if layer.cross_attention else row
