"""Grok-1 (xAI 2024), remote code only: grouped-query attention and experts, a norm before and after each.

Source of the shape: github.com/xai-org/grok-1 model.py; of the keys: configuration_grok_1.py of its conversions.
"""

import msgspec

from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.moe import MoE
from moecalc.ir.blocks.stack import Layer
from moecalc.sources.families import llama
from moecalc.sources.reader import Reader

# What run.py of the release sets, and so do the conversions' classes.
DEFAULTS = {
    "vocab_size": 131072,
    "hidden_size": 6144,
    "intermediate_size": 32768,
    "num_hidden_layers": 64,
    "num_attention_heads": 48,
    "num_key_value_heads": 8,
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "tie_word_embeddings": True,
    "max_attn_value": 30.0,
}


def architecture(config: Reader) -> Architecture:
    """Experts in every layer; embedding and head are one tensor in the release."""
    config.ignore("attn_output_multiplier", "embedding_multiplier_scale", "output_multiplier_scale")
    moe = MoE(
        experts=config.size("num_experts", "num_local_experts"),
        top_k=config.size("num_experts_per_tok"),
        intermediate_size=config.size("intermediate_size"),
    )
    softcap = bool(config.number("max_attn_value", default=0))
    mixer = msgspec.structs.replace(llama.attention(config), softcap=softcap)
    layer = Layer(mixer=mixer, ffn=moe, norm_placement="sandwich")
    return llama.decoder(config, {"layer": layer}, f"layer*{config.size('num_hidden_layers')}")
