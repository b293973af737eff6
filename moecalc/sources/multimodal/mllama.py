"""Llama 3.2 Vision (Meta 2024, arXiv 2407.21783 section 7): a tower whose output the cross-attention layers read."""

from moecalc.ir.blocks.towers import Projector, Tower
from moecalc.sources.reader import Reader
from moecalc.sources.towers import mllama_vision_model
from moecalc.sources.towers._layers import behind, own_tower, transformer_of

TEXT = "mllama_text_model"
TIED_BY = "nobody"
DEFAULTS: dict[str, object] = {}


def towers(config: Reader, hidden_size: int) -> list[Tower]:
    """The matrix reads the tower's last output beside those of `intermediate_layers_indices`."""
    tower = own_tower(config, "vision_config", "mllama_vision_model")
    vision = config.section("vision_config", defaults=mllama_vision_model.DEFAULTS)
    sizes = [vision.size("vision_output_dim"), hidden_size]
    return behind(tower, Projector(sizes=sizes, bias=True, beside=transformer_of(tower).beside))
