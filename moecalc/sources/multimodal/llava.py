"""LLaVA 1.5 (Liu et al. 2023, arXiv 2310.03744): CLIP and an MLP; BakLLaVA, Pixtral 12B and others of its shape."""

from moecalc.ir.blocks.towers import Projector, Tower
from moecalc.sources.reader import Reader
from moecalc.sources.towers._layers import behind, named_tower, transformer_of, width

TEXT = "llama"
TIED_BY = "either"
VISION = {
    "intermediate_size": 4096,
    "hidden_size": 1024,
    "patch_size": 14,
    "image_size": 336,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "vocab_size": 32000,
    "projection_dim": 768,
}
DEFAULTS = {"tie_word_embeddings": False, "multimodal_projector_bias": True, "vision_config": VISION}


def towers(config: Reader, hidden_size: int) -> list[Tower]:
    """The tower and two matrices."""
    tower = named_tower(config, "vision_config", "clip_vision_model")
    if tower is None:
        return []
    # The strategy `default` drops the first vector, the class token; `full` keeps all.
    strategy = config.get("vision_feature_select_strategy", default="default")
    beside = transformer_of(tower).beside - (strategy == "default")
    return behind(tower, mlp(config, width(tower), hidden_size, beside=beside))


def mlp(config: Reader, width: int, hidden_size: int, joined: int = 1, beside: int = 0) -> Projector:
    """Two matrices; where `vision_feature_layer` lists several layers, the first reads them side by side."""
    config.ignore("image_seq_length", "projector_hidden_act", "vision_feature_select_strategy")
    layer = config.get("vision_feature_layer", default=-1)
    taps = len(layer) if isinstance(layer, list) else 1
    if not taps:
        raise config.refuse("vision_feature_layer", "it names no layer")
    return Projector(
        sizes=[width * taps, hidden_size, hidden_size],
        bias=config.flag("multimodal_projector_bias", default=True),
        joined=joined,
        beside=beside,
    )
