"""The audio tower of Phi-4-multimodal (arXiv 2503.01743): strided convolutions and a gated conformer."""

from moecalc.ir.blocks.conformer import Conformer, FeatureNorm, Subsampling
from moecalc.ir.blocks.towers import Part
from moecalc.sources.reader import Reader

DEFAULTS = {
    "hidden_size": 1024,
    "intermediate_size": 1536,
    "num_blocks": 24,
    "num_attention_heads": 16,
    "ext_pw_out_channel": 1024,
    "depthwise_separable_out_channel": 1024,
    "depthwise_multiplier": 1,
    "kernel_size": 3,
    "input_size": 80,
    "time_reduction": 8,
    "bias_max_distance": 1000,
    "bias_symmetric": False,
    "nemo_conv_channels": 1024,
    "downsample_rate": 1,
}


SEGMENT = 500
"""Frames behind the convolutions that see each other (transformers 5.23, Phi4MultimodalAudioModel.forward)."""


def tower(config: Reader) -> list[Part]:
    """Each convolution halves time and frequency, rounded up; relative positions are one shared table."""
    config.ignore("activation", "conv_activation", "conv_glu_type", "nemo_activation", "nemo_final_size")
    config.ignore("chunk_size", "left_chunk", "feature_layer", "dropout_rate")
    hidden = config.size("hidden_size")
    for key in ("ext_pw_out_channel", "depthwise_separable_out_channel"):
        if config.size(key) != hidden:
            raise config.refuse(key, "only convolutions as wide as `hidden_size` are modelled")
    if config.size("depthwise_multiplier") != 1:
        raise config.refuse("depthwise_multiplier", "only one depthwise filter per channel is modelled")
    reduction = config.size("time_reduction")
    halvings = reduction.bit_length() - 1
    if reduction != 2**halvings or halvings == 0:
        raise config.refuse("time_reduction", "a power of 2 is needed, 2 at least")
    distances = config.size("bias_max_distance")
    return [
        FeatureNorm(frequencies=config.size("input_size")),
        Subsampling(
            channels=[config.size("nemo_conv_channels")] * halvings,
            separable=True,
            input_frequencies=config.size("input_size"),
            hidden_size=hidden,
            bias=True,
        ),
        Conformer(
            layers=config.size("num_blocks", "num_hidden_layers"),
            hidden_size=hidden,
            heads=config.size("num_attention_heads"),
            intermediate_size=config.size("intermediate_size"),
            gated=True,
            conv_kernel=config.size("kernel_size"),
            pointwise_convs=2,
            norm="layer",
            norms=5,
            bias=True,
            glu_bias=True,
            joined=reduction,
            segment=SEGMENT,
            relative_positions=distances if config.flag("bias_symmetric", default=False) else 2 * distances,
        ),
    ]
