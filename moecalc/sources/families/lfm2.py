"""LFM2 (Liquid AI 2025, arXiv 2511.23404): gated short convolutions and some attention with query and key norms."""

import msgspec

from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.ffn import Gated
from moecalc.ir.blocks.short_conv import ShortConv
from moecalc.ir.blocks.stack import FFN
from moecalc.sources.families import llama
from moecalc.sources.families._layers import grid, kinds
from moecalc.sources.reader import Reader

DEFAULTS = {
    "vocab_size": 65536,
    "hidden_size": 2560,
    "intermediate_size": 12288,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "conv_bias": False,
    "conv_L_cache": 3,
    "block_multiple_of": 256,
    "block_ffn_dim_multiplier": 1.0,
    "block_auto_adjust_ff_dim": True,
    "tie_word_embeddings": True,
}

INITIALISATION_KEYS = (
    "block_mlp_init_scale",
    "block_out_init_scale",
    "block_use_xavier_init",
    "conv_use_xavier_init",
)
MIXER_KINDS = {"full_attention": "attention", "conv": "conv"}


def architecture(config: Reader) -> Architecture:
    """`layer_types`, else `full_attn_idxs`, says which layers attend; without either all do."""
    layers = config.size("num_hidden_layers")
    attending = set(config.indices("full_attn_idxs", default=list(range(layers))))
    if not config.has("layer_types") and not attending <= set(range(layers)):
        raise config.refuse(
            "full_attn_idxs",
            f"there are {layers} layers",
            f"each entry must be the index of a layer, from 0 to {layers - 1}",
        )
    ffn = Gated(intermediate_size=feed_forward_width(config))
    by_index = kinds(
        config, "layer_types", layers, MIXER_KINDS, lambda i: "attention" if i in attending else "conv"
    )
    return hybrid(config, by_index, {"dense": ffn}, ["dense"] * layers)


def hybrid(
    config: Reader, mixer_kinds: list[str], ffns: dict[str, FFN], ffn_kinds: list[str]
) -> Architecture:
    """Convolutions and attention with the given feed-forwards."""
    config.ignore(*INITIALISATION_KEYS, "block_norm_eps", "use_pos_enc")
    if not config.flag("block_use_swiglu", default=True):
        raise config.refuse("block_use_swiglu", "every known release has gated feed-forwards")
    hidden = config.size("hidden_size")
    for key in ("conv_dim", "conv_dim_out", "block_dim"):
        if config.size(key, default=hidden) != hidden:
            raise config.refuse(key, f"every known release has the hidden size {hidden} here")
    conv = ShortConv(conv_kernel=config.size("conv_L_cache"), bias=config.flag("conv_bias"))
    named, pattern = grid({"attention": attention(config), "conv": conv}, mixer_kinds, ffns, ffn_kinds)
    tied = config.flag("tie_embedding", "tie_word_embeddings")
    plain = llama.decoder(config, named, pattern)
    return msgspec.structs.replace(plain, head=msgspec.structs.replace(plain.head, tied=tied))


def attention(config: Reader) -> GQA:
    """Llama's attention without biases, with norms of head_dim on queries and keys."""
    config.ignore("num_heads")
    return msgspec.structs.replace(llama.attention(config), qk_norm="rms")


def feed_forward_width(config: Reader) -> int:
    """The declared width, or two thirds of it times a multiplier, rounded up to `block_multiple_of`."""
    width = config.size("block_ff_dim", "intermediate_size")
    config.ignore("intermediate_size")
    multiple = config.size("block_multiple_of")
    multiplier = config.get("block_ffn_dim_multiplier", default=None)
    if not config.flag("block_auto_adjust_ff_dim"):
        return width
    width = int(2 * width / 3)
    if multiplier is None:
        return width
    return multiple * -(-int(config.number("block_ffn_dim_multiplier") * width) // multiple)
