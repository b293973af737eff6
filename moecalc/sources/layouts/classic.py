"""Names of the decoders before Llama: GPT-2 and its kin, Falcon, BLOOM, GPT-NeoX."""

from moecalc.ir.roles import Component
from moecalc.sources.layouts.layout import Layout

_QKV = "attention.q + attention.k + attention.v"
_QKV_BIAS = "attention.bias[heads] + attention.bias[kv_heads] + attention.bias[kv_heads]"

_LAYER = {
    "ln_1.weight": "norm.layer",
    "ln_1.bias": "norm.layer",
    "ln_2.weight": "norm.layer",
    "ln_2.bias": "norm.layer",
    "ln_attn.weight": "norm.layer",
    "ln_attn.bias": "norm.layer",
    "ln_mlp.weight": "norm.layer",
    "ln_mlp.bias": "norm.layer",
    "input_layernorm.weight": "norm.layer",
    "input_layernorm.bias": "norm.layer",
    "post_attention_layernorm.weight": "norm.layer",
    "post_attention_layernorm.bias": "norm.layer",
    # GPT-2 stores its matrices as [in, out]
    "attn.c_attn.weight": f"{_QKV} turned",
    "attn.c_attn.bias": _QKV_BIAS,
    "attn.c_proj.weight": "attention.o turned",
    "attn.c_proj.bias": "attention.bias[hidden_size]",
    "mlp.c_fc.weight": "ffn.up turned",
    "mlp.c_fc.bias": "ffn.bias[intermediate_size]",
    "mlp.c_proj.weight": "ffn.down turned",
    "mlp.c_proj.bias": "ffn.bias[hidden_size]",
    "attn.bias": "buffer",  # the causal mask
    "attn.masked_bias": "buffer",
    "attn.causal_mask": "buffer",
    "attn.qkv_proj.weight": _QKV,
    **{
        # GPT-Neo
        f"attn.attention.{name}": entry
        for name, entry in {
            "q_proj.weight": "attention.q",
            "k_proj.weight": "attention.k",
            "v_proj.weight": "attention.v",
            "out_proj.weight": "attention.o",
            "out_proj.bias": "attention.bias[hidden_size]",
            "bias": "buffer",
            "masked_bias": "buffer",
        }.items()
    },
    "attn.q_proj.weight": "attention.q",
    "attn.k_proj.weight": "attention.k",
    "attn.v_proj.weight": "attention.v",
    "attn.out_proj.weight": "attention.o",
    # Qwen 1
    "mlp.w1.weight": "ffn.up",
    "mlp.w1.bias": "ffn.bias[intermediate_size]",
    "mlp.w2.weight": "ffn.gate",
    "mlp.w2.bias": "ffn.bias[intermediate_size]",
    "mlp.fc_in.weight": "ffn.up",
    "mlp.fc_in.bias": "ffn.bias[intermediate_size]",
    "mlp.fc_out.weight": "ffn.down",
    "mlp.fc_out.bias": "ffn.bias[hidden_size]",
    **{
        f"{parent}.{name}": entry
        for parent in ("self_attention", "attention")
        for name, entry in {
            "query_key_value.weight": _QKV,
            "query_key_value.bias": _QKV_BIAS,
            "dense.weight": "attention.o",
            "dense.bias": "attention.bias[hidden_size]",
            "dense_bias": "attention.bias[hidden_size]",
            "bias": "buffer",
            "masked_bias": "buffer",
            "rotary_emb.inv_freq": "buffer",
        }.items()
    },
    "mlp.dense_h_to_4h.weight": "ffn.up",
    "mlp.dense_h_to_4h.bias": "ffn.bias[intermediate_size]",
    "mlp.dense_4h_to_h.weight": "ffn.down",
    "mlp.dense_4h_to_h.bias": "ffn.bias[hidden_size]",
}

GPT = Layout(
    name="GPT-2 and its kin",
    stems=("transformer.", ""),
    layers="h",
    layer=_LAYER,
    top={
        "wte.weight": "embedding.tokens",
        "wpe.weight": "embedding.positions",
        "tokens_embed.weight": "embedding.tokens",
        "positions_embed.weight": "embedding.positions",
        "word_embeddings.weight": "embedding.tokens",
        "word_embeddings_layernorm.weight": "norm.layer",
        "word_embeddings_layernorm.bias": "norm.layer",
        "ln_f.weight": "norm.final",
        "ln_f.bias": "norm.final",
    },
    anywhere={"lm_head.weight": "head.lm", "lm_head.bias": "head.bias"},
    parts={"transformer.visual.": Component.VISION},
)

GPT_NEOX = Layout(
    name="GPT-NeoX",
    stems=("gpt_neox.", "gpt_neox_japanese."),
    layers="layers",
    layer=_LAYER,
    top={
        "embed_in.weight": "embedding.tokens",
        "final_layer_norm.weight": "norm.final",
        "final_layer_norm.bias": "norm.final",
    },
    anywhere={"embed_out.weight": "head.lm"},
)
