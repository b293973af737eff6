"""Names that llama.cpp gives tensors in GGUF files (gguf-py/gguf/constants.py, `TENSOR_NAMES`, read 2026-07)."""

from moecalc.sources.layouts.layout import Layout

_NORMS = (
    "attn_norm",
    "attn_norm_2",
    "ffn_norm",
    "post_attention_norm",
    "post_ffw_norm",
    "layer_output_norm",
)

_ATTENTION = {
    # Kimi's delta attention goes by the names of attention too
    "attn_q.weight": "attention.q | attention.q + attention.gate | recurrent.in",
    "attn_k.weight": "attention.k | recurrent.in",
    "attn_v.weight": "attention.v | recurrent.in",
    "attn_output.weight": "attention.o | recurrent.out",
    "attn_qkv.weight": "attention.q + attention.k + attention.v | recurrent.in",
    "attn_gate.weight": "attention.gate | recurrent.gate",
    "attn_q.bias": "attention.bias[heads]",
    "attn_k.bias": "attention.bias[kv_heads]",
    "attn_v.bias": "attention.bias[kv_heads]",
    "attn_qkv.bias": "attention.bias[heads] + attention.bias[kv_heads] + attention.bias[kv_heads]",
    "attn_output.bias": "attention.bias[hidden_size]",
    "attn_q_norm.weight": "attention.qk_norm",
    "attn_k_norm.weight": "attention.qk_norm",
    "attn_sinks.weight": "attention.sinks",
    # latent attention
    "attn_q_a.weight": "attention.q_a",
    "attn_q_b.weight": "attention.q_b",
    "attn_q_a_norm.weight": "attention.latent_norm[q_lora_rank]",
    "attn_kv_a_mqa.weight": "attention.kv_a",
    "attn_kv_a_norm.weight": "attention.latent_norm[kv_lora_rank]",
    "attn_kv_b.weight": "attention.kv_b",
    "attn_k_b.weight": "attention.kv_b turned",
    "attn_v_b.weight": "attention.kv_b",
    "indexer.attn_q_b.weight": "indexer.q",
    "indexer.attn_k.weight": "indexer.k",
    "indexer.k_norm.weight": "indexer.norm",
    "indexer.k_norm.bias": "indexer.norm",
    "indexer.proj.weight": "indexer.weights",
}

_RECURRENT = {
    "ssm_in.weight": "recurrent.in",
    "ssm_out.weight": "recurrent.out",
    "ssm_conv1d.weight": "recurrent.conv",
    "ssm_conv1d.bias": "recurrent.bias",
    "ssm_a": "recurrent.parameter",
    "ssm_d": "recurrent.parameter",
    "ssm_dt.bias": "recurrent.parameter | recurrent.bias",
    "ssm_dt.weight": "recurrent.projection",
    "ssm_x.weight": "recurrent.projection",
    "ssm_ba.weight": "recurrent.projection",
    "ssm_alpha.weight": "recurrent.projection",
    "ssm_beta.weight": "recurrent.projection",
    "ssm_norm.weight": "recurrent.norm",
    # Kimi Linear
    "ssm_conv1d_q.weight": "recurrent.conv",
    "ssm_conv1d_k.weight": "recurrent.conv",
    "ssm_conv1d_v.weight": "recurrent.conv",
    "ssm_f_a.weight": "recurrent.projection",
    "ssm_f_b.weight": "recurrent.projection",
    "ssm_g_a.weight": "recurrent.gate",
    "ssm_g_b.weight": "recurrent.gate",
    # Jamba
    "ssm_dt_norm.weight": "recurrent.norm",
    "ssm_b_norm.weight": "recurrent.norm",
    "ssm_c_norm.weight": "recurrent.norm",
    "shortconv.in_proj.weight": "recurrent.in",
    "shortconv.out_proj.weight": "recurrent.out",
    "shortconv.conv.weight": "recurrent.conv",
}

_FFN = {
    "ffn_gate.weight": "ffn.gate",
    "ffn_up.weight": "ffn.up | ffn.gate + ffn.up",  # Phi-3 and GLM-4 store both as one
    "ffn_down.weight": "ffn.down",
    "ffn_gate.bias": "ffn.bias[intermediate_size]",
    "ffn_up.bias": "ffn.bias[intermediate_size]",
    "ffn_down.bias": "ffn.bias[hidden_size]",
    "ffn_gate_inp.weight": "router.weight",
    "ffn_gate_inp.bias": "router.bias",
    "exp_probs_b.bias": "router.correction_bias",
    "ffn_gate_exps.weight": "routed.gate",
    "ffn_up_exps.weight": "routed.up",
    "ffn_gate_up_exps.weight": "routed.gate + routed.up",
    "ffn_down_exps.weight": "routed.down",
    "ffn_gate_exps.bias": "routed.bias[moe_intermediate_size]",
    "ffn_up_exps.bias": "routed.bias[moe_intermediate_size]",
    "ffn_down_exps.bias": "routed.bias[hidden_size]",
    # one tensor for each expert, in files made before 2024-04
    "ffn_gate.{}.weight": "routed.gate",
    "ffn_up.{}.weight": "routed.up",
    "ffn_down.{}.weight": "routed.down",
    "ffn_gate_inp_shexp.weight": "shared.switch",
    "ffn_gate_shexp.weight": "shared.gate",
    "ffn_up_shexp.weight": "shared.up",
    "ffn_down_shexp.weight": "shared.down",
}

_PREDICTION = {
    "nextn.eh_proj.weight": "mtp.projection",
    "nextn.enorm.weight": "mtp.norm",
    "nextn.hnorm.weight": "mtp.norm",
    "nextn.shared_head_norm.weight": "mtp.norm",
    "nextn.embed_tokens.weight": "copy of embedding.tokens",
    "nextn.shared_head_head.weight": "copy of head.lm",
}

GGUF = Layout(
    name="GGUF",
    foreign=True,
    stems=("",),
    layers="blk",
    layer={
        **{f"{norm}.{part}": "norm.layer" for norm in _NORMS for part in ("weight", "bias")},
        **_ATTENTION,
        **_RECURRENT,
        **_FFN,
        **_PREDICTION,
    },
    top={
        "token_embd.weight": "embedding.tokens",
        "position_embd.weight": "embedding.positions",
        "token_embd_norm.weight": "norm.layer",
        "token_embd_norm.bias": "norm.layer",
        "per_layer_token_embd.weight": "embedding.per_layer",
        "output_norm.weight": "norm.final",
        "output_norm.bias": "norm.final",
        "output.weight": "head.lm",
        "output.bias": "head.bias",
        "rope_freqs.weight": "buffer",
        "rope_factors_long.weight": "buffer",
        "rope_factors_short.weight": "buffer",
    },
    parts={},
)
