"""`quantization_config` blocks against what hubs and repositories say of the checkpoints they belong to.

Hub totals are the safetensors totals of the model's page (read 2025-2026). A total either counts every stored
element or leaves scales out; which of the two a page does is said beside each number.
"""

import pytest

from moecalc.errors import InputError
from moecalc.ir.roles import Component
from moecalc.ir.rows import Kind
from moecalc.sources.hf_config import read_config
from tests.calc import released

BLOCK_FP8 = {
    "quant_method": "fp8",
    "weight_block_size": [128, 128],
    "activation_scheme": "dynamic",
    "fmt": "e4m3",
}


def reading(config, quantization, **changed):
    return read_config({**config, **changed, "quantization_config": quantization})


def parts(read, *components):
    for weight in read.architecture.lower_to_ledger().weights:
        if not components or weight.component in components:
            yield from read.precision.parts(weight)


def parameters(read, *components):
    return sum(part.elements for part, _ in parts(read, *components) if part.kind is Kind.PARAMETER)


def scales(read, *components):
    return sum(format_.scales_of(part) for part, format_ in parts(read, *components))


def size(read, *components):
    return sum(format_.bytes_of(part) for part, format_ in parts(read, *components))


def values(read, *components):
    """Stored elements of parameters, packed words as one, without scales and other numbers beside them."""
    total = 0
    for part, format_ in parts(read, *components):
        if part.kind is Kind.PARAMETER:
            beside = sum(
                part.elements // part.elements_per_layer * matrices(part) * tensor.elements(*sides(part))
                for tensor in format_.tensors
                if tensor.name not in {"weight", "weight_packed", "qweight"}
            )
            beside = beside if format_.tensors else format_.scales_of(part)
            total += format_.elements_stored(part) - beside
    return total


def matrices(part):
    count = 1
    for side in part.shape[:-2]:
        count *= side.size
    return count


def sides(part):
    return tuple(side.size for side in part.shape[-2:])


QWEN3 = {
    "model_type": "qwen3",
    "vocab_size": 151936,
    "hidden_size": 5120,
    "intermediate_size": 25600,
    "num_hidden_layers": 64,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
QWEN3_235B = {
    **released.QWEN3_30B_A3B,
    "hidden_size": 4096,
    "num_hidden_layers": 94,
    "num_attention_heads": 64,
    "num_key_value_heads": 4,
    "moe_intermediate_size": 1536,
}
QWEN3_CODER_480B = {
    **released.QWEN3_30B_A3B,
    "hidden_size": 6144,
    "num_hidden_layers": 62,
    "num_attention_heads": 96,
    "num_key_value_heads": 8,
    "moe_intermediate_size": 2560,
    "num_experts": 160,
}
MINIMAX_M2 = {
    "model_type": "minimax_m2",
    "vocab_size": 200064,
    "hidden_size": 3072,
    "intermediate_size": 1536,
    "num_hidden_layers": 62,
    "num_attention_heads": 48,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "num_local_experts": 256,
    "num_experts_per_tok": 8,
    "use_qk_norm": True,
    "use_routing_bias": True,
    "tie_word_embeddings": False,
    "dtype": "bfloat16",
}
LLAMA_4_SCOUT = {
    "model_type": "llama4_text",
    "vocab_size": 202048,
    "hidden_size": 5120,
    "intermediate_size": 8192,
    "intermediate_size_mlp": 16384,
    "num_hidden_layers": 48,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "num_local_experts": 16,
    "num_experts_per_tok": 1,
    "interleave_moe_layer_step": 1,
    "use_qk_norm": True,
    "torch_dtype": "bfloat16",
}
DEEPSEEK_V32 = {
    **released.DEEPSEEK_V3,
    "model_type": "deepseek_v32",
    "index_head_dim": 128,
    "index_n_heads": 64,
    "index_topk": 2048,
}
HYBRID = [*["linear_attention"] * 3, "full_attention"]
QWEN36_27B = {
    "model_type": "qwen3_5_text",
    "vocab_size": 248320,
    "hidden_size": 5120,
    "intermediate_size": 17408,
    "num_hidden_layers": 64,
    "layer_types": HYBRID * 16,
    "num_attention_heads": 24,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "attn_output_gate": True,
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 128,
    "linear_value_head_dim": 128,
    "linear_num_key_heads": 16,
    "linear_num_value_heads": 48,
    "tie_word_embeddings": False,
    "dtype": "bfloat16",
}
QWEN36_35B = {
    **{key: value for key, value in QWEN36_27B.items() if key != "intermediate_size"},
    "model_type": "qwen3_5_moe_text",
    "hidden_size": 2048,
    "num_hidden_layers": 40,
    "layer_types": HYBRID * 10,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "linear_num_value_heads": 32,
    "num_experts": 256,
    "num_experts_per_tok": 8,
    "moe_intermediate_size": 512,
    "shared_expert_intermediate_size": 512,
}
QWEN35_122B = {
    **QWEN36_35B,
    "hidden_size": 3072,
    "num_hidden_layers": 48,
    "layer_types": HYBRID * 12,
    "num_attention_heads": 32,
    "linear_num_value_heads": 64,
    "moe_intermediate_size": 1024,
    "shared_expert_intermediate_size": 1024,
}
DEEPSEEK_V4_PRO = {
    "model_type": "deepseek_v4",
    "vocab_size": 129280,
    "hidden_size": 7168,
    "num_hidden_layers": 61,
    "num_attention_heads": 128,
    "num_key_value_heads": 1,
    "head_dim": 512,
    "qk_rope_head_dim": 64,
    "q_lora_rank": 1536,
    "o_groups": 16,
    "o_lora_rank": 1024,
    "compress_ratios": [128, *[128, 4] * 30, 0],
    "index_head_dim": 128,
    "index_n_heads": 64,
    "index_topk": 1024,
    "sliding_window": 128,
    "hc_mult": 4,
    "n_routed_experts": 384,
    "n_shared_experts": 1,
    "num_experts_per_tok": 6,
    "num_hash_layers": 3,
    "moe_intermediate_size": 3072,
    "num_nextn_predict_layers": 1,
    "topk_method": "noaux_tc",
    "expert_dtype": "fp4",
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
VISION_QWEN36_27B = 460_730_096
"""One unknown that two facts below agree on: the elements of an NVFP4 repository and the bytes of an MLX one."""
VISION_QWEN36_35B = 35_107_181_936 - 34_660_610_688
"""Hub totals of mlx-community/Qwen3.6-35B-A3B-4bit and, without a tower, RedHatAI/Qwen3.6-35B-A3B-NVFP4."""


def qwen3_moe_skips(layers):
    names = ("input_layernorm", "mlp.gate", "post_attention_layernorm")
    return ["lm_head", *(f"model.layers.{i}.{name}" for i in range(layers) for name in names)]


# ------------------------------------------------------------------------------------------ FP8 in blocks


@pytest.mark.parametrize(
    ("config", "quantization", "hub"),
    [
        # Qwen/Qwen3-30B-A3B-FP8: its list names norms and routers, layer by layer
        (
            released.QWEN3_30B_A3B,
            {**BLOCK_FP8, "modules_to_not_convert": qwen3_moe_skips(48)},
            30_533_947_392,
        ),
        # Qwen/Qwen3-32B-FP8
        (QWEN3, BLOCK_FP8, 32_764_027_904),
        # Qwen/Qwen3-235B-A22B-Instruct-2507-FP8
        (QWEN3_235B, {**BLOCK_FP8, "modules_to_not_convert": qwen3_moe_skips(94)}, 235_107_904_512),
        # Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8
        (QWEN3_CODER_480B, {**BLOCK_FP8, "modules_to_not_convert": qwen3_moe_skips(62)}, 480_184_064_000),
    ],
)
def test_a_hub_total_counts_weights_and_block_scales(config, quantization, hub):
    read = reading(config, quantization)
    assert read.warnings == ()
    assert parameters(read) + scales(read) == hub
    # a byte a value and four a scale for what is converted, two for the rest
    converted = sum(part.elements for part, format_ in parts(read) if format_.name == "fp8-block128")
    assert size(read) == converted + 2 * (parameters(read) - converted) + 4 * scales(read)


def test_minimax_m2_in_fp8():
    read = reading(
        MINIMAX_M2, {**BLOCK_FP8, "modules_to_not_convert": ["gate", "e_score_correction_bias", "lm_head"]}
    )
    # hub totals: MiniMaxAI/MiniMax-M2.5 less MiniMaxAI/MiniMax-M2.7, which leaves scales out
    assert scales(read) == 228_703_644_928 - 228_689_764_864


def test_the_indexer_of_deepseek_v32():
    read = reading(DEEPSEEK_V32, {**BLOCK_FP8, "scale_fmt": "ue8m0"})
    # deepseek-ai/DeepSeek-V3.2-Exp on the hub; 1,853,358,080 are the module's copies of embedding and head,
    # 15,104 the correction biases of 59 routers
    assert parameters(read) + scales(read) == 685_396_921_376 - 1_853_358_080 - 15_104
    names = {part.role.value: format_.name for part, format_ in parts(read) if part.role.group == "indexer"}
    assert (names["indexer.q"], names["indexer.weights"]) == ("fp8-block128", "bf16")


def test_deepseek_v4_pro_with_experts_in_nvfp4():
    # nvidia/DeepSeek-V4-Pro-NVFP4: config.json and hub total, every stored element but scalars
    experts = {f"layers.{i}.ffn.experts": {"group_size": 16, "quant_algo": "NVFP4"} for i in range(61)}
    read = reading(
        DEEPSEEK_V4_PRO,
        {
            **BLOCK_FP8,
            "scale_fmt": "ue8m0",
            "quant_algo": "MIXED_PRECISION",
            "moe_quant_algo": "NVFP4",
            "ignore": ["*.attn.*", "*.ffn.shared_experts.*", "head", "mtp.*"],
            "quantized_layers": experts,
        },
    )
    scalars = 2 * 61 * 384 * 3
    stored = sum(format_.elements_stored(part) for part, format_ in parts(read))
    assert stored - scalars == 909_964_405_662
    module = {format_.name for part, format_ in parts(read, Component.MTP) if part.role.group == "routed"}
    assert module == {"mxfp4"}


def test_activation_scales_of_the_static_scheme():
    read = reading(QWEN3, {"quant_method": "fp8", "activation_scheme": "static"})
    assert read.precision.label == "bf16, attention/ffn fp8-tensor-static"


def test_fbgemm():
    # meta-llama/Llama-3.1-405B-Instruct-FP8: attention and the first and last layer stay in bf16
    skips = [f"model.layers.{i}.self_attn.{name}_proj" for i in range(126) for name in "qkvo"]
    skips += [f"model.layers.{i}.mlp.{name}_proj" for i in (0, 125) for name in ("gate", "up", "down")]
    read = reading(released.LLAMA_3_1_405B, {"quant_method": "fbgemm_fp8", "modules_to_not_convert": skips})
    assert read.precision.label == "bf16, ffn.gate/ffn.up/ffn.down fp8-channel (124 layers)"
    converted = {part.indices for part, format_ in parts(read) if format_.name == "fp8-channel"}
    assert converted == {tuple(range(1, 125))}


# ---------------------------------------------------------------------------------- compressed-tensors


def compressed(weights, layout, ignore, inputs=None):
    group = {"targets": ["Linear"], "weights": weights, "input_activations": inputs}
    return {
        "quant_method": "compressed-tensors",
        "format": layout,
        "config_groups": {"group_0": group},
        "ignore": ignore,
    }


SCOUT_IGNORE = [
    "language_model.lm_head",
    *(f"language_model.model.layers.{i}.self_attn.{name}_proj" for i in range(48) for name in "qkvo"),
    *(f"language_model.model.layers.{i}.feed_forward.router" for i in range(48)),
]
TOKENS = {"num_bits": 8, "type": "float", "strategy": "token", "dynamic": True, "symmetric": True}


def test_llama_4_scout_with_a_scale_per_row():
    weights = {"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": True, "dynamic": False}
    read = reading(LLAMA_4_SCOUT, compressed(weights, "float-quantized", SCOUT_IGNORE, TOKENS))
    assert read.precision.label == "bf16, routed/shared fp8-channel-bf16"
    # hub totals: RedHatAI/Llama-4-Scout-17B-16E-Instruct-FP8-dynamic less meta-llama/Llama-4-Scout-17B-16E-Instruct
    assert scales(read) == 108_659_340_800 - 108_641_793_536


def beside_packed(read):
    """Elements that a hub page adds to the unpacked weights of a `pack-quantized` checkpoint: scales and shapes."""
    linears = sum(part.layers * matrices(part) for part, format_ in parts(read) if format_.tensors)
    return scales(read) + 2 * linears


INT4 = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128, "symmetric": True}


def test_llama_4_scout_with_packed_integers():
    read = reading(LLAMA_4_SCOUT, compressed(INT4, "pack-quantized", SCOUT_IGNORE))
    # hub totals: RedHatAI/Llama-4-Scout-17B-16E-Instruct-quantized.w4a16 less the unquantized release
    assert beside_packed(read) == 109_443_959_072 - 108_641_793_536


def test_qwen3_30b_with_packed_integers():
    ignore = ["lm_head", "re:.*mlp.gate$"]
    read = reading(released.QWEN3_30B_A3B, compressed(INT4, "pack-quantized", ignore))
    assert read.precision.label == "bf16, attention/routed w4a16-g128"
    # hub total of stelterlab/Qwen3-30B-A3B-Instruct-2507-AWQ (compressed-tensors) less the weights
    assert beside_packed(read) == 30_765_730_176 - 30_532_122_624


def test_a_router_that_is_a_linear_layer_is_converted_unless_ignored():
    old = reading(released.QWEN3_30B_A3B, compressed(INT4, "pack-quantized", ["lm_head"]))
    assert old.precision.label == "bf16, attention/router/routed w4a16-g128"
    new = reading(
        released.QWEN3_30B_A3B, compressed(INT4, "pack-quantized", ["lm_head"]), transformers_version="5.2.0"
    )
    assert new.precision.label == "bf16, attention/routed w4a16-g128"


def test_kimi_k25_ignores_by_regular_expression():
    # moonshotai/Kimi-K2.5 config.json: only the routed experts are left to convert
    config = {**released.DEEPSEEK_V3, "first_k_dense_replace": 1, "num_nextn_predict_layers": 0}
    ignore = [
        "lm_head",
        "re:.*self_attn.*",
        "re:.*shared_experts.*",
        "re:.*mlp\\.(gate|up|gate_up|down)_proj.*",
    ]
    read = reading(config, compressed({**INT4, "group_size": 32}, "pack-quantized", ignore))
    assert read.precision.label == "bf16, routed w4a16-g32"


def test_named_targets_stand_before_all_linear_layers():
    block = compressed(INT4, "pack-quantized", ["lm_head", "re:.*mlp.gate$"])
    block["config_groups"]["group_1"] = {
        "targets": ["re:.*down_proj"],
        "weights": {**INT4, "num_bits": 8, "symmetric": False},
    }
    read = reading(released.QWEN3_30B_A3B, block)
    assert dict(read.precision.roles)["routed.down"] == "w8a16-g128-asym"
    assert dict(read.precision.roles)["routed.up"] == "w4a16-g128"


# ------------------------------------------------------------------------------------- NVFP4 of modelopt


def modelopt(ignore, algorithm="NVFP4", **more):
    return {"quant_method": "modelopt", "quant_algo": algorithm, "ignore": ignore, **more}


def test_minimax_m25_in_nvfp4():
    lists = [
        f"model.layers.{i}.{name}" for i in range(62) for name in ("block_sparse_moe.gate", "self_attn*")
    ]
    read = reading(MINIMAX_M2, modelopt(["lm_head", *lists]))
    assert read.precision.label == "bf16, routed nvfp4-w4a4"
    # hub total of nvidia/MiniMax-M2.5-NVFP4: two values an element, scales left out
    assert values(read) == 116_349_510_656


def test_qwen3_in_nvfp4():
    read = reading(released.QWEN3_30B_A3B, modelopt(["lm_head", "model.layers.*.mlp.gate"]))
    # hub total of nvidia/Qwen3-30B-A3B-NVFP4: scales left out
    assert values(read) == 15_583_623_168
    large = reading(QWEN3_235B, modelopt(["lm_head", "model.layers.*.mlp.gate"]))
    # hub total of nvidia/Qwen3-235B-A22B-NVFP4: scales counted
    assert values(large) + scales(large) == 132_806_618_624


def test_qwen35_122b_keeps_attention_and_shared_experts():
    # nvidia/Qwen3.5-122B-A10B-NVFP4 config.json
    ignore = ["lm_head", "model.visual*", "mtp.layers.0*", "mtp*"]
    for i in range(48):
        mixer = "self_attn" if i % 4 == 3 else "linear_attn"
        names = (f"{mixer}*", "mlp.shared_expert*", "mlp.shared_expert_gate")
        ignore += [f"model.language_model.layers.{i}.{name}" for name in names]
    read = reading(QWEN35_122B, modelopt(ignore))
    assert read.precision.label == "bf16, routed nvfp4-w4a4"
    # hub total, scales left out, less the tower: 125,086,497,008 (Qwen/Qwen3.5-122B-A10B-GPTQ-Int4, all weights)
    # less 124,635,206,144 (language model and MTP)
    assert values(read) == 64_580_759_280 - (125_086_497_008 - 124_635_206_144)


def mixture(layers, ffn, shared=()):
    """`quantized_layers` of nvidia's Qwen3.6 repositories."""
    prefix = "model.language_model.layers"
    named = {"lm_head": "W4A16_NVFP4"}
    for i in range(layers):
        if i % 4 == 3:
            named |= {f"{prefix}.{i}.self_attn.{name}_proj": "FP8" for name in "qkvo"}
        else:
            named |= {
                f"{prefix}.{i}.linear_attn.{name}": "FP8" for name in ("in_proj_qkv", "in_proj_z", "out_proj")
            }
        named |= {f"{prefix}.{i}.mlp.{name}": "W4A16_NVFP4" for name in (*ffn, *shared)}
    return {name: {"quant_algo": algorithm} for name, algorithm in named.items()}


@pytest.mark.parametrize(
    ("config", "layers", "ffn", "packed"),
    [
        # nvidia/Qwen3.6-27B-NVFP4
        (QWEN36_27B, 64, ("gate_proj", "up_proj", "down_proj"), 18_164_649_200 - VISION_QWEN36_27B),
        # nvidia/Qwen3.6-35B-A3B-NVFP4
        (
            QWEN36_35B,
            40,
            ("experts", *(f"shared_expert.{name}_proj" for name in ("gate", "up", "down"))),
            18_683_860_336 - VISION_QWEN36_35B,
        ),
    ],
)
def test_mixed_precision_names_each_module(config, layers, ffn, packed):
    block = modelopt(["mtp*"], "MIXED_PRECISION", quantized_layers=mixture(layers, ffn))
    read = reading(config, block)
    assert read.warnings == ()
    # hub total less the tower, scales left out
    assert values(read) == packed
    kept = {part.role.value for part, format_ in parts(read) if format_.name == "bf16"}
    assert {"embedding.tokens", "recurrent.projection", "recurrent.conv"} <= kept
    assert dict(read.precision.roles)["head"] == "nvfp4-w4a16"


def test_layers_that_a_list_leaves_whole():
    # as nvidia/GLM-5.3-NVFP4: the first dense layers and all attention stay in bf16
    ignore = ["lm_head", "model.layers.0*", "model.layers.1.*", "model.layers.2.*"]
    ignore += [f"model.layers.{i}.self_attn*" for i in range(3, 61)]
    config = {**released.DEEPSEEK_V3, "num_nextn_predict_layers": 0}
    read = reading(config, modelopt(ignore))
    assert read.precision.label == "bf16, routed/shared nvfp4-w4a4"
    read = reading({**config, "first_k_dense_replace": 1}, modelopt(ignore))
    assert {(p.role, p.format, p.layers) for p in read.precision.placements if p.role == "routed.up"} == {
        ("routed.up", "nvfp4-w4a4", tuple(range(3, 61)))
    }


# ----------------------------------------------------------------------------------------- GPTQ and AWQ

LLAMA_2_70B = {
    "model_type": "llama",
    "vocab_size": 32000,
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "tie_word_embeddings": False,
    "torch_dtype": "float16",
}


def test_qwen_vl_chat_int4_to_the_byte():
    # x1ngzai/Qwen-VL-Chat-Int4@1cd721a on GitHub, total_size in its model.safetensors.index.json.
    # A Qwen 1 decoder is a Llama one with biases on q, k and v: qwen2's.
    block = {
        "quant_method": "gptq",
        "bits": 4,
        "group_size": 128,
        "damp_percent": 0.01,
        "desc_act": False,
        "sym": True,
    }
    config = {
        "model_type": "qwen2",
        "vocab_size": 151936,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
    }
    # The AutoGPTQ of 2023 stored a bias of zeros for every other matrix (c_proj, w1, w2, c_proj)
    zeros = 32 * 2 * (4096 + 2 * 11008 + 4096)
    # q, k and v are one matrix there, with one g_idx instead of three
    fused = 32 * 2 * 4 * 4096
    # its visual.py in fp16: patches and positions, 48 blocks, the resampler, three more norms
    width, inner, out = 1664, 8192, 4096
    block_size = 4 * width + 3 * width * width + 3 * width + width * width + width
    block_size += width * inner + inner + inner * width + width
    resampler = 2 * 256 * out + width * out + 4 * (out * out + out) + 4 * out
    tower = 3 * 14 * 14 * width + 256 * width + 48 * block_size + resampler + 2 * width + 2 * out + out * out
    assert size(reading(config, block)) + zeros - fused + 2 * tower == 9_731_786_240


def test_llama_2_70b_in_three_bits():
    block = {
        "quant_method": "gptq",
        "bits": 3,
        "group_size": -1,
        "damp_percent": 0.1,
        "desc_act": True,
        "sym": True,
    }
    read = reading(LLAMA_2_70B, block)
    assert read.precision.label == "fp16, attention/ffn gptq-int3"
    # itdevwu/Genz-70b-GPTQ@661d227 on GitHub: config.json, and the size of model.safetensors in its LFS pointer
    file = 26_774_982_616
    zeros = 80 * 2 * (8192 + 2 * 1024 + 8192 + 2 * 28672 + 8192)
    # A header of these 2,963 tensors, rebuilt in safetensors' order without metadata, has 335,520 bytes
    header = file - size(read) - zeros
    assert 335_520 <= header < 335_520 + 512


def test_gptq_converts_what_its_list_names():
    block = {
        "quant_method": "gptq",
        "bits": 8,
        "group_size": 128,
        "modules_in_block_to_quantize": [["self_attn.k_proj", "self_attn.v_proj"], ["self_attn.q_proj"]],
    }
    read = reading(released.QWEN3_30B_A3B, block)
    assert read.precision.label == "bf16, attention.q/attention.k/attention.v gptq-int8-g128"
    plain = reading(released.QWEN3_30B_A3B, {"quant_method": "gptq", "bits": 4, "group_size": 128})
    assert plain.precision.label == "bf16, attention/routed gptq-int4-g128"


def test_awq_leaves_mixtrals_router():
    # AutoAWQ's models/mixtral.py: modules_to_not_convert = ["gate"], anywhere in a name; experts are w1, w2, w3
    block = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"}
    read = reading(released.MIXTRAL_8X7B, {**block, "modules_to_not_convert": ["gate"]})
    assert read.precision.label == "bf16, attention/routed awq-int4-g128"
    assert (
        reading(released.MIXTRAL_8X7B, block).precision.label == "bf16, attention/router/routed awq-int4-g128"
    )


# ------------------------------------------------------------------------- bitsandbytes, MXFP4 and MLX


def test_bitsandbytes_converts_linear_layers_but_the_head():
    block = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
    assert reading(LLAMA_2_70B, block).precision.label == "fp16, attention/ffn nf4"
    double = reading(LLAMA_2_70B, {**block, "bnb_4bit_use_double_quant": True})
    assert double.precision.label == "fp16, attention/ffn nf4-dq"
    eight = reading(LLAMA_2_70B, {"load_in_8bit": True, "llm_int8_skip_modules": ["down_proj", "lm_head"]})
    assert eight.precision.label == "fp16, attention/ffn.gate/ffn.up llm-int8"


def test_bitsandbytes_does_not_reach_stacked_experts():
    block = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
    old = reading(released.MIXTRAL_8X7B, block, transformers_version="4.40.0")
    assert old.precision.label == "bf16, attention/router/routed nf4"
    assert old.warnings == ()
    new = reading(released.MIXTRAL_8X7B, block, transformers_version="5.1.0")
    assert new.precision.label == "bf16, attention nf4"
    assert "stacked" in new.warnings[0]


def test_mxfp4_is_for_experts():
    read = read_config(released.GPT_OSS_20B)
    assert read.precision.label == "bf16, routed mxfp4"


def mlx(layers, *eight, prefix="language_model.model.layers"):
    own = {f"{prefix}.{i}.mlp.{name}": {"group_size": 64, "bits": 8} for i in range(layers) for name in eight}
    return {"group_size": 64, "bits": 4, **own}


@pytest.mark.parametrize(
    ("config", "block", "tower", "total"),
    [
        # exo's resources/inference_model_cards (exo-explore/exo@b5375f8): mlx-community/Qwen3.6-27B-4bit
        (QWEN36_27B, mlx(0), VISION_QWEN36_27B, 16_054_262_240),
        # mlx-community/Qwen3.6-35B-A3B-4bit, whose routers and shared expert gates have 8 bits
        (QWEN36_35B, mlx(40, "gate", "shared_expert_gate"), VISION_QWEN36_35B, 20_401_929_952),
    ],
)
def test_mlx_to_the_byte(config, block, tower, total):
    read = reading(config, block)
    assert dict(read.precision.roles)["embedding.tokens"] == "mlx-int4-g64"
    assert size(read) + 2 * tower == total


# ------------------------------------------------------------------------------- what is not modelled


@pytest.mark.parametrize(
    ("block", "named"),
    [
        ({"quant_method": "bitnet"}, "bitnet"),
        ({"quant_method": "aqlm"}, "aqlm"),
        ({"quant_method": "exl3"}, "exl3"),
        ({"linear_class": "x"}, "None"),
        ({"quant_method": "awq", "version": "gemv"}, "gemv"),
        ({"quant_method": "awq", "bits": 3}, "3 bits"),
        ({"quant_method": "gptq", "bits": 5}, "5 bits"),
        ({"quant_method": "gptq", "bits": 4, "dynamic": {"-:.*": {}}}, "dynamic"),
        ({"quant_method": "bitsandbytes"}, "load_in_4bit"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "int4"}, "int4"),
        ({"quant_method": "modelopt", "quant_algo": "W4A8_AWQ"}, "W4A8_AWQ"),
        ({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}, "quantized_layers"),
        (modelopt([], "MIXED_PRECISION", quantized_layers={"a": {"quant_algo": "W4A8_AWQ"}}), "W4A8_AWQ"),
        ({"quant_method": "compressed-tensors"}, "config_groups"),
        (compressed({"num_bits": 3, "type": "float", "strategy": "group"}, "x-quantized", []), "x-quantized"),
        (compressed(INT4, "marlin-24", []), "marlin-24"),
        ({"group_size": 64, "bits": 1}, "1 bits"),
        ({"group_size": 64, "bits": 4, "model.norm": {"bits": 1}}, "model.norm"),
    ],
)
def test_a_method_that_is_not_modelled_is_named(block, named):
    read = reading(QWEN3, block)
    assert read.precision.label == "bf16"
    (warning,) = read.warnings
    assert named in warning
    assert "not modelled" in warning


@pytest.mark.parametrize(
    "block",
    [
        {"quant_method": "compressed-tensors", "config_groups": {"group_0": [1]}},
        {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": 8}}},
    ],
)
def test_an_impossible_block_is_not_followed(block):
    read = reading(QWEN3, block)
    assert read.precision.label == "bf16"
    assert len(read.warnings) == 1


AWQ, GPTQ = {"quant_method": "awq", "bits": 4}, {"quant_method": "gptq", "bits": 4}
FLOAT8 = {"num_bits": 8, "type": "float", "strategy": "block"}


@pytest.mark.parametrize(
    ("block", "key", "value", "allowed"),
    [
        ({**AWQ, "group_size": 0}, "group_size", "0", "an integer of at least 1, or -1 for a whole row"),
        ({**AWQ, "group_size": -7}, "group_size", "-7", "an integer of at least 1, or -1 for a whole row"),
        ({**AWQ, "group_size": "128"}, "group_size", "'128'", "an integer"),
        ({**AWQ, "group_size": True}, "group_size", "True", "an integer"),
        ({**AWQ, "q_group_size": 1.5}, "q_group_size", "1.5", "an integer"),
        ({**AWQ, "bits": [4]}, "bits", "[4]", "an integer"),
        ({**AWQ, "modules_to_not_convert": "gate"}, "modules_to_not_convert", "'gate'", "a list"),
        ({**AWQ, "modules_to_not_convert": [7]}, "modules_to_not_convert", "[7]", "a list"),
        ({**GPTQ, "bits": "4"}, "bits", "'4'", "an integer"),
        ({**GPTQ, "bits": None}, "bits", "None", "an integer"),
        ({**GPTQ, "bits": {"a": 4}}, "bits", "{'a': 4}", "an integer"),
        ({**GPTQ, "group_size": 0}, "group_size", "0", "an integer of at least 1"),
        ({**GPTQ, "modules_in_block_to_quantize": "q"}, "modules_in_block_to_quantize", "'q'", "a list"),
        ({**BLOCK_FP8, "weight_block_size": [128]}, "weight_block_size", "[128]", "two integers"),
        ({**BLOCK_FP8, "weight_block_size": [0, 128]}, "weight_block_size", "[0, 128]", "two integers"),
        ({**BLOCK_FP8, "modules_to_not_convert": {}}, "modules_to_not_convert", "{}", "a list"),
        ({"load_in_4bit": True, "llm_int8_skip_modules": "x"}, "llm_int8_skip_modules", "'x'", "a list"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": "yes"}, "load_in_4bit", "'yes'", "true or false"),
        ({"quant_method": 5}, "quant_method", "5", "a word"),
        (modelopt("lm_head"), "ignore", "'lm_head'", "a list"),
        (modelopt([], "MIXED_PRECISION", quantized_layers=[1]), "quantized_layers", "[1]", "a mapping"),
        ({"group_size": 0, "bits": 4}, "group_size", "0", "an integer of at least 1"),
        ({"group_size": 64, "bits": "4"}, "bits", "'4'", "an integer"),
        (compressed({**INT4, "group_size": -1}, "pack-quantized", []), "group_size", "-1", "at least 1"),
        (compressed({**INT4, "group_size": None}, "pack-quantized", []), "group_size", "None", "at least 1"),
        (compressed({**INT4, "num_bits": "4"}, "pack-quantized", []), "num_bits", "'4'", "an integer"),
        (compressed(INT4, "pack-quantized", "lm_head"), "ignore", "'lm_head'", "a list"),
        (compressed(INT4, "pack-quantized", ["re:("]), "ignore", "'re:('", "regular expression"),
        (
            compressed({**FLOAT8, "block_structure": []}, "float-quantized", []),
            "block_structure",
            "[]",
            "two integers",
        ),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(block, key, value, allowed):
    with pytest.raises(InputError) as caught:
        reading(QWEN3, block)
    assert f"{key}`" in caught.value.message
    assert value in caught.value.message
    assert allowed in caught.value.message + caught.value.hint


def test_a_null_is_a_key_that_is_absent():
    assert reading(QWEN3, {**AWQ, "group_size": None, "modules_to_not_convert": None}).precision.label == (
        "bf16, attention/ffn awq-int4-g128"
    )


def test_a_broken_expression_names_nothing():
    """transformers' lists are no expressions by their word: what cannot be one still names a module's end."""
    read = reading(QWEN3, {**BLOCK_FP8, "modules_to_not_convert": ["(", "*"]})
    assert read.precision.label == "bf16, attention/ffn fp8-block128"


@pytest.mark.parametrize("expression", ["(a+)+$", "((a+))+x", "(.*)*", "(a*b?){3}"])
def test_an_expression_that_could_take_for_ever_is_refused(expression):
    weights = {"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": True, "dynamic": False}
    with pytest.raises(InputError, match="take for ever"):
        reading(QWEN3, compressed(weights, "float-quantized", [f"re:{expression}"], TOKENS))


def test_no_block_is_no_warning():
    for block in ({}, None):
        assert reading(QWEN3, block).warnings == ()


def test_lists_that_name_some_experts_are_warned_of():
    some = {f"model.layers.0.mlp.experts.{i}.up_proj": {"quant_algo": "FP8"} for i in range(5)}
    read = reading(released.QWEN3_30B_A3B, modelopt([], "MIXED_PRECISION", quantized_layers=some))
    assert "5 experts" in read.warnings[0]
    every = {f"model.layers.0.mlp.experts.{i}.up_proj": {"quant_algo": "FP8"} for i in range(128)}
    read = reading(released.QWEN3_30B_A3B, modelopt([], "MIXED_PRECISION", quantized_layers=every))
    assert read.warnings == ()
    assert read.precision.label == "bf16, routed.up fp8-tensor-static (1 layer)"
