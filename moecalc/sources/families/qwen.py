"""Qwen 1 (Bai et al. 2023, arXiv 2309.16609; modeling_qwen.py beside Qwen/Qwen-7B): Llama with biased q, k and v.

`intermediate_size` counts both halves of the gated feed-forward. Qwen-VL's `visual` section is passed over.
"""

from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.ffn import Gated
from moecalc.ir.blocks.stack import Layer
from moecalc.sources.families.llama import decoder
from moecalc.sources.reader import Reader

DEFAULTS = {
    "vocab_size": 151936,
    "hidden_size": 4096,
    "intermediate_size": 22016,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "kv_channels": 128,
    "no_bias": True,
    "tie_word_embeddings": False,
}


def architecture(config: Reader) -> Architecture:
    """Multi-head attention of `kv_channels` per head."""
    config.ignore("visual", "seq_length", "use_dynamic_ntk", "use_logn_attn", "rotary_emb_base", "rotary_pct")
    config.ignore(
        "emb_dropout_prob", "attn_dropout_prob", "scale_attn_weights", "onnx_safe", "use_flash_attn"
    )
    config.ignore("bf16", "fp16", "fp32")
    heads, both_halves = config.size("num_attention_heads"), config.size("intermediate_size")
    if both_halves % 2:
        raise config.refuse("intermediate_size", "must be even: it counts gate and up together")
    biased = not config.flag("no_bias")
    attention = GQA(
        heads=heads, kv_heads=heads, head_dim=config.size("kv_channels"), qkv_bias=True, o_bias=biased
    )
    layer = Layer(mixer=attention, ffn=Gated(intermediate_size=both_halves // 2, bias=biased))
    layers = config.size("num_hidden_layers")
    return decoder(config, {"layer": layer}, f"layer*{layers}")
