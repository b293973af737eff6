"""LongCat-Flash (Meituan 2025, arXiv 2509.01322): zero-compute experts, and a shortcut around every other layer.

The config counts pairs of layers: each pair has two latent attentions and two dense feed-forwards, and one
mixture of experts that starts behind the first attention and joins behind the second feed-forward.
"""

import msgspec

from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.ffn import Gated
from moecalc.ir.blocks.moe import MoE, Router
from moecalc.ir.blocks.stack import Layer
from moecalc.sources.families import llama
from moecalc.sources.families.deepseek_v3 import attention, prediction
from moecalc.sources.reader import Reader

DEFAULTS = {
    "vocab_size": 131072,
    "hidden_size": 6144,
    "num_layers": 28,
    "num_attention_heads": 64,
    "tie_word_embeddings": False,
    "attention_bias": False,
    "ffn_hidden_size": 12288,
    "q_lora_rank": 1536,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "moe_topk": 12,
    "n_routed_experts": 512,
    "zero_expert_num": 256,
    "expert_ffn_hidden_size": 2048,
}


def architecture(config: Reader) -> Architecture:
    """Pairs of layers, the first of each with experts beside its dense feed-forward."""
    # Two constant factors on the latents; and a name for what all configs of this type have.
    config.ignore("mla_scale_q_lora", "mla_scale_kv_lora", "attention_method")
    if config.text("zero_expert_type", default="identity") != "identity":
        raise config.refuse("zero_expert_type", "only identity experts are known to cost nothing")
    mixer = attention(config)
    ffn = Gated(intermediate_size=config.size("ffn_hidden_size", "intermediate_size"))
    moe = MoE(
        experts=config.size("n_routed_experts", "num_local_experts"),
        top_k=config.size("moe_topk", "num_experts_per_tok"),
        intermediate_size=config.size("expert_ffn_hidden_size", "moe_intermediate_size"),
        zero_experts=config.count("zero_expert_num", default=0),
        router=Router(correction_bias="buffer", bias=config.flag("router_bias", default=False)),
    )
    shortcut = Layer(mixer=mixer, ffn=ffn, beside=moe, beside_wiring="shortcut")
    layers = {"shortcut": shortcut, "plain": Layer(mixer=mixer, ffn=ffn)}
    pairs = config.size("num_layers")
    return msgspec.structs.replace(
        llama.decoder(config, layers, f"(shortcut plain)*{pairs}"), mtp=prediction(config, mixer, ffn)
    )
