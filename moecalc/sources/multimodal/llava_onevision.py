"""LLaVA-OneVision (Li et al. 2024, arXiv 2408.03326): LLaVA-NeXT with SigLIP and Qwen 2."""

from moecalc.ir.blocks.towers import LearnedVectors, Tower
from moecalc.sources.multimodal.llava import mlp
from moecalc.sources.reader import Reader
from moecalc.sources.towers._layers import behind, named_tower, transformer_of, width

TEXT = "qwen2"
TIED_BY = "either"
VISION = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "patch_size": 14,
    "image_size": 384,
    "num_hidden_layers": 26,
    "num_attention_heads": 16,
    "vision_use_head": False,
}
DEFAULTS = {"tie_word_embeddings": False, "multimodal_projector_bias": True, "vision_config": VISION}


def towers(config: Reader, hidden_size: int) -> list[Tower]:
    """The tower, two matrices, and the end of a row."""
    config.ignore(
        "image_grid_pinpoints", "vision_aspect_ratio", "video_token_index", "use_image_newline_parameter"
    )
    tower = named_tower(config, "vision_config", "siglip_vision_model")
    if tower is None:
        return []
    strategy = config.get("vision_feature_select_strategy", default="full")
    beside = transformer_of(tower).beside - (strategy == "default")
    projector = mlp(config, width(tower), hidden_size, beside=beside)
    return behind(tower, projector, LearnedVectors(width=hidden_size))
