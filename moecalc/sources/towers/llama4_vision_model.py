"""Llama 4's vision tower (Meta 2025): a class token behind the patches, and an adapter behind a pixel shuffle."""

from moecalc.ir.blocks.ffn import Dense
from moecalc.ir.blocks.towers import Part, Projector, VisionTransformer
from moecalc.sources.reader import Reader
from moecalc.sources.towers import _layers

DEFAULTS = {
    "hidden_size": 768,
    "intermediate_size": 5632,
    "num_hidden_layers": 34,
    "num_attention_heads": 16,
    "num_channels": 3,
    "image_size": 448,
    "patch_size": 14,
    "vision_output_dim": 7680,
    "projector_input_dim": 4096,
    "projector_output_dim": 4096,
    "pixel_shuffle_ratio": 0.5,
}


def tower(config: Reader) -> list[Part]:
    """Norms before and behind the layers; the adapter's two matrices have no biases."""
    config.ignore("projector_dropout", "multi_modal_projector_bias")
    config.ignore("vision_feature_layer", "vision_feature_select_strategy")
    hidden, inner = config.size("hidden_size"), config.size("intermediate_size")
    rows, columns = _layers.grid(config)
    out = config.size("projector_output_dim")
    config.expect("projector_input_dim", out, why="the adapter's two matrices would not fit each other")
    transformer = VisionTransformer(
        hidden_size=hidden,
        patches=_layers.patches(config, bias=False),
        positions=rows * columns + 1,
        grid=(rows, columns),
        class_tokens=1,
        input_norm="layer",
        stack=_layers.stack(
            layers=config.size("num_hidden_layers"),
            attention=_layers.attention(hidden, config.size("num_attention_heads"), bias=True),
            ffn=Dense(intermediate_size=inner, bias=True),
            final_norm="layer",
        ),
    )
    return [transformer, Projector(sizes=[inner, out, out], joined=joined(config))]


def joined(config: Reader) -> int:
    """Patches that the pixel shuffle makes one."""
    ratio = config.number("pixel_shuffle_ratio")
    if not 0 < ratio <= 1:
        raise config.refuse("pixel_shuffle_ratio", "it must be above 0 and at most 1")
    return round(1 / ratio**2)
