"""Qwen2.5-VL's vision transformer and merger (Bai et al. 2025, arXiv 2502.13923): gated, RMSNorm, windows."""

import msgspec

from moecalc.ir.blocks.ffn import Gated
from moecalc.ir.blocks.pattern import MAX_LAYERS, compress
from moecalc.ir.blocks.stack import Layer, Stack
from moecalc.ir.blocks.towers import Part, VisionTransformer
from moecalc.sources.reader import Reader
from moecalc.sources.towers import _layers
from moecalc.sources.towers.qwen2_vl_vision import merger, patches

DEFAULTS = {
    "depth": 32,
    "hidden_size": 3584,
    "intermediate_size": 3420,
    "num_heads": 16,
    "in_channels": 3,
    "patch_size": 14,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "out_hidden_size": 3584,
    "window_size": 112,
    "fullatt_block_indexes": [7, 15, 23, 31],
}


def tower(config: Reader) -> list[Part]:
    """Outside `fullatt_block_indexes`, patches attend within squares of `window_size` pixels, in whole merges."""
    config.ignore("tokens_per_second")
    config.ignore("in_chans", "spatial_patch_size")  # release keys that the reference class does not read
    hidden = config.size("hidden_size")
    merge, (side, _) = config.size("spatial_merge_size"), _layers.square(config, "patch_size")
    merges = config.size("window_size") // merge // side
    if not merges:
        raise config.refuse("window_size", "smaller than one square of merged patches")
    everywhere = _layers.attention(hidden, config.size("num_heads", "num_attention_heads"), bias=True)
    ffn = Gated(intermediate_size=config.size("intermediate_size"), bias=True)
    known = {
        "full": Layer(mixer=everywhere, ffn=ffn),
        "window": Layer(mixer=msgspec.structs.replace(everywhere, square=merges * merge), ffn=ffn),
    }
    layers, full = config.size("depth", "num_hidden_layers"), set(config.indices("fullatt_block_indexes"))
    if layers > MAX_LAYERS:
        raise config.refuse("depth", f"more than {MAX_LAYERS:,} layers")
    order = ["full" if index in full else "window" for index in range(layers)]
    transformer = VisionTransformer(
        hidden_size=hidden,
        patches=patches(config, bias=False),
        stack=Stack(
            layers={kind: known[kind] for kind in dict.fromkeys(order)},
            pattern=compress(order),
            final_norm=None,
        ),
    )
    return [transformer, merger(config, hidden, config.size("out_hidden_size"), "rms")]
