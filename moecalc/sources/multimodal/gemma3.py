"""Gemma 3 with images (Gemma Team 2025, arXiv 2503.19786): SigLIP, pooled, normed and projected by one matrix."""

from math import isqrt

from moecalc.ir.blocks.towers import Projector, Tower
from moecalc.sources.reader import Reader
from moecalc.sources.towers._layers import behind, named_tower, transformer_of, width

TEXT = "gemma3_text"
DEFAULTS = {"tie_word_embeddings": True, "mm_tokens_per_image": 256}


def towers(config: Reader, hidden_size: int) -> list[Tower]:
    """The tower and the matrix; squares of patches are averaged so that `mm_tokens_per_image` are left."""
    tower = named_tower(config, "vision_config", "siglip_vision_model")
    if tower is None:
        return []
    patches = transformer_of(tower).patches_per_image or 0
    side = isqrt(patches) // isqrt(config.size("mm_tokens_per_image"))
    if not side:  # as in the class's defaults: the reference builds, and cannot run an image
        config.warn(
            f"`mm_tokens_per_image` is more than the {patches:,} patches of an image; none is averaged"
        )
    joined = max(side, 1) ** 2
    return behind(tower, Projector(sizes=[width(tower), hidden_size], input_norm="rms", joined=joined))
