"""As `test_against_transformers.py`, of models whose layers hand things on to each other, or have several streams."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import torch

from moecalc.profile.builder import Numerics, build
from moecalc.sources.hf_config import read_config
from tests.oracle.families import (
    deepseek_v4,
    gemma3n_text,
    gemma4_text,
    hy_v4,
    jetmoe,
    longcat_flash,
    minimax_m3_vl_text,
    qwen4_exp_text,
    rwkv,
    xlstm,
)
from tests.profile.builder.against_transformers import (
    SANDWICH,
    check_logits,
    copy_weights,
    numbers_of,
    random_model,
)

Tensors = dict[str, torch.Tensor]

PER_LAYER = {
    "embedding.per_layer": ["model.embed_tokens_per_layer.weight"],
    "embedding.projection": ["model.per_layer_model_projection.weight"],
    "embedding norm.layer": ["model.per_layer_projection_norm.weight"],
    "ffn.other": ["per_layer_input_gate.weight", "per_layer_projection.weight"],
}
LAYERS = "model.layers."


def gemma_tables(source: Tensors, config: Any) -> None:
    """Tables multiplied by the numbers that the forward pass multiplies their rows by."""
    source["model.embed_tokens.weight"] = source["model.embed_tokens.weight"] * config.hidden_size**0.5
    if config.hidden_size_per_layer_input:
        scale = config.hidden_size_per_layer_input**0.5
        source["model.embed_tokens_per_layer.weight"] *= scale


def gemma3n_copies(source: Tensors, config: Any) -> None:
    """The matrices to the copies, and back from them, end to end."""
    gemma_tables(source, config)
    others = range(config.altup_num_inputs - 1)
    for name in ("altup_projections", "altup_unembed_projections"):
        source[name] = torch.cat([source[f"model.{name}.{number}.weight"] for number in others])


def gemma4_experts(source: Tensors, config: Any) -> None:
    """Experts under the names of the others."""
    gemma_tables(source, config)
    for name in list(source):
        if ".experts." in name:
            source[name.replace(".experts.", ".mlp.experts.")] = source[name]


def longcat_pairs(source: Tensors, config: Any) -> None:
    """A layer of each half of a pair, with the factors on its latents folded into the weights beside them."""
    factors = {
        "q_b_proj.weight": (config.hidden_size / config.q_lora_rank) ** 0.5,
        "kv_a_layernorm.weight": (config.hidden_size / config.kv_lora_rank) ** 0.5,
    }
    for name, tensor in list(source.items()):
        if not name.startswith(LAYERS):
            continue
        index, part, rest = name.removeprefix(LAYERS).split(".", 2)
        half, _, last = rest.partition(".")
        if part == "mlp":
            # Null experts have rows of `gate_up_proj` that nothing reads.
            used = tensor[: config.n_routed_experts] if rest == "experts.gate_up_proj" else tensor
            source[f"{LAYERS}{2 * int(index)}.{part}.{rest}"] = used
        else:
            one = f"{LAYERS}{2 * int(index) + int(half)}.{part.replace('mlps', 'mlp')}.{last}"
            source[one] = tensor * factors.get(last, 1.0)


def as_stored(_source: Tensors, _config: Any) -> None:
    """Nothing to do: every tensor has its place."""


def compressors(name: str) -> list[str]:
    """A tensor of the compressor of attention, and that of its indexer's."""
    return [f"self_attn.compressor.{name}", f"self_attn.compressor.indexer.{name}"]


def jetmoe_halves(source: Tensors, _config: Any) -> None:
    """Keys and values, gate and up apart."""
    for name, tensor in list(source.items()):
        layer = name[: name.find(".", len(LAYERS)) + 1]
        if name.endswith("kv_proj.weight"):
            source[f"{layer}k"], source[f"{layer}v"] = tensor.chunk(2)
        elif name.endswith("mlp.input_linear.weight"):
            source[f"{layer}gate"], source[f"{layer}up"] = tensor.chunk(2, 1)


def minimax_halves(source: Tensors, _config: Any) -> None:
    """Scales of norms with the 1 that the forward pass adds to them; gate and up apart."""
    for name, tensor in list(source.items()):
        if "norm" in name:
            source[name] = tensor + 1
        elif name.endswith("gate_up_proj.weight"):
            for part, half in zip(("gate_proj", "up_proj"), tensor.chunk(2), strict=True):
                source[name.replace("gate_up_proj", part)] = half


MIXES = ("input_mix_weight_down", "input_mix_weight_up", "block_inject_weight")


def qwen4_parts(source: Tensors, config: Any) -> None:
    """Scales of norms with the 1 that is added to them; queries apart from gates and from index keys."""
    for name, tensor in list(source.items()):
        layer = name[: name.find(".", len(LAYERS)) + 1]
        if "norm" in name:
            source[name] = tensor + 1
        elif name.endswith("self_attn.q_proj.weight"):
            halves = tensor.unflatten(0, (config.num_attention_heads, 2, -1))
            source[f"{layer}q"], source[f"{layer}gate"] = (
                halves[:, 0].flatten(0, 1),
                halves[:, 1].flatten(0, 1),
            )
        elif name.endswith("index_qk_proj.weight"):
            queries = config.indexer_n_heads * config.indexer_head_dim
            source[f"{layer}index_q"], source[f"{layer}index_k"] = tensor[:queries], tensor[queries:]


def xlstm_ends(source: Tensors, config: Any) -> None:
    """Queries, keys and values end to end, and both gates."""
    for index in range(config.num_hidden_layers):
        layer = f"backbone.blocks.{index}."
        parts = {
            name: f"{layer}mlstm_layer.{name}" for name in ("q", "k", "v", "igate_preact", "fgate_preact")
        }
        source[f"{layer}in"] = torch.cat([source[f"{parts[name]}.weight"] for name in "qkv"])
        for kind in ("weight", "bias"):
            both = [source[f"{parts[gate]}.{kind}"] for gate in ("igate_preact", "fgate_preact")]
            source[f"{layer}gates.{kind}"] = torch.cat(both)


def rwkv_mixes(source: Tensors, _config: Any) -> None:
    """Mixes without their axes of size 1."""
    for name, tensor in list(source.items()):
        if "time_mix" in name:
            source[name] = tensor.flatten()


OWN: dict[str, tuple[Callable[[Tensors, Any], None], dict[str, list[str]]]] = {
    "gemma3n_text": (
        gemma3n_copies,
        PER_LAYER
        | {
            "norm.layer": [
                *SANDWICH,
                "laurel.post_laurel_norm.weight",
                "post_per_layer_input_norm.weight",
                "altup.router_norm.weight",
            ],
            "residual.mix": [
                "laurel.linear_left.weight",
                "laurel.linear_right.weight",
                "altup.modality_router.weight",
                "altup.prediction_coefs.weight",
                "altup.correction_coefs.weight",
            ],
            "residual.scale": ["altup.correct_output_scale"],
            "streams residual.mix": ["altup_projections", "altup_unembed_projections"],
        },
    ),
    "gemma4_text": (
        gemma4_experts,
        PER_LAYER
        | {
            "norm.layer": [*SANDWICH, "post_per_layer_input_norm.weight"],
            "residual.scale": ["layer_scalar"],
        },
    ),
    "deepseek_v4": (
        as_stored,
        {
            "attention.latent_norm": ["self_attn.q_a_norm.weight", "self_attn.kv_norm.weight"],
            "attention.kv_a": ["self_attn.kv_proj.weight"],
            "attention.o_a": ["self_attn.o_a_proj.weight"],
            "attention.o_b": ["self_attn.o_b_proj.weight"],
            "compressor.kv": compressors("kv_proj.weight"),
            "compressor.gate": compressors("gate_proj.weight"),
            "compressor.position": compressors("position_bias"),
            "compressor.norm": compressors("kv_norm.weight"),
            "indexer.q": compressors("q_b_proj.weight")[1:],
            "indexer.weights": compressors("scorer.weights_proj.weight")[1:],
            "router.correction_bias": ["mlp.gate.e_score_correction_bias"],
            "router.hash_table": ["mlp.gate.tid2eid"],
            "residual.mix": ["attn_hc.fn", "ffn_hc.fn"],
            "residual.scale": ["attn_hc.base", "attn_hc.scale", "ffn_hc.base", "ffn_hc.scale"],
            "streams residual.mix": ["model.hc_head.hc_fn"],
            "streams residual.scale": ["model.hc_head.hc_base", "model.hc_head.hc_scale"],
        },
    ),
    "jetmoe": (
        jetmoe_halves,
        {
            "router.weight": ["self_attention.experts.router.layer.weight", "mlp.router.layer.weight"],
            "attention.q": ["self_attention.experts.input_linear.weight"],
            "attention.k": ["k"],
            "attention.v": ["v"],
            "attention.o": ["self_attention.experts.output_linear.weight"],
            "attention.bias": ["self_attention.experts.bias"],
            "routed.gate": ["gate"],
            "routed.up": ["up"],
            "routed.down": ["mlp.output_linear.weight"],
            "routed.other": ["mlp.bias"],
        },
    ),
    "minimax_m3_vl_text": (
        minimax_halves,
        {
            "indexer.q": ["self_attn.indexer.q_proj.weight"],
            "indexer.k": ["self_attn.indexer.k_proj.weight"],
            "indexer.norm": ["self_attn.indexer.q_norm.weight", "self_attn.indexer.k_norm.weight"],
            "router.correction_bias": ["mlp.gate.e_score_correction_bias"],
        },
    ),
    "hy_v4": (
        as_stored,
        {
            "attention.gate": ["self_attn.gate_proj.weight"],
            "residual.mix": ["attn_hc.fn", "ffn_hc.fn"],
            "residual.scale": ["attn_hc.base", "attn_hc.scale", "ffn_hc.base", "ffn_hc.scale"],
            "streams residual.mix": ["model.hc_head.hc_fn"],
            "streams residual.scale": ["model.hc_head.hc_base", "model.hc_head.hc_scale"],
        },
    ),
    "qwen4_exp_text": (
        qwen4_parts,
        {
            "indexer.q": ["index_q"],
            "indexer.k": ["index_k"],
            "indexer.norm": [f"self_attn.indexer.{side}_layernorm.weight" for side in "qk"],
            "attention.q": ["q"],
            "attention.gate": ["gate"],
            "residual.mix": [
                f"{sublayer}_hyper_connection.{name}.weight" for sublayer in ("attn", "mlp") for name in MIXES
            ],
            "residual.scale": [f"{sublayer}_hyper_connection.hc_norm.weight" for sublayer in ("attn", "mlp")],
            "streams residual.mix": [f"model.hyper_connection_mixer.{name}.weight" for name in MIXES[:2]],
            "streams residual.scale": ["model.hyper_connection_mixer.hc_norm.weight"],
            "shared.switch": ["mlp.shared_expert_gate.weight"],
            **{
                f"shared.{part}": [f"mlp.shared_expert.{part}_proj.weight"] for part in ("gate", "up", "down")
            },
        },
    ),
    "xlstm": (
        xlstm_ends,
        {
            "layer": ["backbone.blocks."],
            "embedding.tokens": ["backbone.embeddings.weight"],
            "norm.final": ["backbone.out_norm.weight"],
            "norm.layer": ["norm_mlstm.weight", "norm_ffn.weight"],
            "recurrent.in": ["in"],
            "recurrent.gate": ["mlstm_layer.ogate_preact.weight"],
            "recurrent.projection": ["gates.weight"],
            "recurrent.bias": ["gates.bias"],
            "recurrent.norm": ["mlstm_layer.multihead_norm.weight"],
            "recurrent.out": ["mlstm_layer.out_proj.weight"],
            "ffn.gate": ["ffn.proj_up_gate.weight"],
            "ffn.up": ["ffn.proj_up.weight"],
            "ffn.down": ["ffn.proj_down.weight"],
        },
    ),
    "rwkv": (
        rwkv_mixes,
        {
            "layer": ["rwkv.blocks."],
            "embedding.tokens": ["rwkv.embeddings.weight"],
            "head.lm": ["head.weight"],
            "embedding norm.layer": ["rwkv.blocks.0.pre_ln.weight", "rwkv.blocks.0.pre_ln.bias"],
            "norm.layer": ["ln1.weight", "ln1.bias", "ln2.weight", "ln2.bias"],
            "norm.final": ["rwkv.ln_out.weight", "rwkv.ln_out.bias"],
            "recurrent.parameter": [
                f"attention.time_{name}"
                for name in ("decay", "first", "mix_key", "mix_value", "mix_receptance")
            ],
            "recurrent.in": [f"attention.{name}.weight" for name in ("key", "value", "receptance")],
            "recurrent.out": ["attention.output.weight"],
            "ffn.other": ["feed_forward.time_mix_key", "feed_forward.time_mix_receptance"],
            "ffn.up": ["feed_forward.key.weight"],
            "ffn.gate": ["feed_forward.receptance.weight"],
            "ffn.down": ["feed_forward.value.weight"],
        },
    ),
    "longcat_flash": (
        longcat_pairs,
        {
            "router.weight": ["mlp.router.classifier.weight"],
            "router.correction_bias": ["mlp.router.e_score_correction_bias"],
        },
    ),
}
GEMMA4_EXPERTS = {
    "norm.layer": [
        *SANDWICH,
        "post_feedforward_layernorm_1.weight",
        "pre_feedforward_layernorm_2.weight",
        "post_feedforward_layernorm_2.weight",
    ],
    "router.weight": ["router.proj.weight"],
    "router.other": ["router.scale", "router.per_expert_scale"],
}
GELU = {"hidden_activation": "gelu", "tie_word_embeddings": False}
ONE_BASE = {
    "rope_parameters": {
        kind: {"rope_type": "default", "rope_theta": 10_000.0}
        for kind in ("sliding_attention", "full_attention")
    }
}
GEMMA = {**GELU, **ONE_BASE, "vocab_size_per_layer_input": 128}
# So wide a cap leaves logits as they are; the class takes none for no cap.
GEMMA3N = {**GEMMA, "activation_sparsity_pattern": [0.0] * 4, "final_logit_softcapping": 1e5}
GEMMA_NUMBERS = Numerics(activation="gelu", attention_scale=1.0)
DEEPSEEK_V4 = {
    **deepseek_v4.TINY,
    # Many heads: an entry that none of an indexer's sees scores 0, and of equal scores transformers takes any.
    "index_n_heads": 16,
    "scoring_func": "sigmoid",
    "swiglu_limit": 1e4,
    "partial_rotary_factor": 0.5,
    "rope_parameters": {
        kind: {"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 0.5}
        for kind in ("main", "compress")
    },
}
DEEPSEEK_V4_NUMBERS = Numerics(scores="sigmoid", routed_scale=1.5, compressed_rope=8)
MINIMAX_M3 = {
    **minimax_m3_vl_text.TINY,
    "rotary_dim": 12,
    "index_head_dim": 12,
    "index_block_size": 4,
    "partial_rotary_factor": 1.0,
    "routed_scaling_factor": 2.5,
}
MINIMAX_M3_NUMBERS = Numerics(activation="clamped_swiglu", scores="sigmoid", routed_scale=2.5)

CASES = [
    pytest.param({**gemma3n_text.TINY, **GEMMA3N}, GEMMA_NUMBERS, {}, id="gemma3n"),
    pytest.param(
        {
            **gemma3n_text.TINY,
            **GEMMA3N,
            "vocab_size_per_layer_input": 100,
            "altup_num_inputs": 2,
            "num_kv_shared_layers": 0,
        },
        GEMMA_NUMBERS,
        {},
        id="gemma3n-two-copies",
    ),
    pytest.param({**gemma4_text.TINY, **GEMMA}, GEMMA_NUMBERS, {}, id="gemma4"),
    pytest.param(
        {**gemma4_text.TINY, **GEMMA, **gemma4_text.VARIANTS[0]}, GEMMA_NUMBERS, {}, id="gemma4-shared-keys"
    ),
    pytest.param(
        {**gemma4_text.TINY, **GEMMA, **gemma4_text.VARIANTS[1]},
        GEMMA_NUMBERS,
        GEMMA4_EXPERTS,
        id="gemma4-experts",
    ),
    pytest.param(
        {**gemma4_text.TINY, **GEMMA, **gemma4_text.VARIANTS[2]}, GEMMA_NUMBERS, {}, id="gemma4-values"
    ),
    pytest.param(DEEPSEEK_V4, DEEPSEEK_V4_NUMBERS, {}, id="deepseek_v4"),
    pytest.param(
        {
            **DEEPSEEK_V4,
            "layer_types": [
                "sliding_attention",
                "compressed_sparse_attention",
                "heavily_compressed_attention",
            ],
            "mlp_layer_types": ["moe", "hash_moe", "moe"],
            "num_hidden_layers": 3,
            "sliding_window": 8,
        },
        DEEPSEEK_V4_NUMBERS,
        {},
        id="deepseek_v4-windows",
    ),
    pytest.param(
        {**jetmoe.TINY, "tie_word_embeddings": False, "rms_norm_eps": 1e-6}, Numerics(), {}, id="jetmoe"
    ),
    pytest.param(MINIMAX_M3, MINIMAX_M3_NUMBERS, {}, id="minimax_m3_vl_text"),
    pytest.param(
        {**MINIMAX_M3, "num_attention_heads": 8, "index_n_heads": 4},
        MINIMAX_M3_NUMBERS,
        {},
        id="minimax_m3_vl_text-index-heads-that-share-keys",
    ),
    pytest.param(
        {
            **hy_v4.TINY,
            # As many channels as turn: where they stand in an index key no shape tells.
            "index_head_dim": 6,
            "index_n_heads": 16,
            "swiglu_limit": 1e4,
            "routed_scaling_factor": 2.5,
            "norm_topk_prob": True,
            "n_group": 1,
            "topk_group": 1,
            "rms_norm_eps": 1e-6,
            "num_hidden_layers": 4,
            "indexer_types": ["full", "shared", "full", "shared"],
        },
        Numerics(scores="sigmoid", routed_scale=2.5),
        {},
        id="hy_v4",
    ),
    pytest.param(
        {
            **qwen4_exp_text.TINY,
            "layer_types": ["indexed_attention"] * 2,
            "num_hidden_layers": 2,
            "indexer_n_heads": 16,
            "indexer_compress_ratio": 4,
            "indexer_budget": 12,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 1.0},
            "norm_topk_prob": True,
        },
        Numerics(),
        {},
        id="qwen4_exp_text",
    ),
    pytest.param(
        {**xlstm.TINY, "output_logit_soft_cap": 1e5, "autocast_kernel_dtype": "float32"},
        Numerics(),
        {},
        id="xlstm",
    ),
    pytest.param(
        {**xlstm.TINY, "output_logit_soft_cap": 1e5, "autocast_kernel_dtype": "float32", "chunk_size": 8},
        Numerics(),
        {},
        id="xlstm-chunks",
    ),
    pytest.param(rwkv.TINY, Numerics(), {}, id="rwkv"),
    pytest.param(
        {**longcat_flash.TINY, "rms_norm_eps": 1e-6, "routed_scaling_factor": 2.5},
        Numerics(rope_interleaved=True, normalise_weights=False, routed_scale=2.5),
        {},
        id="longcat_flash",
    ),
]


@pytest.mark.oracle
@pytest.mark.parametrize(("config", "numerics", "names"), CASES)
def test_logits_are_those_of_transformers(
    config: dict[str, Any], numerics: Numerics, names: dict[str, list[str]]
) -> None:
    model = random_model(config)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if not tensor.is_floating_point():  # a table of experts, those of a token all different
                drawn = torch.rand(len(tensor), config["n_routed_experts"])
                tensor.copy_(drawn.argsort()[:, : tensor.shape[1]])
    numerics = msgspec.structs.replace(numerics, **numbers_of(model.config))
    network = build(read_config(config).architecture, dtype=torch.float32, device="cpu", numerics=numerics)
    source = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    adapt, own = OWN[config["model_type"]]
    adapt(source, model.config)
    copy_weights(network, source, own | names)
    check_logits(network, model)
