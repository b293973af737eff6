"""What holds a network to transformers' module: random weights, their copy, the numbers of a config, and the logits."""

from typing import Any

import torch

from tests.oracle import reference

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


def random_model(config: dict[str, Any]) -> torch.nn.Module:
    """transformers' module. Norms, biases and sinks too: initialised to constants they could stand anywhere."""
    torch.manual_seed(7)
    model: torch.nn.Module = reference.build_model(config)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.normal_(0.1, 0.3) if tensor.ndim > 1 else tensor.normal_(0.6, 0.2)
    return model


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


def check_logits(network: Any, model: torch.nn.Module, ids: torch.Tensor | None = None) -> None:
    """Hold the logits of a prompt and of five steps behind it, tokens [2, 30], to transformers' of the whole."""
    if ids is None:
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
