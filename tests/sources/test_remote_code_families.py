"""Model types that exist only as code beside their weights: held against totals their publishers state.

transformers knows none of these types, so nothing here can be asked of it. Each total is the parameter count of
the repository's safetensors metadata on the Hugging Face Hub (buffers are stored, and thus counted, there), or a
figure the publisher rounds.
"""

from typing import Any

import pytest

from moecalc.errors import InputError
from moecalc.ir.rows import Kind, Ledger
from moecalc.sources.hf_config import read_config

DEEPSEEK_MOE_16B = {
    "model_type": "deepseek",
    "vocab_size": 102400,
    "hidden_size": 2048,
    "intermediate_size": 10944,
    "moe_intermediate_size": 1408,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "n_routed_experts": 64,
    "n_shared_experts": 2,
    "num_experts_per_tok": 6,
    "first_k_dense_replace": 1,
    "moe_layer_freq": 1,
    "scoring_func": "softmax",
    "norm_topk_prob": False,
}
ARCTIC = {
    "model_type": "arctic",
    "vocab_size": 32000,
    "hidden_size": 7168,
    "intermediate_size": 4864,
    "num_hidden_layers": 35,
    "num_attention_heads": 56,
    "num_key_value_heads": 8,
    "num_local_experts": 128,
    "num_experts_per_tok": 2,
    "moe_layer_frequency": 1,
    "parallel_attn_mlp_res": True,
    "sliding_window": None,
    "tie_word_embeddings": False,
}
LING_LITE = {
    "model_type": "bailing_moe",
    "vocab_size": 126464,
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "moe_intermediate_size": 1408,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "num_experts": 64,
    "num_shared_experts": 2,
    "num_experts_per_tok": 6,
    "first_k_dense_replace": 0,
    "norm_head": True,
    "use_bias": False,
    "use_qkv_bias": False,
    "tie_word_embeddings": False,
}
LING_2 = {
    "model_type": "bailing_moe",
    "vocab_size": 157184,
    "head_dim": 128,
    "num_experts": 256,
    "num_shared_experts": 1,
    "num_experts_per_tok": 8,
    "n_group": 8,
    "topk_group": 4,
    "use_qk_norm": True,
    "moe_router_enable_expert_bias": True,
    "use_bias": False,
    "use_qkv_bias": False,
    "tie_word_embeddings": False,
}
LING_MINI_2 = LING_2 | {
    "hidden_size": 2048,
    "intermediate_size": 5120,
    "moe_intermediate_size": 512,
    "num_hidden_layers": 20,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "first_k_dense_replace": 1,
}
LING_FLASH_2 = LING_2 | {
    "hidden_size": 4096,
    "intermediate_size": 9216,
    "moe_intermediate_size": 1024,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "first_k_dense_replace": 1,
}
LING_1T = LING_2 | {
    "hidden_size": 8192,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "first_k_dense_replace": 4,
}
KIMI_K2 = {
    "model_type": "kimi_k2",
    "vocab_size": 163840,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "num_hidden_layers": 61,
    "num_attention_heads": 64,
    "num_key_value_heads": 64,
    "n_routed_experts": 384,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "moe_layer_freq": 1,
    "num_nextn_predict_layers": 0,
    "kv_lora_rank": 512,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "tie_word_embeddings": False,
}
GROK_1 = {
    "model_type": "grok-1",
    "vocab_size": 131072,
    "hidden_size": 6144,
    "intermediate_size": 32768,
    "num_hidden_layers": 64,
    "num_attention_heads": 48,
    "num_key_value_heads": 8,
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "attn_output_multiplier": 0.08838834764831845,
    "max_attn_value": 30.0,
    "tie_word_embeddings": True,
}
HUNYUAN_LARGE = {
    "model_type": "hunyuan",
    "vocab_size": 128512,
    "hidden_size": 6400,
    "intermediate_size": 18304,
    "num_hidden_layers": 64,
    "num_attention_heads": 80,
    "num_key_value_heads": 8,
    "num_experts": 16,
    "moe_topk": 1,
    "num_shared_expert": 1,
    "use_mixed_mlp_moe": True,
    "use_cla": True,
    "cla_share_factor": 2,
    "use_qk_norm": True,
    "attention_bias": False,
    "tie_word_embeddings": True,
}

QWEN_1_8B = {
    "model_type": "qwen",
    "vocab_size": 151936,
    "hidden_size": 2048,
    "intermediate_size": 11008,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "kv_channels": 128,
    "no_bias": True,
    "tie_word_embeddings": False,
}

# Hub metadata of Qwen/Qwen-1_8B, deepseek-ai/deepseek-moe-16b-chat, Snowflake/snowflake-arctic-instruct,
# inclusionAI/Ling-lite, inclusionAI/Ling-mini-2.0, inclusionAI/Ling-flash-2.0 and inclusionAI/Ling-1T.
HUB_TOTALS = [
    pytest.param(QWEN_1_8B, 1_836_828_672, id="qwen-1.8b"),
    pytest.param(DEEPSEEK_MOE_16B, 16_375_728_128, id="deepseek-moe-16b"),
    pytest.param(ARCTIC, 478_584_608_768, id="arctic"),
    pytest.param(LING_LITE, 16_801_974_272, id="ling-lite"),
    pytest.param(LING_MINI_2, 16_255_643_392, id="ling-mini-2.0"),
    pytest.param(LING_FLASH_2, 102_889_705_216, id="ling-flash-2.0"),
    pytest.param(LING_1T, 999_705_328_640, id="ling-1t"),
]


def ledger_of(config: dict[str, Any]) -> Ledger:
    reading = read_config(config)
    assert reading.unread == ()
    return reading.architecture.lower_to_ledger()


def stored(ledger: Ledger, *kinds: Kind) -> int:
    return sum(w.elements for w in ledger.weights if w.kind in (kinds or tuple(Kind)))


@pytest.mark.parametrize(("config", "total"), HUB_TOTALS)
def test_stored_elements_equal_the_hub_total(config: dict[str, Any], total: int) -> None:
    assert stored(ledger_of(config)) == total


def test_kimi_k2() -> None:
    ledger = ledger_of(KIMI_K2)
    assert stored(ledger, Kind.PARAMETER) == 1_026_408_209_408
    # moonshotai/Kimi-K2-Instruct is an FP8 repository; its metadata has 3,416 elements more than the model.
    assert 1_026_408_235_864 - stored(ledger) == 3_416


def test_kimi_k2_is_deepseek_v3_in_all_but_size() -> None:
    as_v3 = read_config(KIMI_K2 | {"model_type": "deepseek_v3"})
    assert read_config(KIMI_K2).architecture == as_v3.architecture


def test_grok_1() -> None:
    # xai-org/grok-1 README: "Parameters: 314B". Without the embedding it is 314.88 B, and 315.68 B with it.
    total = stored(ledger_of(GROK_1))
    assert total == 315_684_820_992
    assert (total - 131072 * 6144) // 10**9 == 314


def test_hunyuan_large() -> None:
    # Tencent/Tencent-Hunyuan-Large README: "389 billion parameters".
    ledger = ledger_of(HUNYUAN_LARGE)
    assert stored(ledger) == 388_698_128_640
    assert round(stored(ledger) / 10**9) == 389


def test_hunyuan_large_keeps_keys_and_values_of_every_other_layer() -> None:
    kv_heads_times_head_dim, layers_with_state = 8 * 80, 32
    assert sum(s.elements(1) for s in ledger_of(HUNYUAN_LARGE).states) == (
        2 * kv_heads_times_head_dim * layers_with_state
    )


def test_arctic_without_the_residual_feed_forward_is_smaller_by_it() -> None:
    plain = stored(ledger_of(ARCTIC | {"parallel_attn_mlp_res": False}))
    residual = 35 * (3 * 7168 * 7168 + 7168)
    assert stored(ledger_of(ARCTIC)) - plain == residual


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(QWEN_1_8B | {"intermediate_size": 11007}, id="an-odd-number-of-both-halves"),
        pytest.param(DEEPSEEK_MOE_16B | {"moe_layer_freq": 2}, id="experts-in-every-other-layer"),
        pytest.param(HUNYUAN_LARGE | {"num_experts": 1}, id="dense-hunyuan"),
        pytest.param({k: v for k, v in LING_LITE.items() if k != "use_bias"}, id="ling-without-use-bias"),
        pytest.param({k: v for k, v in DEEPSEEK_MOE_16B.items() if k != "n_routed_experts"}, id="no-experts"),
    ],
)
def test_what_cannot_be_known_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        read_config(config)
