"""MiniMax-M3 (MiniMax 2026): a CLIP shape, an MLP on each patch and another on each square of them."""

from moecalc.ir.blocks.towers import Projector, Tower
from moecalc.sources.reader import Reader
from moecalc.sources.towers import minimax_m3_vl_vision
from moecalc.sources.towers._layers import behind, own_tower, width

TEXT = "minimax_m3_vl_text"
TIED_BY = "either"
DEFAULTS = {"tie_word_embeddings": False, "projector_hidden_size": 6144}


def towers(config: Reader, hidden_size: int) -> list[Tower]:
    """Four matrices; releases say how many patches are merged in `img_token_compression_config`."""
    config.ignore("image_grid_pinpoints", "image_seq_length", "vision_feature_layer", "video_token_index")
    config.ignore("vision_feature_select_strategy", "process_image_mode", "projector_hidden_act")
    config.ignore(
        "num_reward_heads", "img_token_compression_config"
    )  # the same section stands in `vision_config`
    config.ignore("merged_hidden_size")  # follows from the others
    config.expect("multimodal_projector_bias", True, why="the reference's projector has biases")
    tower = own_tower(config, "vision_config", "minimax_m3_vl_vision")
    vision = config.section("vision_config", defaults=minimax_m3_vl_vision.DEFAULTS)
    compression = vision.section("img_token_compression_config")
    side = compression.optional_size("spatial_merge_size") or vision.size("spatial_merge_size", default=2)
    wide = config.size("projector_hidden_size")
    return behind(
        tower,
        Projector(sizes=[width(tower), wide, hidden_size], bias=True),
        Projector(sizes=[hidden_size * side**2, wide, hidden_size], bias=True, joined=side**2),
    )
