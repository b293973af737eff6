"""Which blocks of a layer remember something of its sequences, and the states of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moecalc.ir.blocks.delta import short_convolution
from moecalc.ir.blocks.rwkv import ChannelMix
from moecalc.ir.blocks.stack import Layer, crossing
from moecalc.ir.dims import Dim
from moecalc.profile.builder.cache import LayerCache
from moecalc.profile.builder.ngram import NGramCache

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
    """Of its mixers, the shared block before them, n-gram embedding, feed-forward, and convolutions behind both."""
    blocks: list[Block] = [mixer for mixer in (layer.mixer, layer.mixer_beside) if mixer is not None]
    if layer.before:
        blocks.append(layer.before.attention)
    caches = [LayerCache(_rows(layer, block, site), batch, slots, dtype, device, source) for block in blocks]
    if layer.ngram:
        caches.append(NGramCache(layer.ngram, layer.ngram.lower(site), batch, slots, dtype, device))
    if isinstance(layer.ffn, ChannelMix):
        caches.append(LayerCache(_rows(layer, layer.ffn, site), batch, slots, dtype, device, source))
    if layer.conv_kernel is not None:
        channels = Dim("conv_channels", site.hidden.size)
        each = [short_convolution(channels, layer.conv_kernel, site) for _ in range(layer.sublayers)]
        rows = (row for rows_of in each for row in rows_of)
        caches.append(LayerCache(rows, batch, slots, dtype, device, source))
    return caches


def _rows(layer: Layer, block: Block, site: Site) -> Iterator[Row]:
    """The rows of a block, as its layer has them."""
    for row in block.lower(site):
        yield crossing(row) if layer.cross_attention else row
