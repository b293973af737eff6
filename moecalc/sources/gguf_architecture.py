"""A GGUF file's metadata -> the config that its model's family reads.

llama.cpp's keys (gguf-py/gguf/constants.py, `Keys`) become those of the family's Hugging Face config, so that there is
one reader of an architecture. What the metadata leaves out (biases, norms on queries and keys, a tied head, the size of
the vocabulary) is told by the names and shapes of the tensors.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from moecalc.errors import InputError, suggestion
from moecalc.sources.headers.gguf import Cut
from moecalc.sources.headers.tensors import Header

Config = dict[str, Any]


class Source(msgspec.Struct, frozen=True):
    """The metadata of one architecture, and which tensors there are."""

    architecture: str
    metadata: Mapping[str, Any]
    shapes: Mapping[str, tuple[int, ...]]
    """By tensor name."""

    def find(self, key: str) -> Any:
        """The value under `<architecture>.<key>`; None where it is absent."""
        return self.metadata.get(f"{self.architecture}.{key}")

    def one(self, key: str) -> int | None:
        """One integer for all layers; None where the key is absent. Raises InputError where layers differ."""
        value = self.find(key)
        if isinstance(value, list):
            layers = None if key == "block_count" else self.one("block_count")
            if layers is not None and len(value) != layers:
                raise InputError(
                    f"`{self.architecture}.{key}` has {len(value):,} values for {layers:,} layers: {_short(value)}"
                )
            different = {each for each in value if not isinstance(each, list | Cut)}
            if len(different) > 1:
                raise InputError(
                    f"`{self.architecture}.{key}` differs from layer to layer ({_short(value)}), which the family "
                    "of this architecture does not read"
                )
            value = different.pop() if different else None
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise InputError(f"`{self.architecture}.{key}` is {_short(value)}", hint="it must be an integer")
        return value

    def need(self, key: str) -> int:
        """As `one`, of a key without which nothing follows."""
        value = self.one(key)
        if value is None:
            raise InputError(f"`{self.architecture}.{key}` is missing")
        return value

    def per_layer(self, key: str) -> list[int]:
        """One integer for each layer."""
        value = self.find(key)
        layers = self.need("block_count")
        made = value if isinstance(value, list) else [value] * layers
        if len(made) != layers or not all(isinstance(v, int) for v in made):
            raise InputError(
                f"`{self.architecture}.{key}` is {_short(value)}", hint=f"it must have {layers} integers"
            )
        return made

    def stores(self, suffix: str) -> bool:
        """Whether any layer has a tensor of that name."""
        end = f".{suffix}"
        return any(name.startswith("blk.") and name.endswith(end) for name in self.shapes)


class Kind(msgspec.Struct, frozen=True):
    """How an architecture's metadata becomes a config."""

    model_type: str
    keys: Mapping[str, str] = {}
    """Config key -> metadata key, beside those that all have; absent ones are left out."""
    flags: Mapping[str, str] = {}
    """Config key -> the tensor whose presence makes it true."""
    fixed: Mapping[str, Any] = {}
    adapt: Callable[[Source, Config], None] | None = None


BASE = {
    "hidden_size": "embedding_length",
    "intermediate_size": "feed_forward_length",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "head_dim": "attention.key_length",
    "max_position_embeddings": "context_length",
}
_EXPERTS = {
    "num_experts": "expert_count",
    "num_experts_per_tok": "expert_used_count",
    "moe_intermediate_size": "expert_feed_forward_length",
}
_SHARED = {"shared_expert_intermediate_size": "expert_shared_feed_forward_length"}
_WINDOW = {"sliding_window": "attention.sliding_window"}
_LATENT = {
    "q_lora_rank": "attention.q_lora_rank",
    "kv_lora_rank": "attention.kv_lora_rank",
    "qk_rope_head_dim": "rope.dimension_count",
}
_DEEP_EXPERTS = {
    "n_routed_experts": "expert_count",
    "num_experts_per_tok": "expert_used_count",
    "moe_intermediate_size": "expert_feed_forward_length",
    "n_shared_experts": "expert_shared_count",
    "first_k_dense_replace": "leading_dense_block_count",
    "n_group": "expert_group_count",
}
_BIAS = {"attention_bias": "attn_q.bias"}


def _llama(source: Source, config: Config) -> None:
    if source.one("expert_count"):
        config["model_type"] = "mixtral"
        config["num_local_experts"] = source.need("expert_count")
        config["num_experts_per_tok"] = source.need("expert_used_count")
        config.pop("attention_bias")


def _deepseek(source: Source, config: Config) -> None:
    """Since 2025-04 the metadata describe the absorbed form, one head of keys as wide as latent and rotary part."""
    rope = source.need("rope.dimension_count")
    whole = source.one("attention.key_length_mla") or source.need("attention.key_length")
    config["qk_nope_head_dim"] = whole - rope
    config["v_head_dim"] = source.one("attention.value_length_mla") or source.need("attention.value_length")
    config["num_key_value_heads"] = config["num_attention_heads"]
    config.setdefault("q_lora_rank", None)
    config.pop("head_dim", None)
    if source.stores("exp_probs_b.bias"):
        config["model_type"] = "deepseek_v3"
        config["num_nextn_predict_layers"] = source.one("nextn_predict_layers") or 0


def _gpt_oss(source: Source, config: Config) -> None:
    config["intermediate_size"] = source.one("expert_feed_forward_length") or source.need(
        "feed_forward_length"
    )


def _olmoe(source: Source, config: Config) -> None:
    config["intermediate_size"] = source.one("expert_feed_forward_length") or source.need(
        "feed_forward_length"
    )
    config.pop("head_dim", None)


def _glm4moe(source: Source, config: Config) -> None:
    config["num_nextn_predict_layers"] = source.one("nextn_predict_layers") or 0


def _falcon(source: Source, config: Config) -> None:
    kv_heads = config.pop("num_key_value_heads", None) or config["num_attention_heads"]
    grouped = source.stores("attn_norm_2.weight")
    config.pop("head_dim", None)
    config["ffn_hidden_size"] = config.pop("intermediate_size")
    config["new_decoder_architecture"] = grouped
    config["multi_query"] = kv_heads == 1
    config["num_kv_heads"] = kv_heads


def _stablelm(source: Source, config: Config) -> None:
    config["use_parallel_residual"] = not source.stores("ffn_norm.weight")
    config.pop("head_dim", None)


def _qwen3next(source: Source, config: Config) -> None:
    heads, inner = source.need("ssm.time_step_rank"), source.need("ssm.inner_size")
    config["linear_num_value_heads"] = heads
    config["linear_value_head_dim"] = inner // max(heads, 1)


def _lfm2(source: Source, config: Config) -> None:
    by_layer = source.per_layer("attention.head_count_kv")
    config["num_key_value_heads"] = max(by_layer)
    config["layer_types"] = ["full_attention" if heads else "conv" for heads in by_layer]


_PER_LAYER = {"lfm2": ("attention.head_count_kv",)}
"""Keys whose values differ by layer in an architecture, and which its own function reads."""

_LINEAR = {
    "linear_conv_kernel_dim": "ssm.conv_kernel",
    "linear_key_head_dim": "ssm.state_size",
    "linear_num_key_heads": "ssm.group_count",
    "full_attention_interval": "full_attention_interval",
}

KINDS = {
    "llama": Kind("llama", flags=_BIAS, adapt=_llama),
    "mistral3": Kind("mistral"),
    "smollm3": Kind("smollm3", flags=_BIAS),
    "seed_oss": Kind("seed_oss"),
    "ernie4_5": Kind("ernie4_5"),
    "olmo2": Kind("olmo2", flags=_BIAS),
    "qwen2": Kind("qwen2"),
    "qwen2moe": Kind("qwen2_moe", {**_EXPERTS, **_SHARED}),
    "qwen3": Kind("qwen3", flags=_BIAS),
    "qwen3moe": Kind("qwen3_moe", _EXPERTS, _BIAS),
    "qwen3next": Kind("qwen3_next", {**_EXPERTS, **_SHARED, **_LINEAR}, adapt=_qwen3next),
    "gemma": Kind("gemma"),
    "gemma2": Kind("gemma2", _WINDOW),
    "gemma3": Kind("gemma3_text", _WINDOW),
    "phi3": Kind("phi3", _WINDOW),
    "deepseek2": Kind("deepseek_v2", {**_LATENT, **_DEEP_EXPERTS}, adapt=_deepseek),
    "gpt-oss": Kind(
        "gpt_oss",
        {"num_local_experts": "expert_count", "num_experts_per_tok": "expert_used_count", **_WINDOW},
        _BIAS,
        adapt=_gpt_oss,
    ),
    "glm4moe": Kind(
        "glm4_moe", _DEEP_EXPERTS, {**_BIAS, "use_qk_norm": "attn_q_norm.weight"}, adapt=_glm4moe
    ),
    "olmoe": Kind(
        "olmoe", {"num_experts": "expert_count", "num_experts_per_tok": "expert_used_count"}, adapt=_olmoe
    ),
    "command-r": Kind("cohere", flags={**_BIAS, "use_qk_norm": "attn_q_norm.weight"}),
    "falcon": Kind("falcon", flags={"bias": "attn_qkv.bias"}, adapt=_falcon),
    "starcoder2": Kind("starcoder2", flags={"use_bias": "attn_q.bias"}),
    "stablelm": Kind(
        "stablelm",
        flags={"use_qkv_bias": "attn_q.bias", "qk_layernorm": "attn_q_norm.weight"},
        adapt=_stablelm,
    ),
    "lfm2": Kind(
        "lfm2", {"conv_L_cache": "shortconv.l_cache"}, fixed={"block_auto_adjust_ff_dim": False}, adapt=_lfm2
    ),
}
"""llama.cpp's names of architectures (`general.architecture`) that have a family here."""


def config_from_gguf(header: Header) -> Config:
    """The config of a GGUF's model.

    Raises InputError where the file names no architecture that has a family, or leaves out what is needed.
    """
    name = header.metadata.get("general.architecture")
    if not isinstance(name, str):
        raise InputError("the file has no `general.architecture`", file=header.source)
    kind = KINDS.get(name)
    if kind is None:
        raise InputError(
            f"no family reads the GGUF architecture `{name}`",
            file=header.source,
            hint=suggestion(name, KINDS) or f"read: {', '.join(KINDS)}",
        )
    source = Source(name, header.metadata, {tensor.name: tensor.shape for tensor in header.tensors})
    try:
        return _translate(source, kind)
    except InputError as error:
        raise error.at(header.source) from None


def top_k_from_gguf(header: Header) -> int | None:
    """The experts a token runs, by the metadata of any architecture."""
    value = header.metadata.get(f"{header.metadata.get('general.architecture')}.expert_used_count")
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _translate(source: Source, kind: Kind) -> Config:
    skipped = _PER_LAYER.get(source.architecture, ())
    config: Config = {"model_type": kind.model_type}
    config["num_hidden_layers"] = source.need("block_count") - (source.one("nextn_predict_layers") or 0)
    for key, there in {**BASE, **kind.keys}.items():
        value = None if there in skipped else source.one(there)
        if value is not None:
            config[key] = value
    config |= {key: source.stores(tensor) for key, tensor in kind.flags.items()}
    config |= kind.fixed
    config["vocab_size"] = _vocab_size(source)
    config["tie_word_embeddings"] = "output.weight" not in source.shapes
    if kind.adapt is not None:
        kind.adapt(source, config)
    return config


def _vocab_size(source: Source) -> int:
    """Rows of the embedding, which may be padded; else the vocabulary's own length."""
    embedding = source.shapes.get("token_embd.weight")
    if embedding:
        return embedding[0]
    tokens = source.metadata.get("tokenizer.ggml.tokens")
    return len(tokens) if isinstance(tokens, list | Cut) else source.need("vocab_size")


def _short(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
