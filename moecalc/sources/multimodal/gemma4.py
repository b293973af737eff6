"""Gemma 4 with images and sound (Google 2026): behind each tower a norm without parameters, and one matrix."""

from moecalc.ir.blocks.towers import Projector, Tower
from moecalc.sources.reader import Reader
from moecalc.sources.towers import gemma4_audio, gemma4_vision
from moecalc.sources.towers._layers import behind, own_tower, width

TEXT = "gemma4_text"
DEFAULTS = {"tie_word_embeddings": True}


def towers(config: Reader, hidden_size: int) -> list[Tower]:
    """A section that is absent or null means a model without that tower."""
    config.ignore("vision_soft_tokens_per_image", "audio_soft_tokens_per_image")
    found: list[Tower] = []
    if config.has("vision_config"):
        tower = own_tower(config, "vision_config", "gemma4_vision")
        vision = config.section("vision_config", defaults=gemma4_vision.DEFAULTS)
        joined = vision.size("pooling_kernel_size") ** 2
        found += behind(tower, _embedder(width(tower), hidden_size, joined))
    if config.has("audio_config"):
        tower = own_tower(config, "audio_config", "gemma4_audio", "audio")
        audio = config.section("audio_config", defaults=gemma4_audio.DEFAULTS)
        found += behind(tower, _embedder(audio.size("output_proj_dims"), hidden_size, 4))
    return found


def _embedder(width: int, hidden_size: int, joined: int) -> Projector:
    return Projector(sizes=[width, hidden_size], input_norm="unweighted", joined=joined)
