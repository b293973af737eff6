"""Beam: gated attention, windowed layers, experts routed in groups, norms on both sides of each sublayer.

Source: the reference implementation in transformers 5.23, models/beam/modeling_beam.py.
"""

import msgspec

from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.ffn import Gated
from moecalc.ir.blocks.moe import MoE, Router
from moecalc.ir.blocks.stack import FFN, Mixer
from moecalc.sources.families import llama
from moecalc.sources.families._layers import ATTENTION_KINDS, FFN_KINDS, grid, group_limit, kinds
from moecalc.sources.reader import Reader

DENSE_LAYERS = 3

DEFAULTS = {
    "vocab_size": 151936,
    "hidden_size": 5120,
    "intermediate_size": 20480,
    "num_hidden_layers": 52,
    "num_attention_heads": 48,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "attention_bias": False,
    "sliding_window": 512,
    "moe_intermediate_size": 2560,
    "num_experts_per_tok": 8,
    "num_experts": 256,
    "n_group": 8,
    "topk_group": 4,
    "tie_word_embeddings": False,
}


def architecture(config: Reader) -> Architecture:
    """Every sixth layer and the last one global, the others windowed; three dense layers, then experts."""
    count = config.size("num_hidden_layers")
    order = kinds(
        config,
        "layer_types",
        count,
        ATTENTION_KINDS,
        lambda i: "local" if (i + 1) % 6 and i != count - 1 else "global",
    )
    ffn_order = kinds(
        config, "mlp_layer_types", count, FFN_KINDS, lambda i: "dense" if i < DENSE_LAYERS else "moe"
    )
    attention = msgspec.structs.replace(
        llama.attention(config), qk_norm="rms", gate="elementwise", gate_head_bias=True
    )
    mixers: dict[str, Mixer] = {"global": attention}
    window = config.optional_size("sliding_window")
    if "local" in order:
        if window is None:
            raise config.refuse(
                "sliding_window", "`layer_types` names sliding layers, whose window is missing"
            )
        mixers["local"] = msgspec.structs.replace(attention, window=window)
    experts = config.size("num_experts")
    groups = config.divisor("n_group", of=experts, what="experts", default=1)
    moe = MoE(
        experts=experts,
        top_k=config.size("num_experts_per_tok"),
        intermediate_size=config.size("moe_intermediate_size"),
        router=Router(correction_bias="buffer"),
        groups=groups,
        group_limit=group_limit(config, groups),
    )
    ffns: dict[str, FFN] = {"dense": Gated(intermediate_size=config.size("intermediate_size")), "moe": moe}
    layers, pattern = grid(mixers, order, ffns, ffn_order, norm_placement="sandwich")
    return llama.decoder(config, layers, pattern)
