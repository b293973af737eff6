"""Snowflake Arctic (Snowflake 2024), remote code only: a dense residual feed-forward beside a wide mixture."""

import msgspec

from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.ffn import Gated
from moecalc.ir.blocks.moe import MoE
from moecalc.ir.blocks.pattern import compress
from moecalc.ir.blocks.stack import Layer
from moecalc.sources.families import llama, mistral
from moecalc.sources.reader import Reader

# What the class of the release (configuration_arctic.py) assumes.
DEFAULTS = {
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_experts_per_tok": 1,
    "num_local_experts": 8,
    "moe_layer_frequency": 2,
    "parallel_attn_mlp_res": False,
    "tie_word_embeddings": False,
}


def architecture(config: Reader) -> Architecture:
    """Experts in every `moe_layer_frequency`-th layer, with the residual feed-forward where the config says so."""
    config.ignore("moe_train_capacity_factor", "moe_eval_capacity_factor", "enable_expert_tensor_parallelism")
    config.ignore("moe_min_capacity", "moe_token_dropping", "enc_index", "quantization")
    width, hidden = config.size("intermediate_size"), config.size("hidden_size")
    mixer = mistral.attention(config)
    dense = Layer(mixer=mixer, ffn=Gated(intermediate_size=width))
    moe = MoE(
        experts=config.size("num_local_experts"),
        top_k=config.size("num_experts_per_tok"),
        intermediate_size=width,
    )
    sparse = Layer(mixer=mixer, ffn=moe)
    if config.flag("parallel_attn_mlp_res", default=False) or config.flag("use_residual", default=False):
        # The residual feed-forward is as wide as the stream, and has a norm of its own.
        sparse = msgspec.structs.replace(
            sparse, beside=Gated(intermediate_size=hidden), beside_wiring="behind_mixer", extra_norms=1
        )
    layers, step = config.size("num_hidden_layers"), config.size("moe_layer_frequency")
    order = ["moe" if (index + 1) % step == 0 else "dense" for index in range(layers)]
    named = {name: {"moe": sparse, "dense": dense}[name] for name in dict.fromkeys(order)}
    return llama.decoder(config, named, compress(order))
