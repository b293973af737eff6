"""Llama 4 (Meta 2025): a vision tower with its adapter, and one matrix to the language model."""

from moecalc.ir.blocks.towers import Projector, Tower
from moecalc.sources.reader import Reader
from moecalc.sources.towers import llama4_vision_model
from moecalc.sources.towers._layers import behind, own_tower

TEXT = "llama4_text"
TIED_BY = "nested"
DEFAULTS = {"tie_word_embeddings": False}


def towers(config: Reader, hidden_size: int) -> list[Tower]:
    """The matrix reads `vision_output_dim`, which is the adapter's output."""
    tower = own_tower(config, "vision_config", "llama4_vision_model")
    vision = config.section("vision_config", defaults=llama4_vision_model.DEFAULTS)
    sizes = [vision.size("vision_output_dim"), hidden_size]
    return behind(tower, Projector(sizes=sizes, joined=llama4_vision_model.joined(vision)))
