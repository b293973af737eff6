"""The vision tower of Llama 3.2 (Meta 2024, arXiv 2407.21783 section 7): tiles, local and gated global layers."""

from moecalc.ir.blocks.ffn import Dense
from moecalc.ir.blocks.towers import Part, Tiles, VisionTransformer
from moecalc.sources.reader import Reader
from moecalc.sources.towers import _layers

DEFAULTS = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_global_layers": 8,
    "attention_heads": 16,
    "num_channels": 3,
    "image_size": 448,
    "patch_size": 14,
    "max_num_tiles": 4,
    "vision_output_dim": 7680,
    "supported_aspect_ratios": [[1, 1], [1, 2], [1, 3], [1, 4], [2, 1], [2, 2], [3, 1], [4, 1]],
}


def tower(config: Reader) -> list[Part]:
    """`vision_output_dim` is what the language model is given: the last output beside those of some layers."""
    rows, columns = _layers.grid(config)
    hidden = config.size("hidden_size")
    config.ignore("vision_output_dim", "intermediate_layers_indices")
    attention = _layers.attention(hidden, config.size("attention_heads", "num_attention_heads"), bias=False)
    ffn = Dense(intermediate_size=config.size("intermediate_size"), bias=True)
    transformer = VisionTransformer(
        hidden_size=hidden,
        patches=_layers.patches(config, bias=False),
        positions=rows * columns + 1,
        grid=(rows, columns),
        class_tokens=1,
        tiles=Tiles(
            aspect_ratios=len(config.items("supported_aspect_ratios")) + 1, tiles=config.size("max_num_tiles")
        ),
        input_norm="layer",
        stack=_layers.stack(
            layers=config.size("num_hidden_layers"), attention=attention, ffn=ffn, final_norm="layer"
        ),
        global_stack=_layers.stack(
            layers=config.size("num_global_layers"), attention=attention, ffn=ffn, gates=True
        ),
    )
    return [transformer]
