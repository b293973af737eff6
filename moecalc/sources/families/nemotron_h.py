"""Nemotron-H and Nemotron 3 (NVIDIA 2025, arXiv 2504.03624, 2512.20856): layers of one sublayer each.

A layer is a Mamba 2 mixer, attention, a plain feed-forward or a mixture of plain experts; the experts may work in a
latent space narrower than the hidden size.
"""

from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.embedding import Embedding, Head
from moecalc.ir.blocks.ffn import Dense
from moecalc.ir.blocks.mamba2 import Mamba2
from moecalc.ir.blocks.moe import MoE, Router, SharedExpert
from moecalc.ir.blocks.mtp import MTP
from moecalc.ir.blocks.pattern import compress
from moecalc.ir.blocks.stack import Layer, Stack
from moecalc.sources.families._layers import group_limit
from moecalc.sources.families._states import state_dtype
from moecalc.sources.reader import Reader

DEFAULTS = {
    "vocab_size": 131072,
    "hidden_size": 4096,
    "layers_block_type": ["linear_attention", "moe", "full_attention", "mlp"],
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 21504,
    "ssm_state_size": 128,
    "mamba_num_heads": 128,
    "mamba_head_dim": 64,
    "n_groups": 8,
    "conv_kernel": 4,
    "chunk_size": 128,
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 7688,
    "moe_shared_expert_intermediate_size": 7688,
    "n_group": 1,
    "mtp_layers_block_type": ["full_attention", "moe"],
    "num_nextn_predict_layers": 0,
    "use_bias": False,
    "use_conv_bias": True,
    "mlp_bias": False,
    "tie_word_embeddings": False,
}

LAYER_KINDS = {
    "linear_attention": "mamba",
    "mamba": "mamba",
    "M": "mamba",
    "full_attention": "attention",
    "attention": "attention",
    "*": "attention",
    "mlp": "mlp",
    "-": "mlp",
    "moe": "moe",
    "E": "moe",
}
"""Layer kinds as lists spell them, and as the letters of a `hybrid_override_pattern`."""

NEUTRAL_KEYS = (
    "expand",
    "mamba_expand",
    "mamba_hidden_act",
    "mamba_proj_bias",
    "mlp_hidden_act",
    "moe_shared_expert_overlap",
    "n_shared_experts",
    "num_logits_to_keep",
    "rescale_prenorm_residual",
    "residual_in_fp32",
    "time_step_floor",
    "time_step_limit",
    "time_step_max",
    "time_step_min",
    "use_mamba_kernels",
)


def architecture(config: Reader) -> Architecture:
    """The layers of `layers_block_type`, else of `hybrid_override_pattern`."""
    config.ignore(*NEUTRAL_KEYS)
    for key in ("attention_bias", "sliding_window", "tie_word_embeddings"):
        if config.get(key, default=None):
            raise config.refuse(key, "transformers does not honour it for this type")
    ffn = Dense(intermediate_size=config.size("intermediate_size"), bias=config.flag("mlp_bias"))
    named = {
        "mamba": Layer(mixer=mamba2(config)),
        "attention": Layer(mixer=attention(config)),
        "mlp": Layer(ffn=ffn),
        "moe": Layer(ffn=moe(config)),
    }
    order = layer_kinds(config, "layers_block_type", "hybrid_override_pattern")
    if config.size("num_hidden_layers", default=len(order)) != len(order):
        raise config.refuse(
            "num_hidden_layers",
            f"the list of layers names {len(order)}",
            "`layers_block_type` or `hybrid_override_pattern` names every layer once",
        )
    return Architecture(
        hidden_size=config.size("hidden_size"),
        embedding=Embedding(vocab_size=config.size("vocab_size")),
        stacks=[Stack(layers={kind: named[kind] for kind in dict.fromkeys(order)}, pattern=compress(order))],
        head=Head(),
        mtp=prediction(config, named),
    )


def layer_kinds(config: Reader, key: str, letters: str) -> list[str]:
    """The kind of each layer under `key`, else one per letter under `letters`, in our words."""
    source = letters if config.has(letters) and not config.has(key) else key
    written = config.text(letters) if source == letters else config.items(key)
    strange = [name for name in written if not isinstance(name, str) or name not in LAYER_KINDS]
    if strange or not written:
        raise config.refuse(source, f"no such kind of layer as `{strange[0]}`" if strange else "no layers")
    return [LAYER_KINDS[name] for name in written]


def mamba2(config: Reader) -> Mamba2:
    """The Mamba 2 mixer; its inner width is heads x head_dim, whatever `expand` says."""
    return Mamba2(
        heads=config.size("mamba_num_heads"),
        head_dim=config.size("mamba_head_dim"),
        state_size=config.size("ssm_state_size"),
        groups=config.size("mamba_n_groups", "n_groups"),
        conv_kernel=config.size("mamba_d_conv", "conv_kernel"),
        chunk_size=config.size("mamba_chunk_size", "chunk_size"),
        bias=config.flag("use_bias"),
        conv_bias=config.flag("mamba_conv_bias", "use_conv_bias"),
        state_dtype=state_dtype(config, "mamba_ssm_cache_dtype"),
    )


def attention(config: Reader) -> GQA:
    """Grouped-query attention without biases."""
    heads = config.size("num_attention_heads")
    return GQA(
        heads=heads,
        kv_heads=config.size("num_key_value_heads", default=heads),
        head_dim=config.size("head_dim", "attention_head_dim"),
    )


def moe(config: Reader) -> MoE:
    """Plain experts, in a latent space where `moe_latent_size` is given, beside a plain shared one."""
    latent, bias = config.optional_size("moe_latent_size"), config.flag("mlp_bias")
    shared = config.size("moe_shared_expert_intermediate_size")
    experts = config.size("n_routed_experts", "num_local_experts")
    groups = config.divisor("n_group", of=experts, what="experts")
    return MoE(
        experts=experts,
        top_k=config.size("num_experts_per_tok"),
        intermediate_size=config.size("moe_intermediate_size"),
        gated=False,
        shared=SharedExpert(intermediate_size=shared, gated=False, bias=bias),
        router=Router(correction_bias="buffer"),
        groups=groups,
        group_limit=group_limit(config, groups),
        latent_size=latent,
        latent_bias=bias and latent is not None,
    )


def prediction(config: Reader, named: dict[str, Layer]) -> MTP | None:
    """The prediction modules: attention, then experts, each with a norm of its own."""
    kinds = layer_kinds(config, "mtp_layers_block_type", "mtp_hybrid_override_pattern")
    modules = config.count("num_nextn_predict_layers", default=0)
    if modules and kinds != ["attention", "moe"]:
        raise config.refuse(
            "mtp_layers_block_type", "prediction modules are known as attention, then experts"
        )
    layer = Layer(mixer=named["attention"].mixer, ffn=named["moe"].ffn)
    return MTP(layer=layer, modules=modules) if modules else None
