"""Ling and Ring, 1 and 2 (arXiv 2503.05139; inclusionAI/Ling-V2), remote code only: two shapes, one `model_type`.

The second generation adds query and key norms, a correction bias on the router, a shared expert of its own width
and prediction modules; its configs declare each of these.
"""

import msgspec

from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.moe import MoE, Router, SharedExpert
from moecalc.sources.families import llama
from moecalc.sources.families._layers import grid, group_limit
from moecalc.sources.families.deepseek_v3 import feed_forwards, prediction
from moecalc.sources.reader import Reader

# What the classes of both generations assume alike; they disagree on `use_bias`, which is therefore needed.
DEFAULTS = {"first_k_dense_replace": 0, "tie_word_embeddings": False, "use_qkv_bias": False}


def architecture(config: Reader) -> Architecture:
    """Llama's attention in every layer; `first_k_dense_replace` dense layers, then experts."""
    # Dropouts; a norm on the head's rows and a softmax; the router's numerics; and how norms are computed.
    config.ignore("output_dropout", "norm_head", "norm_softmax", "score_function", "router_dtype")
    config.ignore("router_type", "use_rmsnorm", "rotary_dim", "mtp_loss_scaling_factor")
    config.expect("multi_gate", False)
    config.expect("use_sliding_window", False)
    config.ignore("sliding_window", "max_window_layers")
    mixer = attention(config)
    ffns, ffn_kinds = feed_forwards(config, moe(config), config.flag("use_bias"))
    layers, pattern = grid({"layer": mixer}, ["layer"] * len(ffn_kinds), ffns, ffn_kinds)
    return msgspec.structs.replace(
        llama.decoder(config, layers, pattern), mtp=prediction(config, mixer, ffns["moe"])
    )


def attention(config: Reader) -> GQA:
    """Grouped-query attention; `use_qkv_bias` and `use_bias` are the biases before and behind it."""
    heads = config.size("num_attention_heads")
    return GQA(
        heads=heads,
        # 0, the older class's default, means one per query head.
        kv_heads=config.count("num_key_value_heads", default=0) or heads,
        head_dim=llama.head_dim(config),
        qkv_bias=config.flag("use_qkv_bias", default=False),
        o_bias=config.flag("use_bias"),
        qk_norm="rms" if config.flag("use_qk_norm", default=False) else None,
    )


def moe(config: Reader) -> MoE:
    """Routed experts, and shared ones of the same or of a declared width."""
    width, bias = config.size("moe_intermediate_size"), config.flag("use_bias")
    shared = config.count("num_shared_experts", "n_shared_experts", default=0)
    shared_width = config.size("moe_shared_expert_intermediate_size", default=width) * shared
    balanced = config.flag("moe_router_enable_expert_bias", default=False)
    experts = config.size("num_experts", "n_routed_experts")
    groups = config.divisor("n_group", of=experts, what="experts", default=1)
    return MoE(
        experts=experts,
        top_k=config.size("num_experts_per_tok"),
        intermediate_size=width,
        bias=bias,
        shared=SharedExpert(intermediate_size=shared_width, bias=bias) if shared else None,
        router=Router(correction_bias="buffer" if balanced else None),
        groups=groups,
        group_limit=group_limit(config, groups),
    )
