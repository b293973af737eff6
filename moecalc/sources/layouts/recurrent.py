"""Names of recurrent mixers, and of the models that are built of them: Mamba, Nemotron-H, xLSTM, RWKV, Zamba."""

from moecalc.sources.layouts.layout import Layout

LINEAR_ATTENTION = {
    "in_proj_qkvz.weight": "recurrent.in + recurrent.gate",
    "in_proj_qkv.weight": "recurrent.in",
    "in_proj_z.weight": "recurrent.gate",
    "in_proj_ba.weight": "recurrent.projection",
    "in_proj_b.weight": "recurrent.projection",
    "in_proj_a.weight": "recurrent.projection",
    "conv1d.weight": "recurrent.conv",
    "A_log": "recurrent.parameter",
    "dt_bias": "recurrent.parameter",
    "norm.weight": "recurrent.norm",
    "out_proj.weight": "recurrent.out",
    # OLMo Hybrid keeps queries, keys and values apart
    "q_proj.weight": "recurrent.in",
    "k_proj.weight": "recurrent.in",
    "v_proj.weight": "recurrent.in",
    "g_proj.weight": "recurrent.gate",
    "a_proj.weight": "recurrent.projection",
    "b_proj.weight": "recurrent.projection",
    "q_conv1d.weight": "recurrent.conv",
    "k_conv1d.weight": "recurrent.conv",
    "v_conv1d.weight": "recurrent.conv",
    "o_norm.weight": "recurrent.norm",
    "o_proj.weight": "recurrent.out",
}

MAMBA = {
    "in_proj.weight": "recurrent.in",
    "in_proj.bias": "recurrent.bias",
    "conv1d.weight": "recurrent.conv",
    "conv1d.bias": "recurrent.bias",
    "x_proj.weight": "recurrent.projection",
    "dt_proj.weight": "recurrent.projection",
    "dt_proj.bias": "recurrent.bias | recurrent.parameter",
    "A_log": "recurrent.parameter",
    "D": "recurrent.parameter",
    "dt_bias": "recurrent.parameter | recurrent.bias",
    "norm.weight": "recurrent.norm",
    "out_proj.weight": "recurrent.out",
    "out_proj.bias": "recurrent.bias",
    # Jamba
    "dt_layernorm.weight": "recurrent.norm",
    "b_layernorm.weight": "recurrent.norm",
    "c_layernorm.weight": "recurrent.norm",
    # Zamba, whose heads are parameters of one tensor
    "x_proj_weight": "recurrent.projection",
    "dt_proj_weight": "recurrent.projection",
    "dt_proj_bias": "recurrent.bias | recurrent.parameter",
}

SHORT_CONVOLUTION = {
    "in_proj.weight": "recurrent.in",
    "in_proj.bias": "recurrent.bias",
    "conv.weight": "recurrent.conv",
    "conv.bias": "recurrent.bias",
    "out_proj.weight": "recurrent.out",
    "out_proj.bias": "recurrent.bias",
}

GRIFFIN = {
    "linear_x.weight": "recurrent.in",
    "linear_x.bias": "recurrent.bias[blocks]",
    "linear_y.weight": "recurrent.gate",
    "linear_y.bias": "recurrent.bias[blocks]",
    "linear_out.weight": "recurrent.out",
    "linear_out.bias": "recurrent.bias[hidden_size]",
    "conv_1d.weight": "recurrent.conv",
    "conv_1d.bias": "recurrent.bias[width]",
    "rg_lru.input_gate_weight": "recurrent.projection",
    "rg_lru.input_gate_bias": "recurrent.bias[blocks]",
    "rg_lru.recurrent_gate_weight": "recurrent.projection",
    "rg_lru.recurrent_gate_bias": "recurrent.bias[blocks]",
    "rg_lru.recurrent_param": "recurrent.parameter",
    "q_proj.weight": "attention.q",
    "k_proj.weight": "attention.k",
    "v_proj.weight": "attention.v",
    "o_proj.weight": "attention.o",
    "q_proj.bias": "attention.bias[heads]",
    "k_proj.bias": "attention.bias[kv_heads]",
    "v_proj.bias": "attention.bias[kv_heads]",
    "o_proj.bias": "attention.bias[hidden_size]",
}

_SHARED_BLOCK = {
    "input_layernorm.weight": "norm.layer",
    "pre_ff_layernorm.weight": "norm.layer",
    "self_attn.q_proj.weight": "attention.q",
    "self_attn.k_proj.weight": "attention.k",
    "self_attn.v_proj.weight": "attention.v",
    "self_attn.o_proj.weight": "attention.o",
    "self_attn.linear_q_adapter_list.{}.{}.weight": "adapter.lora at outside",
    "self_attn.linear_k_adapter_list.{}.{}.weight": "adapter.lora at outside",
    "self_attn.linear_v_adapter_list.{}.{}.weight": "adapter.lora at outside",
    "feed_forward.gate_proj.weight": "ffn.gate",
    "feed_forward.up_proj.weight": "ffn.up",
    "feed_forward.gate_up_proj.weight": "ffn.gate + ffn.up",
    "feed_forward.down_proj.weight": "ffn.down",
    "feed_forward.gate_up_proj.bias": "ffn.bias + ffn.bias",
    "feed_forward.down_proj.bias": "ffn.bias[hidden_size]",
    "feed_forward.gate_up_proj_adapter_list.{}.{}.weight": "adapter.lora at outside",
}

ZAMBA = {
    **{
        f"{parent}.{name}": entry
        for parent in ("shared_transf", "shared_transformer")
        for name, entry in _SHARED_BLOCK.items()
    },
    "linear.weight": "recurrent.projection",
    "mamba_decoder.input_layernorm.weight": "norm.layer",
    **{f"mamba_decoder.mamba.{name}": entry for name, entry in MAMBA.items()},
}

_NEMOTRON_H = {
    "q_proj.weight": "attention.q",
    "k_proj.weight": "attention.k",
    "v_proj.weight": "attention.v",
    "o_proj.weight": "attention.o",
    "q_proj.bias": "attention.bias[heads]",
    "k_proj.bias": "attention.bias[kv_heads]",
    "v_proj.bias": "attention.bias[kv_heads]",
    "o_proj.bias": "attention.bias[hidden_size]",
    "up_proj.weight": "ffn.up",
    "down_proj.weight": "ffn.down",
    "up_proj.bias": "ffn.bias[intermediate_size]",
    "down_proj.bias": "ffn.bias[hidden_size]",
    "gate.weight": "router.weight",
    "gate.e_score_correction_bias": "router.correction_bias",
    "experts.{}.up_proj.weight": "routed.up",
    "experts.{}.down_proj.weight": "routed.down",
    "experts.{}.up_proj.bias": "routed.bias[experts]",
    "experts.{}.down_proj.bias": "routed.bias[experts]",
    "shared_experts.up_proj.weight": "shared.up",
    "shared_experts.down_proj.weight": "shared.down",
    "shared_experts.up_proj.bias": "shared.bias",
    "shared_experts.down_proj.bias": "shared.bias",
    "fc1_latent_proj.weight": "latent.down",
    "fc2_latent_proj.weight": "latent.up",
    "fc1_latent_proj.bias": "latent.bias",
    "fc2_latent_proj.bias": "latent.bias",
}

BACKBONE = Layout(
    name="Mamba and Nemotron-H",
    stems=("backbone.", "model."),
    layers="layers",
    layer={
        "norm.weight": "norm.layer",
        **{f"mixer.{name}": entry for name, entry in (MAMBA | _NEMOTRON_H).items()},
    },
    top={
        "embeddings.weight": "embedding.tokens",
        "embedding.weight": "embedding.tokens",  # state-spaces' own
        "norm_f.weight": "norm.final",
    },
    anywhere={"lm_head.weight": "head.lm"},
)

XLSTM = Layout(
    name="xLSTM",
    stems=("backbone.",),
    layers="blocks",
    layer={
        "norm_mlstm.weight": "norm.layer",
        "norm_ffn.weight": "norm.layer",
        "mlstm_layer.q.weight": "recurrent.in",
        "mlstm_layer.k.weight": "recurrent.in",
        "mlstm_layer.v.weight": "recurrent.in",
        "mlstm_layer.ogate_preact.weight": "recurrent.gate",
        "mlstm_layer.igate_preact.weight": "recurrent.projection",
        "mlstm_layer.igate_preact.bias": "recurrent.bias",
        "mlstm_layer.fgate_preact.weight": "recurrent.projection",
        "mlstm_layer.fgate_preact.bias": "recurrent.bias",
        "mlstm_layer.multihead_norm.weight": "recurrent.norm",
        "mlstm_layer.out_proj.weight": "recurrent.out",
        "ffn.proj_up_gate.weight": "ffn.gate",
        "ffn.proj_up.weight": "ffn.up",
        "ffn.proj_down.weight": "ffn.down",
    },
    top={"embeddings.weight": "embedding.tokens", "out_norm.weight": "norm.final"},
    anywhere={"lm_head.weight": "head.lm"},
)

RWKV = Layout(
    name="RWKV",
    stems=("rwkv.",),
    layers="blocks",
    layer={
        **{f"{norm}.{part}": "norm.layer" for norm in ("ln1", "ln2") for part in ("weight", "bias")},
        **{f"pre_ln.{part}": "norm.layer at outside" for part in ("weight", "bias")},  # the embedding's
        "attention.key.weight": "recurrent.in",
        "attention.value.weight": "recurrent.in",
        "attention.receptance.weight": "recurrent.in",
        "attention.output.weight": "recurrent.out",
        "attention.time_decay": "recurrent.parameter",
        "attention.time_first": "recurrent.parameter",
        "attention.time_mix_key": "recurrent.parameter",
        "attention.time_mix_value": "recurrent.parameter",
        "attention.time_mix_receptance": "recurrent.parameter",
        "feed_forward.key.weight": "ffn.up",
        "feed_forward.receptance.weight": "ffn.gate",
        "feed_forward.value.weight": "ffn.down",
        "feed_forward.time_mix_key": "ffn.other",
        "feed_forward.time_mix_receptance": "ffn.other",
    },
    top={
        "embeddings.weight": "embedding.tokens",
        "ln_out.weight": "norm.final",
        "ln_out.bias": "norm.final",
    },
    anywhere={"head.weight": "head.lm"},
)
