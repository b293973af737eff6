"""Qwen2-VL's vision transformer and merger (Wang et al. 2024, arXiv 2409.12191)."""

from moecalc.ir.blocks.base import Norm
from moecalc.ir.blocks.ffn import Dense
from moecalc.ir.blocks.towers import Part, Patches, Projector, VisionTransformer
from moecalc.sources.reader import Reader
from moecalc.sources.towers import _layers

DEFAULTS = {
    "depth": 32,
    "embed_dim": 1280,
    "hidden_size": 3584,
    "mlp_ratio": 4,
    "num_heads": 16,
    "in_channels": 3,
    "patch_size": 14,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
}


def tower(config: Reader) -> list[Part]:
    """`embed_dim` is the tower's width; `hidden_size` is the language model's."""
    config.ignore("in_chans", "spatial_patch_size")  # release keys that the reference class does not read
    width = config.size("embed_dim")
    ratio = config.number("mlp_ratio")
    if not 0 < ratio * width < 2**40:
        raise config.refuse("mlp_ratio", "the feed-forward must be at least 1 wide")
    transformer = VisionTransformer(
        hidden_size=width,
        patches=patches(config, bias=False),
        stack=_layers.stack(
            layers=config.size("depth", "num_hidden_layers"),
            attention=_layers.attention(width, config.size("num_heads", "num_attention_heads"), bias=True),
            ffn=Dense(intermediate_size=int(width * ratio), bias=True),
        ),
    )
    return [transformer, merger(config, width, config.size("hidden_size"))]


def patches(config: Reader, *, bias: bool) -> Patches:
    """Patches that span `temporal_patch_size` frames."""
    return _layers.patches(
        config, bias=bias, channels="in_channels", frames=config.size("temporal_patch_size")
    )


def merger(config: Reader, width: int, out: int, norm: Norm = "layer") -> Projector:
    """Norms each patch, joins a square of `spatial_merge_size` patches, and projects it by an MLP."""
    joined = config.size("spatial_merge_size") ** 2
    sizes = [width * joined, width * joined, out]
    return Projector(sizes=sizes, bias=True, input_norm=norm, input_norm_size=width, joined=joined)
