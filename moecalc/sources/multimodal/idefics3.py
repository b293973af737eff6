"""Idefics 3 (Laurencon et al. 2024, arXiv 2408.12637): SigLIP, and one matrix over squares of patches."""

from moecalc.ir.blocks.towers import Projector, Tower
from moecalc.sources.reader import Reader
from moecalc.sources.towers._layers import behind, own_tower, width

TEXT = "llama"
DEFAULTS = {"tie_word_embeddings": False, "scale_factor": 2}


def towers(config: Reader, hidden_size: int) -> list[Tower]:
    """`scale_factor` patches are joined on each side."""
    tower = own_tower(config, "vision_config", "idefics3_vision")
    joined = config.size("scale_factor") ** 2
    return behind(tower, Projector(sizes=[width(tower) * joined, hidden_size], joined=joined))
