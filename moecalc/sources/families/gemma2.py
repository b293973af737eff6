"""Gemma 2 (Gemma Team 2024, arXiv 2408.00118): norms around each sublayer, every second layer local."""

import msgspec

from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.ffn import Gated
from moecalc.sources.families._layers import local_and_global
from moecalc.sources.families.gemma import refuse_bidirectional
from moecalc.sources.families.llama import attention, decoder
from moecalc.sources.reader import Reader

DEFAULTS = {
    "vocab_size": 256000,
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_hidden_layers": 26,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "attention_bias": False,
    "sliding_window": 4096,
    "tie_word_embeddings": True,
    "attn_logit_softcapping": 50.0,
}


def architecture(config: Reader) -> Architecture:
    """Local and global layers in turn, local first."""
    config.ignore("cache_implementation")
    return sandwich_decoder(config, attention(config), period=2)


def softcapped(config: Reader, mixer: GQA) -> GQA:
    """Attention whose scores are capped where the config has a cap."""
    return msgspec.structs.replace(mixer, softcap=bool(config.number("attn_logit_softcapping", default=0)))


def sandwich_decoder(config: Reader, mixer: GQA, period: int) -> Architecture:
    """A norm before and after each sublayer; without `layer_types`, every `period`-th layer is global."""
    refuse_bidirectional(config)
    layers, pattern = local_and_global(
        config,
        softcapped(config, mixer),
        Gated(intermediate_size=config.size("intermediate_size")),
        config.optional_size("sliding_window", "sliding_window_size"),
        lambda index: "local" if (index + 1) % period else "global",
        norm_placement="sandwich",
    )
    return decoder(config, layers, pattern)
