"""The vision tower of Phi-4-multimodal (arXiv 2503.01743): SigLIP with its pooling head."""

from moecalc.ir.blocks.towers import Part
from moecalc.sources.reader import Reader
from moecalc.sources.towers import _layers
from moecalc.sources.towers.siglip_vision_model import transformer

DEFAULTS = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "num_channels": 3,
    "image_size": 448,
    "patch_size": 14,
}


def tower(config: Reader) -> list[Part]:
    """The reference keeps the head although the language model reads patches."""
    config.ignore("crop_size", "feature_layer")
    return [transformer(config, grid=_layers.grid(config), head=True)]
