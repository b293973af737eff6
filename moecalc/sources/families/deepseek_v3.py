"""DeepSeek-V3 and R1 (arXiv 2412.19437): latent attention, dense layers, then fine-grained experts, and MTP."""

import msgspec

from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.ffn import Gated
from moecalc.ir.blocks.mla import MLA, Indexer
from moecalc.ir.blocks.moe import MoE, Router, SharedExpert
from moecalc.ir.blocks.mtp import MTP
from moecalc.ir.blocks.stack import FFN, Layer, Mixer
from moecalc.sources.families import llama
from moecalc.sources.families._layers import FFN_KINDS, grid, group_limit, kinds
from moecalc.sources.reader import Reader

DEFAULTS = {
    "vocab_size": 129280,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "num_hidden_layers": 61,
    "num_attention_heads": 128,
    "n_shared_experts": 1,
    "n_routed_experts": 256,
    "num_experts_per_tok": 8,
    "n_group": 8,
    "topk_group": 4,
    "first_k_dense_replace": 3,
    "kv_lora_rank": 512,
    "q_lora_rank": 1536,
    "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128,
    "v_head_dim": 128,
    "num_nextn_predict_layers": 1,
    "tie_word_embeddings": False,
    "attention_bias": False,
}


BALANCED = Router(correction_bias="buffer")
"""Balanced without an auxiliary loss: a correction bias per expert, stored but not trained by gradient."""


def architecture(config: Reader) -> Architecture:
    """Latent attention in every layer; `first_k_dense_replace` dense layers, then experts."""
    mixer = attention(config)
    ffns, ffn_kinds = feed_forwards(config)
    layers, pattern = grid({"layer": mixer}, ["layer"] * len(ffn_kinds), ffns, ffn_kinds)
    return msgspec.structs.replace(
        llama.decoder(config, layers, pattern), mtp=prediction(config, mixer, ffns["moe"])
    )


def attention(config: Reader, indexer: Indexer | None = None) -> MLA:
    """Multi-head latent attention; `num_key_value_heads` and `head_dim` mean nothing to it."""
    config.ignore("num_key_value_heads", "head_dim", "qk_head_dim")
    return MLA(
        heads=config.size("num_attention_heads"),
        kv_lora_rank=config.size("kv_lora_rank"),
        q_lora_rank=config.optional_size("q_lora_rank"),
        qk_nope_head_dim=config.size("qk_nope_head_dim"),
        qk_rope_head_dim=config.size("qk_rope_head_dim"),
        v_head_dim=config.size("v_head_dim"),
        bias=config.flag("attention_bias", default=False),
        indexer=indexer,
    )


def moe(config: Reader, router: Router = BALANCED, bias: bool = False) -> MoE:
    """Fine-grained experts and shared ones of the same width; `bias` is that of the shared ones."""
    experts = config.size("n_routed_experts", "num_experts", "num_local_experts")
    if config.get("topk_method", default=None) == "greedy":  # the choice is among all experts then
        groups, limit = config.size("n_group", default=1), None
        config.ignore("topk_group")
    else:
        groups = config.divisor("n_group", of=experts, what="experts", default=1)
        limit = group_limit(config, groups)
    width = config.size("moe_intermediate_size")
    shared = config.count("n_shared_experts", "num_shared_experts", default=0)
    return MoE(
        experts=experts,
        top_k=config.size("num_experts_per_tok"),
        intermediate_size=width,
        shared=SharedExpert(intermediate_size=shared * width, bias=bias) if shared else None,
        router=router,
        groups=groups,
        group_limit=limit,
    )


def feed_forwards(
    config: Reader, sparse: MoE | None = None, bias: bool = False
) -> tuple[dict[str, FFN], list[str]]:
    """The dense and the sparse feed-forward, and which of them each layer has; `bias` is that of the dense."""
    layers = config.size("num_hidden_layers")
    if config.size("moe_layer_freq", default=1) != 1:
        raise config.refuse("moe_layer_freq", "only experts in every layer after the dense ones are known")
    dense_layers = config.count("first_k_dense_replace", default=0)
    ffns: dict[str, FFN] = {
        "dense": Gated(intermediate_size=config.size("intermediate_size"), bias=bias),
        "moe": sparse or moe(config),
    }
    by_index = kinds(
        config, "mlp_layer_types", layers, FFN_KINDS, lambda i: "dense" if i < dense_layers else "moe"
    )
    return ffns, by_index


def prediction(config: Reader, mixer: Mixer, ffn: FFN) -> MTP | None:
    """The multi-token-prediction modules, each with one such layer; None where there are none."""
    modules = config.count("num_nextn_predict_layers", "num_mtp_layers", "mtp_num_layers", default=0)
    return MTP(layer=Layer(mixer=mixer, ffn=ffn), modules=modules) if modules else None
