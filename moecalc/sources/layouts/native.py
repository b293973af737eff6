"""Names of DeepSeek's own code, which its V4 checkpoints keep (transformers 5.23, `conversion_mapping.py`)."""

from moecalc.sources.layouts.layout import Layout

_HYPER_CONNECTION = {"fn": "residual.mix", "base": "residual.scale", "scale": "residual.scale"}

_COMPRESSOR = {
    "wkv.weight": "compressor.kv",
    "wgate.weight": "compressor.gate",
    "ape": "compressor.position",
    "norm.weight": "compressor.norm",
}

_LAYER = {
    "attn_norm.weight": "norm.layer",
    "ffn_norm.weight": "norm.layer",
    "attn.wq_a.weight": "attention.q_a",
    "attn.q_norm.weight": "attention.latent_norm[q_lora_rank]",
    "attn.wq_b.weight": "attention.q_b",
    "attn.wkv.weight": "attention.kv_a",
    "attn.kv_norm.weight": "attention.latent_norm[head_dim]",
    "attn.norm.weight": "attention.latent_norm[head_dim]",  # as transformers writes it back
    "attn.wo_a.weight": "attention.o_a",
    "attn.wo_b.weight": "attention.o_b",
    "attn.attn_sink": "attention.sinks",
    **{
        f"attn.{parent}.{name}": entry
        for parent in ("compressor", "indexer.compressor")
        for name, entry in _COMPRESSOR.items()
    },
    "attn.indexer.wq_b.weight": "indexer.q",
    "attn.indexer.weights_proj.weight": "indexer.weights",
    "ffn.gate.weight": "router.weight",
    "ffn.gate.bias": "router.correction_bias",
    "ffn.gate.tid2eid": "router.hash_table",
    **{
        f"ffn.{parent}.{name}.weight": f"{group}.{role}"
        for parent, group in (("experts.{}", "routed"), ("shared_experts", "shared"))
        for name, role in {"w1": "gate", "w3": "up", "w2": "down"}.items()
    },
    "ffn.shared_experts.w1.bias": "shared.bias[intermediate_size]",
    "ffn.shared_experts.w3.bias": "shared.bias[intermediate_size]",
    "ffn.shared_experts.w2.bias": "shared.bias[hidden_size]",
    **{f"hc_{place}_{name}": entry for place in ("attn", "ffn") for name, entry in _HYPER_CONNECTION.items()},
}

NATIVE = Layout(
    name="DeepSeek's own",
    foreign=True,
    stems=("", "model."),
    layers="layers",
    layer=_LAYER,
    top={
        "embed.weight": "embedding.tokens",
        "embed_tokens.weight": "embedding.tokens",
        "norm.weight": "norm.final",
        **{f"hc_head_{name}": entry for name, entry in _HYPER_CONNECTION.items()},
        **{f"hc_head.hc_{name}": entry for name, entry in _HYPER_CONNECTION.items()},
    },
    anywhere={"head.weight": "head.lm"},
    prediction=("mtp.{}.",),
    prediction_top={
        **_LAYER,
        "e_proj.weight": "mtp.projection",
        "h_proj.weight": "mtp.projection",
        "enorm.weight": "mtp.norm",
        "hnorm.weight": "mtp.norm",
        "norm.weight": "mtp.norm",
        "emb.tok_emb.weight": "copy of embedding.tokens",
        "head.weight": "copy of head.lm",
        **{f"hc_head_{name}": entry for name, entry in _HYPER_CONNECTION.items()},
    },
)
