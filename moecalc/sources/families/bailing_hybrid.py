"""Ling 3 / Ring 3 (inclusionAI 2026): Kimi delta attention, every sixth layer gated latent attention, experts.

`head_dim` is the delta heads' size in released configs; converted ones keep it in `linear_head_dim`.
"""

import msgspec

from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.delta import KimiDelta
from moecalc.ir.blocks.ffn import Gated
from moecalc.ir.blocks.moe import MoE, Router, SharedExpert
from moecalc.sources.families._layers import FFN_KINDS, grid, group_limit, kinds
from moecalc.sources.families.deepseek_v3 import attention, prediction
from moecalc.sources.families.llama import decoder
from moecalc.sources.reader import Reader

DEFAULTS = {
    "vocab_size": 157184,
    "hidden_size": 2560,
    "intermediate_size": 6144,
    "moe_intermediate_size": 768,
    "num_hidden_layers": 42,
    "num_attention_heads": 32,
    "num_shared_experts": 1,
    "num_experts": 512,
    "num_experts_per_tok": 8,
    "n_group": 8,
    "topk_group": 4,
    "first_k_dense_replace": 2,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "head_dim": 128,
    "short_conv_kernel_size": 4,
    "layer_group_size": 6,
    "num_nextn_predict_layers": 1,
    "tie_word_embeddings": False,
    "attention_bias": False,
}
ATTENTION = {"full_attention": "latent", "linear_attention": "delta"}


def architecture(config: Reader) -> Architecture:
    """Every `layer_group_size`-th layer is latent attention; the first layers are dense."""
    layers, dense = config.size("num_hidden_layers"), config.count("first_k_dense_replace", default=0)
    every = config.size("layer_group_size")
    if config.optional_size("q_lora_rank") is not None:
        raise config.refuse("q_lora_rank", "the reference has one full query projection")
    if config.flag("tie_word_embeddings", default=False):
        raise config.refuse("tie_word_embeddings", "the reference always has a head of its own")
    config.ignore("kda_safe_gate", "kda_lower_bound", "mtp_loss_scaling_factor", "model_max_length")
    latent = msgspec.structs.replace(attention(config), gate="headwise")
    sparse = _moe(config)
    named, pattern = grid(
        {"latent": latent, "delta": _delta(config)},
        kinds(config, "layer_types", layers, ATTENTION, lambda i: "delta" if (i + 1) % every else "latent"),
        {"dense": Gated(intermediate_size=config.size("intermediate_size")), "moe": sparse},
        kinds(config, "mlp_layer_types", layers, FFN_KINDS, lambda i: "dense" if i < dense else "moe"),
    )
    return msgspec.structs.replace(decoder(config, named, pattern), mtp=prediction(config, latent, sparse))


def _moe(config: Reader) -> MoE:
    width = config.size("moe_intermediate_size")
    shared = config.count("num_shared_experts", "n_shared_experts", default=0)
    config.ignore("moe_renormalize")
    experts = config.size("num_experts", "num_local_experts")
    groups = config.divisor("num_expert_group", "n_group", of=experts, what="experts", default=1)
    return MoE(
        experts=experts,
        top_k=config.size("num_experts_per_token", "num_experts_per_tok"),
        intermediate_size=width,
        shared=SharedExpert(intermediate_size=shared * width) if shared else None,
        router=Router(correction_bias="buffer"),
        groups=groups,
        group_limit=group_limit(config, groups),
    )


def _delta(config: Reader) -> KimiDelta:
    heads = config.size("num_attention_heads")
    return KimiDelta(
        heads=config.size("linear_num_heads", default=heads),
        head_dim=config.size("linear_head_dim", default=config.size("head_dim")),
        conv_kernel=config.size("linear_conv_kernel_dim", default=config.size("short_conv_kernel_size")),
        low_rank=False,
    )
