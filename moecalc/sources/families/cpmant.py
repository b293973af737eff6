"""CPM-Ant (OpenBMB 2022): learned prompts before the text, one table of score biases by distance for all layers.

The first `prompt_length` tokens of every context are a learned prompt, whose rows stand behind the vocabulary in
the embedding; a context counts them. The text that is read at once is a prefix: its tokens see each other both ways.
"""

from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.embedding import Embedding, Head, ScoreBias
from moecalc.ir.blocks.ffn import Gated
from moecalc.ir.blocks.stack import Layer
from moecalc.sources.families._classic import uniform
from moecalc.sources.reader import Reader

DEFAULTS = {
    "vocab_size": 30720,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "dim_head": 128,
    "dim_ff": 10240,
    "num_hidden_layers": 48,
    "position_bias_num_buckets": 512,
    "prompt_types": 32,
    "prompt_length": 32,
    "segment_types": 32,
    "position_bias_max_distance": 2048,
}


def architecture(config: Reader) -> Architecture:
    """A decoder of multi-head attention and gated feed-forwards; the head is stored whatever the config says."""
    config.ignore("tie_word_embeddings", "dropout_p", "eps")
    heads, vocab = config.size("num_attention_heads"), config.size("vocab_size")
    segments = config.size("segment_types")
    layer = Layer(
        mixer=GQA(heads=heads, kv_heads=heads, head_dim=config.size("dim_head"), prefix_lm=True),
        ffn=Gated(intermediate_size=config.size("dim_ff")),
    )
    return Architecture(
        hidden_size=config.size("hidden_size"),
        embedding=Embedding(
            vocab_size=vocab + config.size("prompt_types") * config.size("prompt_length"),
            types=segments,
            prompt=config.size("prompt_length"),
            score_bias=ScoreBias(
                buckets=segments * segments + config.size("position_bias_num_buckets"),
                heads=heads,
                max_distance=config.size("position_bias_max_distance"),
            ),
        ),
        stacks=[uniform(layer, config.size("num_hidden_layers"), final_norm="rms")],
        head=Head(vocab_size=vocab),
    )
