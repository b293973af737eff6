"""Networks with transformers' weights copied in give transformers' logits: eager, float32, in a prompt and behind it.

The copy names every tensor of both sides; the numbers that no shape tells (activation, rotary base, the router's
scores) are the config's. 2e-5 is rounding: logits are of the size of 1, and both sides are float32.
"""

from typing import Any

import msgspec
import pytest
import torch

from moecalc.profile.builder import Numerics, build
from moecalc.sources.hf_config import read_config
from tests.oracle.families import (
    apertus,
    axk1,
    axk2,
    deepseek_v3,
    deepseek_v32,
    diffllama,
    doge,
    gemma2,
    gemma4_unified_text,
    gpt_neo,
    gpt_oss,
    llama,
    mixtral,
    qwen3_moe,
)
from tests.profile.builder.against_transformers import (
    NAMES,
    SANDWICH,
    check_logits,
    copy_weights,
    numbers_of,
    random_model,
)

OWN_NAMES = {
    "apertus": {
        "norm.layer": ["attention_layernorm.weight", "feedforward_layernorm.weight"],
        "ffn.other": ["mlp.act_fn.alpha_p mlp.act_fn.alpha_n", "mlp.act_fn.beta mlp.act_fn.eps"],
    },
    "axk2": {
        "norm.layer": ["input_layernorm.norm.weight", "post_attention_layernorm.norm.weight"],
        "norm.gate": [
            f"{norm}_layernorm.mlp.{matrix}.weight"
            for norm in ("input", "post_attention")
            for matrix in ("fc1", "fc2")
        ],
        "attention.q_b": ["self_attn.q_gate_proj.weight"],
    },
    "diffllama": {
        "attention.other": [f"self_attn.lambda_{name}" for name in ("q1", "k1", "q2", "k2")],
    },
    "doge": {
        "attention.other": ["self_attn.dt_proj.weight", "self_attn.A"],
        "residual.scale": ["input_residual", "post_attention_residual"],
    },
    "axk1": {
        "norm.layer": [*NAMES["norm.layer"], "mlp.post_mlp_layernorm.weight"],
    },
    "gemma2": {"norm.layer": SANDWICH},
    "gemma4_unified_text": {
        "norm.layer": SANDWICH,
        "residual.scale": ["layer_scalar"],
    },
    "gpt_neo": {
        "layer": ["transformer.h."],
        "embedding.tokens": ["transformer.wte.weight"],
        "embedding.positions": ["transformer.wpe.weight"],
        "norm.final": ["transformer.ln_f.weight", "transformer.ln_f.bias"],
        "norm.layer": ["ln_1.weight", "ln_1.bias", "ln_2.weight", "ln_2.bias"],
        "attention.q": ["attn.attention.q_proj.weight"],
        "attention.k": ["attn.attention.k_proj.weight"],
        "attention.v": ["attn.attention.v_proj.weight"],
        "attention.o": ["attn.attention.out_proj.weight"],
        "attention.bias": ["attn.attention.out_proj.bias"],
        "ffn.up": ["mlp.c_fc.weight"],
        "ffn.down": ["mlp.c_proj.weight"],
        "ffn.bias": ["mlp.c_fc.bias", "mlp.c_proj.bias"],
    },
}
"""Names by model type that differ from the others'; several in one tensor of the ledger stand end to end."""

CASES = [
    pytest.param(llama.TINY, Numerics(), id="llama"),
    pytest.param({**llama.TINY, **llama.VARIANTS[0]}, Numerics(), id="llama-tied"),
    pytest.param(mixtral.TINY, Numerics(), id="mixtral"),
    pytest.param({**mixtral.TINY, "sliding_window": 16}, Numerics(), id="mixtral-window"),
    pytest.param({**qwen3_moe.TINY, "norm_topk_prob": True}, Numerics(), id="qwen3_moe"),
    pytest.param(
        {**qwen3_moe.TINY, "norm_topk_prob": False},
        Numerics(normalise_weights=False),
        id="qwen3_moe-unnormalised",
    ),
    pytest.param(
        {**deepseek_v3.TINY, "topk_group": 1, "n_group": 2, "norm_topk_prob": True},
        Numerics(scores="sigmoid", routed_scale=2.5, rope_interleaved=True),
        id="deepseek_v3",
    ),
    pytest.param(
        {
            **gpt_oss.TINY,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
        },
        Numerics(activation="clamped_swiglu"),
        id="gpt_oss",
    ),
    pytest.param(apertus.TINY, Numerics(), id="apertus"),
    pytest.param(
        {**axk1.TINY, "norm_topk_prob": True, "routed_scaling_factor": 2.5},
        Numerics(scores="sigmoid", routed_scale=2.5, rope_interleaved=True),
        id="axk1",
    ),
    # Many heads: a key that none of an indexer's sees scores 0, and of equal scores transformers takes any.
    pytest.param(
        {
            **axk2.TINY,
            "first_k_dense_replace": 0,
            "index_n_heads": 16,
            "norm_topk_prob": True,
            "routed_scaling_factor": 2.5,
        },
        Numerics(scores="sigmoid", routed_scale=2.5, rope_interleaved=True),
        id="axk2",
    ),
    pytest.param(
        {
            **deepseek_v32.TINY,
            "index_n_heads": 16,
            "index_topk": 16,
            "topk_group": 1,
            "n_group": 2,
            "norm_topk_prob": True,
            "routed_scaling_factor": 2.5,
        },
        Numerics(scores="sigmoid", routed_scale=2.5, rope_interleaved=True),
        id="deepseek_v32",
    ),
    pytest.param(
        {
            **gemma4_unified_text.TINY,
            "tie_word_embeddings": False,
            "hidden_activation": "gelu",
            "rope_parameters": {
                kind: {"rope_type": "default", "rope_theta": 10_000.0}
                for kind in ("sliding_attention", "full_attention")
            },
        },
        Numerics(activation="gelu", attention_scale=1.0),
        id="gemma4_unified_text",
    ),
    # A cap that bends these scores: of a prompt longer than the window, in a local, a global and a local layer.
    *(
        pytest.param(
            {
                **gemma2.TINY,
                "tie_word_embeddings": False,
                "hidden_activation": "gelu",
                "query_pre_attn_scalar": 4,
                "attn_logit_softcapping": cap,
                "final_logit_softcapping": None,
            },
            Numerics(activation="gelu", attention_scale=0.5, softcap=cap or 50.0),
            id=f"gemma2-cap-{cap}",
        )
        for cap in (0.5, 3.0, None)
    ),
    pytest.param(diffllama.TINY, Numerics(), id="diffllama"),
    pytest.param(doge.TINY, Numerics(), id="doge"),
    pytest.param(
        {**gpt_neo.TINY, "activation_function": "gelu"},
        Numerics(activation="gelu", attention_scale=1.0),
        id="gpt_neo",
    ),
]


@pytest.mark.oracle
@pytest.mark.parametrize(("config", "numerics"), CASES)
def test_logits_are_those_of_transformers(config: dict[str, Any], numerics: Numerics) -> None:
    model = random_model(config)
    numerics = msgspec.structs.replace(numerics, **numbers_of(model.config))
    network = build(read_config(config).architecture, dtype=torch.float32, device="cpu", numerics=numerics)
    source = dict(model.state_dict())
    embedding = model.get_input_embeddings()
    if hasattr(embedding, "scalar_embed_scale"):  # a number of the forward pass, in the rows themselves here
        source[NAMES["embedding.tokens"][0]] = embedding.weight * embedding.scalar_embed_scale
    if config["model_type"] == "gemma2":  # whose norms multiply by 1 and their weight
        source |= {name: tensor + 1 for name, tensor in source.items() if "norm" in name}
    copy_weights(network, source, OWN_NAMES.get(config["model_type"], {}))
    check_logits(network, model)
