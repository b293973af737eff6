"""Names in Meta's and Mistral's own releases (`params.json`, `consolidated*`), which Mistral's stay with."""

from moecalc.ir.roles import Component
from moecalc.sources.layouts.layout import Layout

_LAYER = {
    "attention_norm.weight": "norm.layer",
    "ffn_norm.weight": "norm.layer",
    "attention.wq.weight": "attention.q",
    "attention.wk.weight": "attention.k",
    "attention.wv.weight": "attention.v",
    "attention.wo.weight": "attention.o",
    "attention.wq.bias": "attention.bias[heads]",
    "attention.wk.bias": "attention.bias[kv_heads]",
    "attention.wv.bias": "attention.bias[kv_heads]",
    "attention.wq_a.weight": "attention.q_a",
    "attention.wq_b.weight": "attention.q_b",
    "attention.wkv_a_with_mqa.weight": "attention.kv_a",
    "attention.wkv_b.weight": "attention.kv_b",
    "attention.q_a_norm.weight": "attention.latent_norm[q_lora_rank]",
    "attention.kv_a_norm.weight": "attention.latent_norm[kv_lora_rank]",
    "attention.inner_attention.rope.freqs": "buffer",
    "feed_forward.w1.weight": "ffn.gate",
    "feed_forward.w3.weight": "ffn.up",
    "feed_forward.w2.weight": "ffn.down",
    **{
        f"{parent}{name}": entry
        for parent in ("", "feed_forward.", "block_sparse_moe.")
        for name, entry in {
            "gate.weight": "router.weight",
            "experts.{}.w1.weight": "routed.gate",
            "experts.{}.w3.weight": "routed.up",
            "experts.{}.w2.weight": "routed.down",
            "shared_experts.w1.weight": "shared.gate",
            "shared_experts.w3.weight": "shared.up",
            "shared_experts.w2.weight": "shared.down",
        }.items()
    },
}

CONSOLIDATED = Layout(
    name="consolidated",
    foreign=True,
    stems=("",),
    layers="layers",
    layer=_LAYER,
    top={
        "tok_embeddings.weight": "embedding.tokens",
        "norm.weight": "norm.final",
        "output.weight": "head.lm",
        "rope.freqs": "buffer",
    },
    parts={
        "vision_encoder.": Component.VISION,
        "vision_language_adapter.": Component.VISION,
        "patch_merger.": Component.VISION,
        "pre_mm_projector_norm.": Component.VISION,
    },
)
