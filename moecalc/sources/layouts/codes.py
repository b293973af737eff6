"""The names that a model type's own code gives the norms of its layers.

Read from the modules of transformers 5.23 (tests/sources/test_codes.py reads them again): two codes may give the same
norms different names, and a checkpoint of one type never has the other's. A type that is not here is held against
whatever set of names its layers seem to have (vocabularies.py): so are A.X-K1, Kolibri 1 and OLMo Hybrid, whose norms
transformers gives other names when it saves them.
"""

from moecalc.sources.layouts.vocabularies import KNOWN_NORMS

_TYPES = {
    ("input_layernorm", "post_attention_layernorm"): """
        arcee aria_text bailing_hybrid bitnet bloom cwm deepseek_v2 deepseek_v3 deepseek_v32
        deepseek_v4 diffllama doge dots1 dots3_note dots3_note_text emu3 ernie4_5 ernie4_5_moe exaone_moe
        flint gemma glm glm4_moe glm4_moe_lite glm_moe_dsa gpt_neox gpt_neox_japanese gpt_oss granite
        granite_swa granitemoe granitemoe_swa granitemoehybrid granitemoeshared helium hunyuan_v1_dense
        hunyuan_v1_moe hy_v3 hy_v4 inkling2_text inkling_text internlm3 iquestcoder jais2 jetmoe kimi_linear
        laguna llama llama4_text mellum mimo_v2_flash minicpm3 minimax minimax_m2 minimax_m3_vl_text
        ministral ministral3 mistral mixtral mllama nemotron olmoe persimmon phi3 phi4_multimodal phimoe
        qwen2 qwen2_moe qwen3 qwen3_5_moe_text qwen3_5_text qwen3_moe qwen3_next seed_oss smollm3 solar_open
        stablelm starcoder2 youtu zaya
    """,
    ("input_layernorm",): """
        cohere cohere2 cohere2_moe cohere_compass_text phi zamba zamba2
    """,
    (
        "input_layernorm",
        "post_attention_layernorm",
        "post_feedforward_layernorm",
        "pre_feedforward_layernorm",
    ): """
        beam gemma2 gemma3_text gemma3n_text gemma4_text gemma4_unified_text
    """,
    ("ln_1", "ln_2"): "gpt2 gpt_bigcode gpt_neo gpt_sw3 openai_gpt",
    ("post_attention_layernorm", "post_feedforward_layernorm"): "exaone4 flex_olmo olmo2 olmo3",
    ("final_layer_norm", "self_attn_layer_norm"): "biogpt opt xglm",
    ("input_layernorm", "pre_ff_layernorm"): "bamba falcon_h1 jamba",
    ("ffn_norm", "operator_norm"): "lfm2 lfm2_moe",
    (
        "input_layernorm",
        "post_attention_layernorm",
        "post_mlp_layernorm",
        "post_self_attn_layernorm",
    ): "glm4",
    ("ln_1",): "codegen gptj",
    ("attention_layernorm", "feedforward_layernorm"): "apertus",
    ("channel_pre_norm", "temporal_pre_norm"): "recurrent_gemma",
    ("ffn_norm", "operator_norm", "post_ffn_norm", "post_operator_norm"): "lfm3",
    ("input_layernorm", "ln_attn", "ln_mlp", "post_attention_layernorm"): "falcon",
    ("input_layernorm", "post_attention_layernorm", "post_mlp_layernorm", "pre_mlp_layernorm"): "afmoe",
    ("input_layernorm", "post_attention_layernorm", "post_norm1", "post_norm2"): "hyperclovax",
    ("input_layernorm", "pre_feedforward_layernorm"): "vaultgemma",
    ("post_attention_layernorm",): "axk2",
}
"""Names, and the types whose layers have them: each layer all of them or some."""

NORMS_BY_TYPE = {name: frozenset(norms) for norms, types in _TYPES.items() for name in types.split()}


def norms_of_type(model_type: str | None) -> frozenset[str]:
    """The norms that a type's layers may have, of those that vocabularies know; all where the type is not told."""
    return NORMS_BY_TYPE.get((model_type or "").lower().replace("-", "_"), KNOWN_NORMS)
