"""Qwen3-VL's vision transformer, merger and DeepStack mergers (Qwen Team 2025, arXiv 2511.21631)."""

from moecalc.ir.blocks.ffn import Dense
from moecalc.ir.blocks.towers import Part, Projector, VisionTransformer
from moecalc.sources.reader import Reader
from moecalc.sources.towers import _layers
from moecalc.sources.towers.qwen2_vl_vision import merger, patches

DEFAULTS = {
    "depth": 27,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_heads": 16,
    "in_channels": 3,
    "patch_size": 16,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "out_hidden_size": 3584,
    "num_position_embeddings": 2304,
    "deepstack_visual_indexes": [8, 16, 24],
}


def tower(config: Reader) -> list[Part]:
    """Each layer of `deepstack_visual_indexes` has a merger of its own, normed behind the joining."""
    main = merger(config, config.size("hidden_size"), config.size("out_hidden_size"))
    parts: list[Part] = [transformer(config), main]
    taps = config.items("deepstack_visual_indexes", default=[])
    if taps:
        parts.append(
            Projector(sizes=main.sizes, bias=True, input_norm="layer", copies=len(taps), joined=main.joined)
        )
    return parts


def transformer(config: Reader) -> VisionTransformer:
    """Learned positions, interpolated to the image; no norm behind the layers."""
    hidden = config.size("hidden_size")
    return VisionTransformer(
        hidden_size=hidden,
        patches=patches(config, bias=True),
        positions=config.size("num_position_embeddings"),
        stack=_layers.stack(
            layers=config.size("depth", "num_hidden_layers"),
            attention=_layers.attention(hidden, config.size("num_heads", "num_attention_heads"), bias=True),
            ffn=Dense(intermediate_size=config.size("intermediate_size"), bias=True),
        ),
    )
