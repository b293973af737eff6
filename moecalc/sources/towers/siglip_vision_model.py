"""SigLIP (Zhai et al. 2023, arXiv 2303.15343): a pre-norm transformer, with an attention pooling head or without."""

from moecalc.ir.blocks.ffn import Dense
from moecalc.ir.blocks.towers import Part, PoolingHead, VisionTransformer
from moecalc.sources.reader import Reader
from moecalc.sources.towers import _layers

DEFAULTS = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_channels": 3,
    "image_size": 224,
    "patch_size": 16,
    "vision_use_head": True,
}


def tower(config: Reader) -> list[Part]:
    """A learned position for each patch of `image_size`; no class token."""
    return [transformer(config, grid=_layers.grid(config))]


def transformer(
    config: Reader,
    positions: int | None = None,
    *,
    grid: tuple[int, int] | None = None,
    head: bool | None = None,
) -> VisionTransformer:
    """SigLIP's layers, with a position for each patch of the grid or a number of them; `head` overrides its key."""
    if grid is not None:
        positions = grid[0] * grid[1]
    hidden, inner = config.size("hidden_size"), config.size("intermediate_size")
    pooled = config.flag("vision_use_head", default=True) if head is None else head
    return VisionTransformer(
        hidden_size=hidden,
        patches=_layers.patches(config, bias=True),
        positions=positions or 0,
        grid=grid,
        stack=_layers.stack(
            layers=config.size("num_hidden_layers"),
            attention=_layers.attention(hidden, config.size("num_attention_heads"), bias=True),
            ffn=Dense(intermediate_size=inner, bias=True),
            final_norm="layer",
        ),
        pooling_head=PoolingHead(intermediate_size=inner) if pooled else None,
    )
