"""CLIP's vision transformer (Radford et al. 2021, arXiv 2103.00020): a class token and a norm before the layers."""

from moecalc.ir.blocks.ffn import Dense
from moecalc.ir.blocks.towers import Part, VisionTransformer
from moecalc.sources.reader import Reader
from moecalc.sources.towers import _layers

DEFAULTS = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_channels": 3,
    "image_size": 224,
    "patch_size": 32,
}


def tower(config: Reader) -> list[Part]:
    """The projection to CLIP's own embedding is not part of the vision model."""
    config.ignore("projection_dim", "vocab_size", "initializer_factor")
    rows, columns = _layers.grid(config)
    hidden = config.size("hidden_size")
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
            ffn=Dense(intermediate_size=config.size("intermediate_size"), bias=True),
            final_norm="layer",
        ),
    )
    return [transformer]
