"""GLM-4.1V's vision tower and merger (GLM-V Team 2025, arXiv 2507.01006)."""

from moecalc.ir.blocks.ffn import Gated
from moecalc.ir.blocks.towers import Part, Projector, VisionTransformer
from moecalc.sources.reader import Reader
from moecalc.sources.towers import _layers
from moecalc.sources.towers.qwen2_vl_vision import patches

DEFAULTS = {
    "depth": 24,
    "hidden_size": 1536,
    "intermediate_size": 13696,
    "num_heads": 12,
    "in_channels": 3,
    "image_size": 336,
    "patch_size": 14,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "out_hidden_size": 4096,
    "attention_bias": False,
}


def tower(config: Reader) -> list[Part]:
    """The layers' feed-forward is `out_hidden_size` wide; `intermediate_size` is the merger's.

    A strided convolution joins squares of patches, then a matrix, a norm and a gated feed-forward follow.
    """
    rows, columns = _layers.grid(config)  # positions only: they are interpolated to the image
    hidden, out = config.size("hidden_size"), config.size("out_hidden_size")
    heads = config.size("num_heads", "num_attention_heads")
    transformer = VisionTransformer(
        hidden_size=hidden,
        patches=patches(config, bias=True),
        positions=rows * columns,
        input_norm="rms",
        stack=_layers.stack(
            layers=config.size("depth", "num_hidden_layers"),
            attention=_layers.attention(
                hidden, heads, bias=config.flag("attention_bias", default=False), o_bias=False
            ),
            ffn=Gated(intermediate_size=out),
            norm="rms",
            final_norm="rms",
        ),
    )
    joined = config.size("spatial_merge_size") ** 2
    downsample = Projector(sizes=[hidden * joined, out], bias=True, joined=joined)
    merger = Projector(
        sizes=[out, out],
        output_norm="layer",
        intermediate_size=config.size("intermediate_size"),
        joined=joined,
    )
    return [transformer, downsample, merger]
