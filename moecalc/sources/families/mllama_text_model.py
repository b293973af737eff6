"""The language model of Llama 3.2 Vision (Meta 2024, arXiv 2407.21783 section 7): Llama 3 with cross-attention."""

import msgspec

from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.embedding import Embedding, Head
from moecalc.ir.blocks.ffn import Gated
from moecalc.ir.blocks.pattern import MAX_LAYERS, compress
from moecalc.ir.blocks.stack import Layer, Stack
from moecalc.sources.families.llama import head_dim
from moecalc.sources.reader import Reader

DEFAULTS = {
    "vocab_size": 128256,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 40,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "tie_word_embeddings": False,
    "cross_attention_layers": [3, 8, 13, 18, 23, 28, 33, 38],
}

EXTRA_TOKENS = 8
"""Rows of the embedding beyond the vocabulary, which the head has not (transformers 5.23, MllamaTextModel)."""


def architecture(config: Reader) -> Architecture:
    """Self-attention layers, and between them gated ones that read an image and are skipped without one."""
    # The embedding has more rows than the head, so the reference never ties them.
    config.expect("tie_word_embeddings", False, why="the embedding has 8 rows more than the head")
    layers, heads = config.size("num_hidden_layers"), config.size("num_attention_heads")
    attention = GQA(
        heads=heads,
        kv_heads=config.size("num_key_value_heads", default=heads),
        head_dim=head_dim(config),
    )
    crossing_attention = msgspec.structs.replace(attention, qk_norm="rms")
    ffn = Gated(intermediate_size=config.size("intermediate_size"))
    known = {
        "layer": Layer(mixer=attention, ffn=ffn),
        "cross": Layer(mixer=crossing_attention, ffn=ffn, gates=True, cross_attention=True),
    }
    if layers > MAX_LAYERS:
        raise config.refuse("num_hidden_layers", f"more than {MAX_LAYERS:,} layers")
    crossing = set(config.indices("cross_attention_layers"))
    order = ["cross" if index in crossing else "layer" for index in range(layers)]
    if "cross" in order:
        config.warn(
            "without `images`, FLOPs and state are those of text alone: with one, "
            f"{order.count('cross')} cross-attention layers run too"
        )
    vocab = config.size("vocab_size")
    return Architecture(
        hidden_size=config.size("hidden_size"),
        embedding=Embedding(vocab_size=vocab + EXTRA_TOKENS),
        stacks=[Stack(layers={kind: known[kind] for kind in dict.fromkeys(order)}, pattern=compress(order))],
        head=Head(vocab_size=vocab),
    )
