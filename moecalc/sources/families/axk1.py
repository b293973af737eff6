"""A.X K1 (SK Telecom 2026): DeepSeek-V3 with a norm behind the experts, inside the sparse layers."""

import msgspec

from moecalc.ir.architecture import Architecture
from moecalc.sources.families._layers import grid
from moecalc.sources.families.deepseek_v3 import attention, feed_forwards
from moecalc.sources.families.llama import decoder
from moecalc.sources.reader import Reader

DEFAULTS = {
    "vocab_size": 163840,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "num_hidden_layers": 61,
    "num_attention_heads": 64,
    "n_shared_experts": 1,
    "n_routed_experts": 192,
    "num_experts_per_tok": 8,
    "n_group": 8,
    "topk_group": 4,
    "first_k_dense_replace": 1,
    "q_lora_rank": 1536,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "tie_word_embeddings": False,
    "attention_bias": False,
}


def architecture(config: Reader) -> Architecture:
    """Latent attention in every layer; dense layers first, then experts."""
    mixer, (ffns, ffn_kinds) = attention(config), feed_forwards(config)
    named, pattern = grid({"layer": mixer}, ["layer"] * len(ffn_kinds), ffns, ffn_kinds)
    named = {
        name: msgspec.structs.replace(layer, norm_behind_ffn=layer.ffn is ffns["moe"])
        for name, layer in named.items()
    }
    return decoder(config, named, pattern)
