"""Inkling 2's language model (Thinking Machines 2026): Inkling with attention residuals, output gates, experts only.

Global layers have dynamic convolutions and read query, key and value from mixes of their own.
"""

import msgspec

from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.attention_residual import AttentionResidual
from moecalc.ir.blocks.embedding import Embedding, Head
from moecalc.ir.blocks.moe import MoE, Router
from moecalc.ir.blocks.pattern import compress
from moecalc.ir.blocks.relative import RelativeBias
from moecalc.ir.blocks.stack import Layer, Stack
from moecalc.sources.families._layers import kinds
from moecalc.sources.families.inkling_text import ATTENTION
from moecalc.sources.reader import Reader

DEFAULTS = {
    "vocab_size": 201024,
    "hidden_size": 4608,
    "moe_intermediate_size": 2304,
    "num_hidden_layers": 48,
    "num_attention_heads": 48,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "swa_num_attention_heads": 48,
    "swa_num_key_value_heads": 8,
    "swa_head_dim": 128,
    "sliding_window_size": 1024,
    "d_rel": 16,
    "rel_extent": 1024,
    "conv_kernel_size": 4,
    "n_routed_experts": 384,
    "num_experts_per_tok": 8,
    "n_layers_per_attn_res_block": 6,
}
NEUTRAL = (
    "unpadded_vocab_size",
    "log_scaling_n_floor",
    "log_scaling_alpha",
    "route_scale",
    "qk_l2_clip_threshold",
    "rel_l2_clip_threshold",
    "mlp_gate_softcap",
    "mlp_up_softcap",
    "number_of_conv_states",
    "model_max_length",
)


def architecture(config: Reader) -> Architecture:
    """Every sixth layer is global, unless `layer_types` says otherwise."""
    layers = config.size("num_hidden_layers")
    config.ignore(*NEUTRAL)
    if config.flag("tie_word_embeddings", default=False):
        raise config.refuse("tie_word_embeddings", "the reference always has a head of its own")
    kernel = config.size("conv_kernel_size", "sconv_kernel_size")
    moe = MoE(
        experts=config.size("n_routed_experts", "num_local_experts"),
        top_k=config.size("num_experts_per_tok"),
        intermediate_size=config.size("moe_intermediate_size", "intermediate_size"),
        router=Router(correction_bias="buffer"),
    )
    wide = Layer(mixer=_global(config, kernel), ffn=moe, conv_kernel=kernel, input_mixes=3, extra_norms=2)
    named = {"global": wide, "local": Layer(mixer=_local(config, kernel), ffn=moe, conv_kernel=kernel)}
    order = kinds(config, "layer_types", layers, ATTENTION, lambda i: "local" if (i + 1) % 6 else "global")
    stack = Stack(
        layers={name: named[name] for name in dict.fromkeys(order)},
        pattern=compress(order),
        attention_residual=AttentionResidual(block_size=config.size("n_layers_per_attn_res_block")),
    )
    return Architecture(
        hidden_size=config.size("hidden_size"),
        embedding=Embedding(vocab_size=config.size("vocab_size"), norm="rms"),
        stacks=[stack],
        head=Head(),
    )


def _global(config: Reader, kernel: int) -> GQA:
    return GQA(
        heads=config.size("num_attention_heads"),
        kv_heads=config.size("num_key_value_heads"),
        head_dim=config.size("head_dim"),
        gate="elementwise",
        q_scale=True,
        v_norm="unweighted",
        sink_projection=True,
        kv_conv=kernel,
        kv_conv_dynamic=True,
        relative=RelativeBias(dim=config.size("d_rel"), extent=config.size("rel_extent"), scales=True),
    )


def _local(config: Reader, kernel: int) -> GQA:
    window = config.size("sliding_window_size", "sliding_window")
    return msgspec.structs.replace(
        _global(config, kernel),
        heads=config.size("swa_num_attention_heads"),
        kv_heads=config.size("swa_num_key_value_heads"),
        head_dim=config.size("swa_head_dim"),
        window=window,
        kv_conv_dynamic=False,
        relative=RelativeBias(dim=config.size("d_rel"), extent=window, scales=True),
    )
