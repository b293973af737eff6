"""Names of the norms around the sublayers of decoders with `layers`."""

_NAMES = (
    "attention_layernorm",
    "feedforward_layernorm",
    "attention_layer_norm",
    "feedforward_layer_norm",
    "pre_ff_layernorm",
    "post_norm1",
    "post_norm2",
    "post_attn_norm",
    "post_ffn_norm",
    "post_operator_norm",
    "temporal_pre_norm",
    "channel_pre_norm",
    "input_layernorm.norm",
    "post_attention_layernorm.norm",
    "post_per_layer_input_norm",
    "laurel.post_laurel_norm",
    "altup.router_norm",
    "pre_feedforward_layernorm_2",
    "post_feedforward_layernorm_1",
    "post_feedforward_layernorm_2",
    "ple.norm_key",
    "ple.norm_query",
    "ple.norm_conv",
)

NORMS = {
    **{f"{norm}.weight": "norm.layer" for norm in _NAMES},
    # A.X-K2: a gate of low rank on each norm
    **{
        f"{norm}.{side}.weight": "norm.gate"
        for norm in ("input_layernorm", "post_attention_layernorm")
        for side in ("W_down", "W_up")
    },
}
"""Relative to the layer."""
