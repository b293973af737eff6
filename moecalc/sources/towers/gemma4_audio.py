"""Gemma 4's audio tower (Google 2026): two strided convolutions, a conformer, one matrix."""

from moecalc.ir.blocks.conformer import Conformer, Subsampling
from moecalc.ir.blocks.towers import Part, Projector
from moecalc.sources.reader import Reader

DEFAULTS = {
    "hidden_size": 1024,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "subsampling_conv_channels": [128, 32],
    "conv_kernel_size": 5,
    "use_clipped_linears": True,
    "output_proj_dims": 1536,
    "attention_chunk_size": 12,
    "attention_context_left": 13,
    "attention_context_right": 0,
}


def tower(config: Reader) -> list[Part]:
    """Attention is in chunks, and reaches `attention_context_left` - 1 frames back, the query's own included."""
    config.expect("attention_context_right", 0, why="only attention to past frames is modelled")
    config.ignore("attention_logit_cap", "attention_invalid_logits_value")
    config.ignore("residual_weight", "gradient_clipping")
    hidden, heads = config.size("hidden_size"), config.size("num_attention_heads")
    channels = config.items("subsampling_conv_channels")
    if len(channels) != 2 or not all(type(count) is int and count >= 4 for count in channels):
        raise config.refuse(
            "subsampling_conv_channels", "the reference has two convolutions of 4 channels or more"
        )
    return [
        Subsampling(
            channels=channels,
            # The reference derives the bins that two halvings leave from the first convolution's channels.
            input_frequencies=4 * (channels[0] // 4),
            hidden_size=hidden,
            norm="layer_no_bias",
        ),
        Conformer(
            layers=config.size("num_hidden_layers"),
            hidden_size=hidden,
            heads=heads,
            intermediate_size=4 * hidden,
            conv_kernel=config.size("conv_kernel_size"),
            norms=9,
            relative_projection=True,
            clipped_linears=config.flag("use_clipped_linears", default=False),
            joined=4,
            block=config.size("attention_chunk_size"),
            window=config.size("attention_context_left") - 1,
        ),
        Projector(sizes=[hidden, config.size("output_proj_dims")], bias=True, joined=4),
    ]
