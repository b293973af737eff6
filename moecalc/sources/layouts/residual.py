"""Names of what the residual stream passes beside sublayers: scales, gates, low-rank paths, hyper-connections."""

_SCALES = ("hidden_states_scale", "hidden_states_bias", "residual_scale", "residual_bias")

RESIDUAL = {
    # Gemma 3n and 4
    "layer_scalar": "residual.scale",
    "laurel.linear_left.weight": "residual.mix",
    "laurel.linear_right.weight": "residual.mix",
    "altup.modality_router.weight": "residual.mix",
    "altup.prediction_coefs.weight": "residual.mix",
    "altup.correction_coefs.weight": "residual.mix",
    "altup.correct_output_scale": "residual.scale",
    # Doge, Llama 3.2 Vision, Zaya
    "input_residual": "residual.scale",
    "post_attention_residual": "residual.scale",
    "cross_attn_attn_gate": "residual.scale",
    "cross_attn_mlp_gate": "residual.scale",
    **{
        f"{place}_residual_scale.{name}": "residual.scale"
        for place in ("post_attention", "post_mlp")
        for name in _SCALES
    },
    # hyper-connections: Hunyuan 4, Qwen 4
    **{
        f"hc_pre.{place}.{name}": entry
        for place in ("hc_attn_layer", "hc_mlp_layer")
        for name, entry in {
            "hc_fn": "residual.mix",
            "hc_base": "residual.scale",
            "hc_scale": "residual.scale",
        }.items()
    },
    **{
        f"{place}_hyper_connection.{name}.weight": entry
        for place in ("attn", "mlp")
        for name, entry in {
            "hc_norm": "residual.scale",
            "input_mix_weight_down": "residual.mix",
            "input_mix_weight_up": "residual.mix",
            "block_inject_weight": "residual.mix",
        }.items()
    },
}
"""Relative to the layer."""

RESIDUAL_TOP = {
    "altup_projections.{}.weight": "residual.mix at outside",
    "altup_unembed_projections.{}.weight": "residual.mix at outside",
    "hc_pre.hc_head.hc_head_fn": "residual.mix",
    "hc_pre.hc_head.hc_head_base": "residual.scale",
    "hc_pre.hc_head.hc_head_scale": "residual.scale",
    "hyper_connection_mixer.hc_norm.weight": "residual.scale",
    "hyper_connection_mixer.input_mix_weight_down.weight": "residual.mix",
    "hyper_connection_mixer.input_mix_weight_up.weight": "residual.mix",
}
"""Outside the layers."""
