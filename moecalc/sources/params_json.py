"""`params.json`, the config of Meta's and Mistral's own releases -> Architecture.

Meta's gives the feed-forward's width as a rule (meta-llama/llama, llama/model.py, `FeedForward`); Mistral's gives it
as `hidden_dim` (mistralai/mistral-inference, args.py).
"""

from collections.abc import Mapping
from typing import Any

from moecalc.errors import InputError
from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.embedding import Embedding, Head
from moecalc.ir.blocks.ffn import Gated
from moecalc.ir.blocks.mla import MLA
from moecalc.ir.blocks.moe import MoE, SharedExpert
from moecalc.ir.blocks.stack import Layer, Stack
from moecalc.sources.hf_config import ConfigReading
from moecalc.sources.reader import Reader
from moecalc.specs.formats import Precision

NEUTRAL = (
    "norm_eps",
    "rope_theta",
    "rope_scaling",
    "rope_scaling_factor",
    "use_scaled_rope",
    "use_biases",
    "causal",
    "max_batch_size",
    "model_type",
    "yarn",
    "llama_4_scaling",
    "quantization",
    "lora",
)
"""Keys that change no count."""


def is_params(config: Any) -> bool:
    """Whether a mapping is a params.json and no Hugging Face config."""
    return isinstance(config, Mapping) and {"dim", "n_layers", "n_heads"} <= config.keys()


def read_params(params: Mapping[str, Any], vocab_size: int | None = None) -> ConfigReading:
    """The architecture params.json describes.

    `vocab_size` serves where the file leaves it to the tokenizer (Llama 1 and 2 write -1). Raises InputError.
    """
    config = Reader(params)
    config.ignore(*NEUTRAL)
    warnings = []
    layers, dim = config.size("n_layers"), config.size("dim")
    tower = next((key for key in ("vision_encoder", "audio_encoder") if config.has(key)), None)
    if tower is not None:
        warnings.append(f"`{tower}` is left out: only the language model is read from params.json")
    dense = Layer(mixer=_attention(config, dim), ffn=Gated(intermediate_size=_width(config, dim)))
    kinds, pattern = {"layer": dense}, f"layer*{layers}"
    if config.has("moe"):
        kinds, pattern = _sparse(config.section("moe"), dense, layers)
    architecture = Architecture(
        hidden_size=dim,
        embedding=Embedding(vocab_size=_vocab(config, params, vocab_size)),
        stacks=[Stack(layers=kinds, pattern=pattern)],
        head=Head(tied=config.flag("tied_embeddings", default=False)),
    )
    context = config.optional_size("max_seq_len", "max_position_embeddings", "model_max_length")
    return ConfigReading(
        model_type="params.json",
        architecture=architecture,
        precision=Precision(),
        warnings=tuple(warnings),
        context=context,
        consumed=tuple(config.consumed()),
        neutral=tuple(config.neutral()),
        unread=tuple(config.unread()),
    )


def _vocab(config: Reader, params: Mapping[str, Any], known: int | None) -> int:
    if params.get("vocab_size") == -1:
        config.ignore("vocab_size")
        if known is None:
            raise InputError(
                "`vocab_size` is -1: the tokenizer decides, and it is not at hand",
                hint="write the size in (Llama 1 and 2: 32000); weights in safetensors beside it tell it too",
            )
        return known
    return config.size("vocab_size")


def _attention(config: Reader, dim: int) -> GQA | MLA:
    heads = config.size("n_heads")
    if config.has("kv_lora_rank"):
        config.ignore("n_kv_heads", "head_dim")
        return MLA(
            heads=heads,
            kv_lora_rank=config.size("kv_lora_rank"),
            q_lora_rank=config.optional_size("q_lora_rank"),
            qk_nope_head_dim=config.size("qk_nope_head_dim"),
            qk_rope_head_dim=config.size("qk_rope_head_dim"),
            v_head_dim=config.size("v_head_dim"),
        )
    return GQA(
        heads=heads,
        kv_heads=config.size("n_kv_heads", default=heads),
        head_dim=config.size("head_dim", default=max(1, dim // heads)),
        window=config.optional_size("sliding_window"),
    )


def _width(config: Reader, dim: int) -> int:
    if config.has("hidden_dim"):
        return config.size("hidden_dim")
    width = int(2 * (4 * dim) / 3)
    if config.has("ffn_dim_multiplier"):
        width = int(config.number("ffn_dim_multiplier") * width)
    step = config.size("multiple_of", default=256)
    return step * -(-width // step)


def _sparse(moe: Reader, dense: Layer, layers: int) -> tuple[dict[str, Layer], str]:
    """The layers of a mixture of experts: Mixtral's are as wide as its `hidden_dim`."""
    moe.ignore("routed_scale", "expert_parallel", "expert_model_parallel", "num_expert_groups")
    moe.ignore("num_expert_groups_per_tok", "route_every_n")
    wide = dense.ffn.intermediate_size if isinstance(dense.ffn, Gated) else 1
    width = moe.size("expert_hidden_dim", default=wide)
    shared = moe.count("num_shared_experts", default=0)
    sparse = MoE(
        experts=moe.size("num_experts"),
        top_k=moe.size("num_experts_per_tok"),
        intermediate_size=width,
        shared=SharedExpert(intermediate_size=shared * width) if shared else None,
    )
    first = moe.count("first_k_dense_replace", default=0)
    layer = Layer(mixer=dense.mixer, ffn=sparse)
    if first:
        return {"dense": dense, "moe": layer}, f"dense*{first} moe*{layers - first}"
    return {"layer": layer}, f"layer*{layers}"
