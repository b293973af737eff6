"""The vision transformer of Idefics 3 (Laurencon et al. 2024, arXiv 2408.12637): SigLIP without its head."""

from moecalc.ir.blocks.towers import Part
from moecalc.sources.reader import Reader
from moecalc.sources.towers import _layers
from moecalc.sources.towers.siglip_vision_model import transformer

DEFAULTS = {
    "hidden_size": 1152,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 16,
    "num_channels": 3,
    "image_size": 224,
    "patch_size": 32,
}


def tower(config: Reader) -> list[Part]:
    """A learned position for each patch of the largest image."""
    config.ignore(
        "size", "max_image_size", "use_base_siglip"
    )  # release keys of image processing and training
    return [transformer(config, grid=_layers.grid(config), head=False)]
