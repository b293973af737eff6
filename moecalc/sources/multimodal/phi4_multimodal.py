"""Phi-4-multimodal (Microsoft 2025, arXiv 2503.01743): SigLIP, a conformer, and MLPs.

The release's LoRA adapters are no part of the reference model, and in no figure.
"""

from moecalc.ir.blocks.towers import LearnedVectors, Projector, Tower
from moecalc.sources.reader import Reader
from moecalc.sources.towers import phi4_multimodal_audio
from moecalc.sources.towers._layers import behind, own_tower, width

TEXT = "phi4_multimodal_text"
FLAT = True
DEFAULTS = {"tie_word_embeddings": False}


def towers(config: Reader, hidden_size: int) -> list[Tower]:
    """For images two matrices and two learned vectors between parts; for sound two matrices, or two others with images.

    Patches are averaged in squares of 2.
    """
    tower = own_tower(config, "vision_config", "phi4_multimodal_vision")
    wide = width(tower)
    projector = Projector(sizes=[wide, hidden_size, hidden_size], bias=True, joined=4)
    sound = own_tower(config, "audio_config", "phi4_multimodal_audio", "audio")
    audio = config.section("audio_config", defaults=phi4_multimodal_audio.DEFAULTS)
    joined = audio.size("time_reduction") * audio.size("downsample_rate")
    heard = audio.size("hidden_size") * audio.size("downsample_rate")
    speech = Projector(sizes=[heard, hidden_size, hidden_size], bias=True, alternatives=2, joined=joined)
    return [*behind(tower, projector, LearnedVectors(width=wide, count=2)), *behind(sound, speech)]
