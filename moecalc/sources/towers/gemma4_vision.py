"""Gemma 4's vision tower (Google 2026): Gemma's layers, two tables of positions, pooled by averaging."""

from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.ffn import Gated
from moecalc.ir.blocks.towers import Part, VisionTransformer
from moecalc.sources.reader import Reader
from moecalc.sources.towers import _layers

DEFAULTS = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 16,
    "num_attention_heads": 12,
    "num_key_value_heads": 12,
    "head_dim": 64,
    "patch_size": 16,
    "pooling_kernel_size": 3,
    "position_embedding_size": 10240,
    "use_clipped_linears": False,
    "standardize": False,
}


def tower(config: Reader) -> list[Part]:
    """Norms around each sublayer, on query and key heads, and on values without parameters."""
    config.ignore("default_output_length", "global_head_dim")
    config.ignore("image_seq_length", "video_seq_length")
    config.expect("attention_bias", False, why="the reference's projections have no biases")
    attention = GQA(
        heads=config.size("num_attention_heads"),
        kv_heads=config.size("num_key_value_heads"),
        head_dim=config.size("head_dim"),
        qk_norm="rms",
        v_norm="unweighted",
    )
    transformer = VisionTransformer(
        hidden_size=config.size("hidden_size"),
        patches=_layers.patches(config, bias=False),
        positions=2 * config.size("position_embedding_size"),
        stack=_layers.stack(
            layers=config.size("num_hidden_layers"),
            attention=attention,
            ffn=Gated(intermediate_size=config.size("intermediate_size")),
            norm="rms",
            norm_placement="sandwich",
        ),
        output_scale=config.flag("standardize", default=False),
        clipped_linears=config.flag("use_clipped_linears", default=False),
    )
    return [transformer]
