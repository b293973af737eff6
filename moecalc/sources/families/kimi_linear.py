"""Kimi Linear (Moonshot AI 2025, arXiv 2510.26692): Kimi delta attention, some latent attention, experts."""

from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.delta import KimiDelta
from moecalc.ir.blocks.ffn import Gated
from moecalc.ir.blocks.moe import MoE, Router, SharedExpert
from moecalc.sources.families import llama
from moecalc.sources.families._layers import FFN_KINDS, grid, group_limit, kinds
from moecalc.sources.families.deepseek_v3 import attention
from moecalc.sources.reader import Reader

DEFAULTS = {
    "vocab_size": 163840,
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "moe_intermediate_size": 1024,
    "num_hidden_layers": 27,
    "num_attention_heads": 32,
    "n_shared_experts": 1,
    "num_local_experts": 256,
    "num_experts_per_tok": 8,
    "n_group": 1,
    "first_k_dense_replace": 1,
    "kv_lora_rank": 512,
    "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128,
    "v_head_dim": 128,
    "linear_head_dim": 128,
    "linear_num_heads": 32,
    "linear_conv_kernel_dim": 4,
    "attention_bias": False,
    "tie_word_embeddings": False,
}

MIXER_KINDS = {"linear_attention": "linear", "full_attention": "latent"}


def architecture(config: Reader) -> Architecture:
    """Mixers by `layer_types` or the lists in `linear_attn_config`; dense layers first, then experts."""
    config.ignore(
        "model_max_length",
        "moe_renormalize",
        "moe_router_activation_func",
        "use_grouped_topk",
        "mla_use_nope",
    )
    if config.size("moe_layer_freq", default=1) != 1:
        raise config.refuse("moe_layer_freq", "only experts in every layer after the dense ones are known")
    if config.count("num_nextn_predict_layers", default=0):
        raise config.refuse("num_nextn_predict_layers", "no release of this type has prediction modules")
    if config.flag("tie_word_embeddings", default=False):
        raise config.refuse(
            "tie_word_embeddings", "transformers stores a head of its own for this type all the same"
        )
    layers, dense = config.size("num_hidden_layers"), config.count("first_k_dense_replace", default=0)
    named, pattern = grid(
        {"linear": delta_attention(config), "latent": attention(config)},
        mixer_kinds(config, layers),
        {"dense": Gated(intermediate_size=config.size("intermediate_size")), "moe": moe(config)},
        kinds(config, "mlp_layer_types", layers, FFN_KINDS, lambda i: "dense" if i < dense else "moe"),
    )
    return llama.decoder(config, named, pattern)


def mixer_kinds(config: Reader, layers: int) -> list[str]:
    """The kind of each layer. The checkpoint's lists count layers from 1; without any, every fourth is latent."""
    nested = config.section("linear_attn_config")
    latent = set(nested.indices("full_attn_layers", default=[]))
    linear = set(nested.indices("kda_layers", default=[]))
    if not config.has("layer_types") and (latent or linear):
        if latent & linear or latent | linear != set(range(1, layers + 1)):
            raise nested.refuse(
                "kda_layers", f"with `full_attn_layers` it must name each of {layers} layers once"
            )
        return ["latent" if index + 1 in latent else "linear" for index in range(layers)]
    return kinds(
        config,
        "layer_types",
        layers,
        MIXER_KINDS,
        lambda index: "latent" if index and index % 4 == 0 else "linear",
    )


def delta_attention(config: Reader) -> KimiDelta:
    """The delta rule under `linear_attn_config` of the checkpoint, else under the `linear_*` keys."""
    nested = config.section("linear_attn_config")
    return KimiDelta(
        heads=nested.size("num_heads", default=config.size("linear_num_heads")),
        head_dim=nested.size("head_dim", default=config.size("linear_head_dim")),
        conv_kernel=nested.size("short_conv_kernel_size", default=config.size("linear_conv_kernel_dim")),
    )


def moe(config: Reader) -> MoE:
    """Fine-grained experts beside shared ones of the same width."""
    width = config.size("moe_intermediate_size")
    shared = config.count("num_shared_experts", "n_shared_experts", default=0)
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
