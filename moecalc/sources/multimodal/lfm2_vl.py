"""LFM2-VL (Liquid AI 2025, arXiv 2511.23404): SigLIP 2, and an MLP over squares of patches."""

from moecalc.ir.blocks.towers import Projector, Tower
from moecalc.sources.reader import Reader
from moecalc.sources.towers._layers import behind, named_tower, width

TEXT = "lfm2"
DEFAULTS = {
    "tie_word_embeddings": True,
    "downsample_factor": 2,
    "projector_hidden_size": 2560,
    "projector_bias": True,
    "projector_use_layernorm": True,
}


def towers(config: Reader, hidden_size: int) -> list[Tower]:
    """`downsample_factor` patches are joined on each side, normed, and projected twice."""
    config.ignore("projector_hidden_act")
    tower = named_tower(config, "vision_config", "siglip2_vision_model")
    if tower is None:
        return []
    joined = config.size("downsample_factor") ** 2
    projector = Projector(
        joined=joined,
        sizes=[width(tower) * joined, config.size("projector_hidden_size"), hidden_size],
        bias=config.flag("projector_bias", default=True),
        input_norm="layer" if config.flag("projector_use_layernorm", default=True) else None,
    )
    return behind(tower, projector)
