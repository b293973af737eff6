"""Networks with transformers' weights copied in give transformers' logits: eager, float32, in a prompt and behind it.

The copy names every tensor of both sides; the numbers that no shape tells (activation, rotary base, the router's
scores) are the config's. 2e-5 is rounding: logits are of the size of 1, and both sides are float32.
"""

from typing import Any

import msgspec
import pytest
import torch

from moecalc.profile.build import Numerics, build
from moecalc.sources.hf_config import read_config
from tests.oracle import reference
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

NAMES = {
    "layer": ["model.layers."],
    "embedding.tokens": ["model.embed_tokens.weight"],
    "head.lm": ["lm_head.weight"],
    "norm.final": ["model.norm.weight"],
    "norm.layer": ["input_layernorm.weight", "post_attention_layernorm.weight"],
    "attention.q": ["self_attn.q_proj.weight"],
    "attention.k": ["self_attn.k_proj.weight"],
    "attention.v": ["self_attn.v_proj.weight"],
    "attention.o": ["self_attn.o_proj.weight"],
    "attention.bias": [f"self_attn.{side}_proj.bias" for side in ("q", "k", "v", "o")],
    "attention.sinks": ["self_attn.sinks"],
    "attention.qk_norm": ["self_attn.q_norm.weight", "self_attn.k_norm.weight"],
    "attention.q_a": ["self_attn.q_a_proj.weight"],
    "attention.q_b": ["self_attn.q_b_proj.weight"],
    "attention.kv_a": ["self_attn.kv_a_proj_with_mqa.weight"],
    "attention.kv_b": ["self_attn.kv_b_proj.weight"],
    "indexer.q": ["self_attn.indexer.wq_b.weight"],
    "indexer.k": ["self_attn.indexer.wk.weight"],
    "indexer.norm": ["self_attn.indexer.k_norm.weight", "self_attn.indexer.k_norm.bias"],
    "indexer.weights": ["self_attn.indexer.weights_proj.weight"],
    "attention.latent_norm": ["self_attn.q_a_layernorm.weight", "self_attn.kv_a_layernorm.weight"],
    "ffn.gate": ["mlp.gate_proj.weight"],
    "ffn.up": ["mlp.up_proj.weight"],
    "ffn.down": ["mlp.down_proj.weight"],
    "router.weight": ["mlp.gate.weight"],
    "router.correction_bias": ["mlp.gate.e_score_correction_bias"],
    "routed.down": ["mlp.experts.down_proj"],
    "shared.gate": ["mlp.shared_experts.gate_proj.weight"],
    "shared.up": ["mlp.shared_experts.up_proj.weight"],
    "shared.down": ["mlp.shared_experts.down_proj.weight"],
}

SANDWICH = [
    *NAMES["norm.layer"],
    "pre_feedforward_layernorm.weight",
    "post_feedforward_layernorm.weight",
]

OWN_NAMES = {
    "layer": ["model.layers."],
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


def copy_weights(network: Any, source: dict[str, torch.Tensor], own: dict[str, list[str]]) -> None:
    """Fill the network, tensor by tensor; a role's names may be another place's, as `embedding norm.layer`."""
    names = NAMES | own
    left = {name: tensor.clone() for name, tensor in source.items()}
    used: dict[tuple[str, str], int] = {}
    biased = "model.layers.0.mlp.router.bias" in left
    for row, place, tensor, _beside in network.weights():
        role = row.role.value
        number = used.get((place, role), 0)
        used[place, role] = number + 1
        prefix = f"{names['layer'][0]}{place.split()[1]}." if place.startswith("layer") else ""
        if role.startswith(("routed.", "router.")) and biased:
            value = gpt_oss_tensor(left, prefix, role, number)
        elif role in ("routed.gate", "routed.up") and f"{prefix}mlp.experts.gate_up_proj" in left:
            halves = left[f"{prefix}mlp.experts.gate_up_proj"].chunk(2, 1)
            value = halves[role == "routed.up"]
        else:
            of_role = names.get(f"{place} {role}", names.get(role))
            parts = [left[prefix + name] for name in of_role[number].split()]
            value = parts[0] if len(parts) == 1 else torch.stack([part.squeeze() for part in parts])
        with torch.no_grad():
            assert tensor.shape == value.shape, (place, role)
            tensor.copy_(value)


def gpt_oss_tensor(source: dict[str, torch.Tensor], prefix: str, role: str, number: int) -> torch.Tensor:
    """Experts are stored [in, out], gate and up interleaved; biases come gate, up, down."""
    experts = f"{prefix}mlp.experts."
    if role.startswith("router."):
        return source[f"{prefix}mlp.router.{'weight' if role == 'router.weight' else 'bias'}"]
    if role == "routed.down":
        return source[f"{experts}down_proj"].transpose(1, 2)
    if role in ("routed.gate", "routed.up"):
        return source[f"{experts}gate_up_proj"][..., int(role == "routed.up") :: 2].transpose(1, 2)
    assert role == "routed.bias"
    if number == 2:
        return source[f"{experts}down_proj_bias"]
    return source[f"{experts}gate_up_proj_bias"][..., number::2]


def numbers_of(asked: Any) -> dict[str, float]:
    """The epsilon of norms and, where positions are rotary, the base."""
    if hasattr(asked, "layer_norm_epsilon"):
        return {"norm_epsilon": asked.layer_norm_epsilon}
    if not hasattr(asked, "rope_parameters"):
        return {"norm_epsilon": asked.norm_eps}
    rotary = asked.rope_parameters
    rotary = rotary.get("full_attention", rotary.get("main", rotary))
    return {"norm_epsilon": asked.rms_norm_eps, "rope_theta": float(rotary["rope_theta"])}


@pytest.mark.oracle
@pytest.mark.parametrize(("config", "numerics"), CASES)
def test_logits_are_those_of_transformers(config: dict[str, Any], numerics: Numerics) -> None:
    torch.manual_seed(7)
    model = reference.build_model(config)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            # Norms, biases and sinks too: initialised to constants they could stand anywhere.
            tensor.normal_(0.1, 0.3) if tensor.ndim > 1 else tensor.normal_(0.6, 0.2)
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


def check_logits(network: Any, model: torch.nn.Module) -> None:
    """Hold the logits of a prompt and of five steps behind it to transformers' of the whole."""
    ids = torch.randint(0, 128, (2, 30))
    with torch.no_grad():
        wanted = model(input_ids=ids, use_cache=False).logits
    cache = network.new_state(2, 32)
    made = torch.cat(
        [
            network(ids[:, :25], cache, logits="all"),
            *(network(ids[:, i : i + 1], cache, logits="all") for i in range(25, 30)),
        ],
        1,
    )
    assert float(wanted.std()) > 0.3
    torch.testing.assert_close(made, wanted, rtol=2e-5, atol=2e-5 * float(wanted.abs().max()))
