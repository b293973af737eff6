"""Mistral Small 3.1 and later, and Ministral 3 with images (Mistral AI 2025): Pixtral, merged patches, an MLP."""

from moecalc.ir.blocks.towers import Projector, Tower
from moecalc.sources.multimodal.llava import mlp
from moecalc.sources.reader import Reader
from moecalc.sources.towers._layers import behind, named_tower, width

TEXT = "mistral"
VISION = {
    "intermediate_size": 4096,
    "hidden_size": 1024,
    "patch_size": 14,
    "image_size": 1540,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "vocab_size": 32000,
    "head_dim": 64,
}
DEFAULTS = {
    "tie_word_embeddings": True,
    "multimodal_projector_bias": False,
    "spatial_merge_size": 2,
    "vision_config": VISION,
    # what the class assumes where the section is absent
    "text_config": {
        "hidden_size": 5120,
        "intermediate_size": 32768,
        "num_hidden_layers": 40,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "sliding_window": None,
        "vocab_size": 131072,
    },
}


def towers(config: Reader, hidden_size: int) -> list[Tower]:
    """A norm, a matrix that joins a square of patches, two matrices."""
    tower = named_tower(config, "vision_config", "pixtral")
    if tower is None:
        return []
    wide = width(tower)
    joined = config.size("spatial_merge_size") ** 2
    merger = Projector(sizes=[wide * joined, wide], input_norm="rms", input_norm_size=wide, joined=joined)
    return behind(tower, merger, mlp(config, wide, hidden_size, joined))
