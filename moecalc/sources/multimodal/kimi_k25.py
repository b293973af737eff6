"""Kimi K2.5 (Kimi Team 2026, arXiv 2602.02276): MoonViT, and an MLP over squares of patches, beside Kimi K2."""

from moecalc.ir.blocks.towers import Projector, Tower
from moecalc.sources.reader import Reader
from moecalc.sources.towers import kimi_k25_vision
from moecalc.sources.towers._layers import behind, own_tower, square, width

TEXT = "deepseek_v3"
DEFAULTS = {"tie_word_embeddings": True, "projection_hidden_size": 1152}


def towers(config: Reader, hidden_size: int) -> list[Tower]:
    """A norm on each patch, then two matrices over `merge_kernel_size` patches joined.

    The release keeps the projector's keys in the tower's section, under names of its own.
    """
    config.ignore("projection_layer_norm_eps", "media_placeholder_token_id", "use_unified_vision_chunk")
    config.ignore("video_placeholder", "ignore_index")
    tower = own_tower(config, "vision_config", "kimi_k25_vision")
    vision = config.section("vision_config", defaults=kimi_k25_vision.DEFAULTS)
    vision.ignore("projector_hidden_act", "projector_ln_eps")
    vision.expect("mm_projector_type", "patchmerger")
    vision.expect("merge_type", "sd2_tpool")
    vision.expect("text_hidden_size", hidden_size, why="the language model has another hidden size")
    rows, columns = square(vision, "merge_kernel_size", default=[2, 2])
    joined = width(tower) * rows * columns
    normed = vision.optional_size("mm_hidden_size") or config.size("projection_hidden_size")
    return behind(
        tower,
        Projector(
            sizes=[joined, joined, hidden_size],
            bias=True,
            input_norm="layer",
            input_norm_size=normed,
            joined=rows * columns,
        ),
    )
