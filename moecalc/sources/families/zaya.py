"""ZAYA1 (Zyphra 2025, arXiv 2511.17127): compressed convolutional attention, an MLP router, an expert that skips."""

from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.cca import CCA
from moecalc.ir.blocks.embedding import Embedding, Head
from moecalc.ir.blocks.moe import MoE, Router
from moecalc.ir.blocks.stack import Stack
from moecalc.sources.families._layers import grid, kinds
from moecalc.sources.reader import Reader

DEFAULTS = {
    "vocab_size": 262272,
    "hidden_size": 2048,
    "moe_intermediate_size": 2048,
    "num_hidden_layers": 40,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 128,
    "num_experts": 16,
    "num_experts_per_tok": 1,
    "router_hidden_size": 256,
    "cca_time0": 2,
    "cca_time1": 2,
    "tie_word_embeddings": True,
    "attention_bias": False,
    "lm_head_bias": False,
}
KINDS = {"hybrid": "global", "hybrid_sliding": "local"}


def architecture(config: Reader) -> Architecture:
    """Every layer is sparse; all routers but the first add the state of the one before."""
    layers = config.size("num_hidden_layers")
    if config.size("num_experts_per_tok") != 1:
        raise config.refuse("num_experts_per_tok", "the reference chooses one expert per token")
    named, pattern = grid(
        {
            "global": _attention(config, None),
            "local": _attention(config, config.optional_size("sliding_window")),
        },
        kinds(config, "layer_types", layers, KINDS, lambda _: "global"),
        {"first": _moe(config, carry=False), "moe": _moe(config, carry=True)},
        ["moe" if index else "first" for index in range(layers)],
        residual_scaling=True,
    )
    return Architecture(
        hidden_size=config.size("hidden_size"),
        embedding=Embedding(vocab_size=config.size("vocab_size"), affine=True),
        stacks=[Stack(layers=named, pattern=pattern)],
        head=Head(tied=config.flag("tie_word_embeddings"), bias=config.flag("lm_head_bias")),
    )


def _attention(config: Reader, window: int | None) -> CCA:
    return CCA(
        heads=config.size("num_attention_heads"),
        kv_heads=config.size("num_key_value_heads"),
        head_dim=config.size("head_dim"),
        depthwise_kernel=config.size("cca_time0"),
        grouped_kernel=config.size("cca_time1"),
        window=window,
        bias=config.flag("attention_bias"),
    )


def _moe(config: Reader, carry: bool) -> MoE:
    return MoE(
        experts=config.size("num_experts"),
        top_k=1,
        intermediate_size=config.size("moe_intermediate_size"),
        zero_experts=1,
        zero_experts_skip=True,
        reference_runs_null=True,
        router=Router(hidden_size=config.size("router_hidden_size"), carry=carry, correction_bias="buffer"),
    )
