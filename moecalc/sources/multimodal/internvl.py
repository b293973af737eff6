"""InternVL 3 and 3.5 as transformers holds them (Zhu et al. 2025, arXiv 2504.10479): InternViT, and an MLP."""

from moecalc.ir.blocks.towers import Projector, Tower
from moecalc.sources.reader import Reader
from moecalc.sources.towers._layers import behind, own_tower, width

TEXT = "qwen2"
DEFAULTS = {"tie_word_embeddings": True, "downsample_ratio": 0.5}


def towers(config: Reader, hidden_size: int) -> list[Tower]:
    """Patches are joined by `downsample_ratio` on each side, normed, and projected twice."""
    config.ignore(
        "image_seq_length", "projector_hidden_act", "vision_feature_layer", "vision_feature_select_strategy"
    )
    tower = own_tower(config, "vision_config", "internvl_vision")
    ratio = config.number("downsample_ratio")
    if not 0 < ratio <= 1:
        raise config.refuse("downsample_ratio", "it must be above 0 and at most 1")
    joined = int(1 / ratio) ** 2
    sizes = [width(tower) * joined, hidden_size, hidden_size]
    return behind(tower, Projector(sizes=sizes, bias=True, input_norm="layer", joined=joined))
