"""Gemma 4's language model (Google 2026, https://ai.google.dev/gemma/docs): dense, or experts beside that.

Global layers have heads of another size than windowed ones and may use the key projection for values too; the
last layers may read the keys and values of the last earlier layer of their kind; per-layer embeddings as in
Gemma 3n.
"""

import msgspec

from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.embedding import Embedding, Head
from moecalc.ir.blocks.ffn import Gated
from moecalc.ir.blocks.moe import MoE, Router
from moecalc.ir.blocks.pattern import compress
from moecalc.ir.blocks.per_layer import PerLayerEmbedding, PerLayerInput
from moecalc.ir.blocks.stack import Layer, Stack
from moecalc.sources.families._layers import ATTENTION_KINDS, kinds
from moecalc.sources.families.gemma3n_text import first_shared_layer
from moecalc.sources.reader import Reader

DEFAULTS = {
    "vocab_size": 262144,
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_hidden_layers": 30,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "global_head_dim": 512,
    "tie_word_embeddings": True,
    "attention_bias": False,
    "sliding_window": 512,
    "vocab_size_per_layer_input": 262144,
    "hidden_size_per_layer_input": 256,
    "attention_k_eq_v": False,
    "num_kv_shared_layers": 0,
    "enable_moe_block": False,
    "use_double_wide_mlp": False,
}


def architecture(config: Reader) -> Architecture:
    """Every sixth layer and the last one global, the others windowed."""
    if config.get("use_bidirectional_attention", default=None) == "all":
        raise config.refuse("use_bidirectional_attention", "only causal attention is modelled")
    order = layer_kinds(config)
    mixers = attentions(config, order)
    first = first_shared_layer(config, order)
    wide = config.flag("use_double_wide_mlp")
    inner, width = config.size("intermediate_size"), config.count("hidden_size_per_layer_input")
    moe = None
    if config.flag("enable_moe_block"):
        moe = experts(config)
    else:
        config.ignore("num_experts", "top_k_experts", "moe_intermediate_size", "expert_intermediate_size")
    named: dict[str, Layer] = {}
    names = []
    for index, (kind, mixer) in enumerate(zip(order, mixers, strict=True)):
        shared = index >= first
        layer = Layer(
            mixer=msgspec.structs.replace(mixer, shared_kv=shared),
            ffn=Gated(intermediate_size=2 * inner if wide and shared else inner),
            beside=moe,
            beside_wiring="own_norms" if moe else None,
            norm_placement="sandwich",
            extra_norms=3 if moe else 0,
            per_layer_input=PerLayerInput(width=width) if width else None,
            scalar=True,
        )
        names.append(name_of(layer, f"shared_{kind}" if shared else kind, named))
    per_layer = None
    if not width:
        config.ignore("vocab_size_per_layer_input")
    else:
        per_layer = PerLayerEmbedding(
            vocab_size=config.size("vocab_size_per_layer_input"), width=width, layers=len(order)
        )
    return Architecture(
        hidden_size=config.size("hidden_size"),
        embedding=Embedding(vocab_size=config.size("vocab_size"), per_layer=per_layer),
        stacks=[Stack(layers=named, pattern=compress(names))],
        head=Head(tied=config.flag("tie_word_embeddings")),
    )


def layer_kinds(config: Reader) -> list[str]:
    """`global` or `local` for each layer; as in the reference the last is global whatever the config says."""
    layers = config.size("num_hidden_layers")
    order = kinds(
        config, "layer_types", layers, ATTENTION_KINDS, lambda i: "local" if (i + 1) % 6 else "global"
    )
    return [*order[:-1], "global"]


def attentions(config: Reader, order: list[str]) -> list[GQA]:
    """The attention of each layer, with what `per_layer_config` (or the `global_*` keys) changes in it."""
    bias = config.flag("attention_bias")
    local = GQA(
        heads=config.size("num_attention_heads"),
        kv_heads=config.size("num_key_value_heads"),
        head_dim=config.size("head_dim"),
        window=config.size("sliding_window"),
        qkv_bias=bias,
        o_bias=bias,
        qk_norm="rms",
        v_norm="unweighted",
    )
    one_projection = config.flag("attention_k_eq_v")
    far = msgspec.structs.replace(local, window=None, values_are_keys=one_projection)
    overrides = per_layer_overrides(config)
    if overrides:
        config.ignore("global_head_dim", "num_global_key_value_heads")
    else:
        kv_heads = config.optional_size("num_global_key_value_heads") if one_projection else None
        config.ignore("num_global_key_value_heads")
        far = msgspec.structs.replace(
            far, head_dim=config.size("global_head_dim"), kv_heads=kv_heads or far.kv_heads
        )
    found = []
    for index, kind in enumerate(order):
        mixer = far if kind == "global" else local
        if index in overrides:
            own = overrides[index]
            mixer = msgspec.structs.replace(
                mixer,
                head_dim=own.size("head_dim", default=mixer.head_dim),
                kv_heads=own.size("num_key_value_heads", default=mixer.kv_heads),
            )
        found.append(mixer)
    return found


def per_layer_overrides(config: Reader) -> dict[int, Reader]:
    """The sections of `per_layer_config` by layer; its keys are layer numbers, zero-padded to one length."""
    section = config.section("per_layer_config")
    keys = list(config.get("per_layer_config", default={}))
    if not all(str(key).isdigit() for key in keys):
        raise config.refuse("per_layer_config", "its keys must be layer numbers")
    return {int(key): section.section(key) for key in keys}


def experts(config: Reader) -> MoE:
    """The experts that run beside each layer's dense feed-forward."""
    return MoE(
        experts=config.size("num_experts"),
        top_k=config.size("top_k_experts", "num_experts_per_tok"),
        intermediate_size=config.size("moe_intermediate_size", "expert_intermediate_size"),
        router=Router(scales=True),
    )


def name_of(layer: Layer, wanted: str, named: dict[str, Layer]) -> str:
    """The name of an equal layer in `named`, else `wanted` (numbered where taken), entered there."""
    for name, known in named.items():
        if known == layer:
            return name
    name = wanted if wanted not in named else f"{wanted}_{len(named)}"
    named[name] = layer
    return name
