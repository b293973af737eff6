"""Parameters of searched designs against transformers' own modules, built from a config with the same sizes."""

from typing import Any

import pytest

from moecalc.api.design import design
from tests.calc.released import MIXTRAL_8X7B, QWEN3_30B_A3B
from tests.oracle.experts import reference_parameters

DEEPSEEK_V3 = {
    "model_type": "deepseek_v3",
    "vocab_size": 129280,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "num_hidden_layers": 61,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "n_shared_experts": 1,
    "n_routed_experts": 256,
    "num_experts_per_tok": 8,
    "n_group": 8,
    "topk_group": 4,
    "first_k_dense_replace": 3,
    "kv_lora_rank": 512,
    "q_lora_rank": 1536,
    "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128,
    "v_head_dim": 128,
    "tie_word_embeddings": False,
    "attention_bias": False,
}

KEYS: dict[str, dict[str, str]] = {
    "qwen3-30b-a3b": {
        "hidden": "hidden_size",
        "layers": "num_hidden_layers",
        "heads": "num_attention_heads",
        "kv_heads": "num_key_value_heads",
        "head_dim": "head_dim",
        "experts": "num_experts",
        "top_k": "num_experts_per_tok",
        "expert_width": "moe_intermediate_size",
    },
    "mixtral-8x7b": {
        "hidden": "hidden_size",
        "layers": "num_hidden_layers",
        "heads": "num_attention_heads",
        "kv_heads": "num_key_value_heads",
        "head_dim": "head_dim",
        "experts": "num_local_experts",
        "top_k": "num_experts_per_tok",
        "expert_width": "intermediate_size",
    },
    "deepseek-v3": {
        "hidden": "hidden_size",
        "layers": "num_hidden_layers",
        "heads": "num_attention_heads",
        "experts": "n_routed_experts",
        "top_k": "num_experts_per_tok",
        "expert_width": "moe_intermediate_size",
        "shared": "n_shared_experts",
        "dense_width": "intermediate_size",
    },
}
CONFIGS: dict[str, dict[str, Any]] = {
    "qwen3-30b-a3b": QWEN3_30B_A3B,
    "mixtral-8x7b": {**MIXTRAL_8X7B, "head_dim": 128},
    "deepseek-v3": DEEPSEEK_V3,
}
AXES: dict[str, dict[str, str]] = {
    "qwen3-30b-a3b": {
        "hidden": "512,640",
        "layers": "2,5",
        "heads": "8,12",
        "kv_heads": "2,4",
        "head_dim": "40",
        "experts": "9,16",
        "top_k": "3",
        "expert_width": "128,384",
    },
    "mixtral-8x7b": {
        "hidden": "512,640",
        "layers": "2,5",
        "heads": "8,12",
        "kv_heads": "2",
        "head_dim": "64,96",
        "experts": "4,9",
        "top_k": "2,3",
        "expert_width": "256,384",
    },
    "deepseek-v3": {
        "hidden": "512,640",
        "layers": "4,6",
        "heads": "4,7",
        "experts": "16,24",
        "top_k": "3",
        "expert_width": "128,384",
        "shared": "1,2",
        "dense_width": "256,512",
    },
}


@pytest.mark.oracle
@pytest.mark.parametrize("like", CONFIGS)
def test_designs_have_the_parameters_that_transformers_gives_them(like):
    found = design(like, AXES[like], pareto="active:max,total:min")
    assert len(found.rows) > 3
    for row, sizes in list(zip(found.rows, found.sizes, strict=True))[:: len(found.rows) // 3]:
        config = {**CONFIGS[like], **{KEYS[like][name]: size for name, size in sizes.items()}}
        assert (row.total, row.active) == reference_parameters(config)
