"""How llama.cpp stores a model type, where that is not as it stores most."""

from moecalc.calc.gguf_mixture import Dialect

FUSED_QKV = frozenset(
    {"bloom", "dbrx", "falcon", "gpt2", "gpt_bigcode", "gpt_neox", "jais2", "mpt", "phi3", "bailing_moe_v2"}
)
"""Types whose query, key and value matrices are one in the release and stay one (`attn_qkv`) in the conversion."""

SEVENTY = frozenset({"llama", "mistral", "mixtral", "qwen2"})
"""Types whose 80 layers make them a 70B to llama.cpp (src/models/llama.cpp and qwen2.cpp, `LLM_TYPE_70B`)."""

KEPT_PREDICTION = frozenset({"glm4_moe"})
"""Types whose prediction modules the conversion keeps (conversion/glm.py, `Glm4MoeModel`); DeepSeek-V3's it drops."""

CATALOGUE = {
    "bloom": "bloom",
    "codellama": "llama",
    "dbrx": "dbrx",
    "falcon-180b": "falcon",
    "falcon-40b": "falcon",
    "falcon-7b": "falcon",
    "glm-4.5": "glm4_moe",
    "glm-4.6": "glm4_moe",
    "gpt-neox": "gpt_neox",
    "gpt2": "gpt2",
    "ling-mini-2": "bailing_moe_v2",
    "llama-": "llama",
    "mpt": "mpt",
    "phi-3-": "phi3",
    "phi-3.5-mini": "phi3",
    "phi-4": "phi3",
    "qwen2-": "qwen2",
    "qwen2.5-": "qwen2",
}
"""Beginnings of catalogue names whose type matters here: a catalogue file describes blocks and names no type."""


def dialect_of(name: str, model_type: str | None) -> Dialect:
    """The dialect of a model by its config's type, else by its name in the catalogue."""
    type_ = model_type or next((CATALOGUE[start] for start in CATALOGUE if name.startswith(start)), "")
    return Dialect(
        fused_qkv=type_ in FUSED_QKV,
        falcon=type_ == "falcon",
        has_seventy=type_ in SEVENTY,
        prediction=type_ in KEPT_PREDICTION,
    )
