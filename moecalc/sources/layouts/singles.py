"""Names that one architecture alone uses: decoders older than the common names, or with a list of their own."""

from moecalc.ir.roles import Component
from moecalc.sources.layouts.attention import ATTENTION
from moecalc.sources.layouts.layout import Layout
from moecalc.sources.layouts.transformers import MOE


def _linear(names: dict[str, tuple[str, str]]) -> dict[str, str]:
    """Weight and bias of each module."""
    return {
        f"{module}.{part}": entry
        for module, (weight, bias) in names.items()
        for part, entry in (("weight", weight), ("bias", bias))
    }


_Q = ("attention.q", "attention.bias[heads]")
_K = ("attention.k", "attention.bias[kv_heads]")
_V = ("attention.v", "attention.bias[kv_heads]")
_O = ("attention.o", "attention.bias[hidden_size]")
_UP = ("ffn.up", "ffn.bias[intermediate_size]")
_DOWN = ("ffn.down", "ffn.bias[hidden_size]")
_NORM = ("norm.layer", "norm.layer")
_FINAL = ("norm.final", "norm.final")

BLOCKS = Layout(
    name="MPT and DBRX",
    stems=("transformer.",),
    layers="blocks",
    layer={
        **_linear(
            {
                "norm_1": _NORM,
                "norm_2": _NORM,
                "norm_attn_norm.norm_1": _NORM,
                "norm_attn_norm.norm_2": _NORM,
                "attn.out_proj": _O,
                "norm_attn_norm.attn.out_proj": _O,
                "ffn.up_proj": _UP,
                "ffn.down_proj": _DOWN,
            }
        ),
        "attn.Wqkv.weight": "attention.q + attention.k + attention.v",
        "norm_attn_norm.attn.Wqkv.weight": "attention.q + attention.k + attention.v",
        "ffn.router.layer.weight": "router.weight",
        # the experts of a layer under one another
        "ffn.experts.mlp.w1": "routed.gate flat",
        "ffn.experts.mlp.v1": "routed.up flat",
        "ffn.experts.mlp.w2": "routed.down turned flat",
    },
    top={"wte.weight": "embedding.tokens", **_linear({"norm_f": _FINAL})},
    anywhere={"lm_head.weight": "head.lm"},
)

CTRL = Layout(
    name="CTRL",
    stems=("transformer.",),
    layers="h",
    layer={
        **_linear(
            {
                "layernorm1": _NORM,
                "layernorm2": _NORM,
                "multi_head_attention.Wq": _Q,
                "multi_head_attention.Wk": _K,
                "multi_head_attention.Wv": _V,
                "multi_head_attention.dense": _O,
            }
        ),
        # its two matrices are 0 and 2 of a list
        "ffn.{}.weight": "ffn.up | ffn.down",
        "ffn.{}.bias": "ffn.bias[intermediate_size] | ffn.bias[hidden_size]",
    },
    top={"w.weight": "embedding.tokens", **_linear({"layernorm": _FINAL})},
    anywhere={"lm_head.weight": "head.lm", "lm_head.bias": "head.bias"},
)

XLM = Layout(
    name="XLM",
    stems=("transformer.",),
    layers="layers",
    layer={},
    top={
        "embeddings.weight": "embedding.tokens",
        "position_embeddings.weight": "embedding.positions",
        "lang_embeddings.weight": "embedding.other",
        **_linear(
            {
                "layer_norm_emb": _NORM,
                "layer_norm1.{}": _NORM,
                "layer_norm2.{}": _NORM,
                "attentions.{}.q_lin": _Q,
                "attentions.{}.k_lin": _K,
                "attentions.{}.v_lin": _V,
                "attentions.{}.out_lin": _O,
                "ffns.{}.lin1": _UP,
                "ffns.{}.lin2": _DOWN,
            }
        ),
    },
    anywhere={"pred_layer.proj.weight": "head.lm", "pred_layer.proj.bias": "head.bias"},
)

GIT = Layout(
    name="GIT",
    stems=("git.",),
    layers="encoder.layer",
    layer=_linear(
        {
            "attention.self.query": _Q,
            "attention.self.key": _K,
            "attention.self.value": _V,
            "attention.output.dense": _O,
            "attention.output.LayerNorm": _NORM,
            "intermediate.dense": _UP,
            "output.dense": _DOWN,
            "output.LayerNorm": _NORM,
        }
    ),
    top={
        "embeddings.word_embeddings.weight": "embedding.tokens",
        "embeddings.position_embeddings.weight": "embedding.positions",
        "embeddings.position_ids": "buffer",
        **_linear({"embeddings.LayerNorm": _NORM}),
    },
    anywhere={"output.weight": "head.lm", "output.bias": "head.bias"},
    parts={
        "git.image_encoder.": Component.VISION,
        "git.visual_projection.": Component.VISION,
        "git.img_temporal_embedding.": Component.VISION,
    },
)

CPM_ANT = Layout(
    name="CPM-Ant",
    stems=("cpmant.",),
    layers="encoder.layers",
    layer={
        "self_att.layernorm_before_attention.weight": "norm.layer",
        "self_att.self_attention.project_q.weight": "attention.q",
        "self_att.self_attention.project_k.weight": "attention.k",
        "self_att.self_attention.project_v.weight": "attention.v",
        "self_att.self_attention.attention_out.weight": "attention.o",
        "ffn.layernorm_before_ffn.weight": "norm.layer",
        "ffn.ffn.w_in.w_0.weight": "ffn.gate",
        "ffn.ffn.w_in.w_1.weight": "ffn.up",
        "ffn.ffn.w_out.weight": "ffn.down",
    },
    top={
        "input_embedding.weight": "embedding.tokens",
        "segment_embedding.weight": "embedding.other",
        "position_bias.relative_attention_bias": "attention.relative",
        "encoder.output_layernorm.weight": "norm.final",
    },
    anywhere={"lm_head.weight": "head.lm"},
)

MODERNBERT = Layout(
    name="ModernBERT's decoder",
    stems=("model.",),
    layers="layers",
    layer=_linear(
        {
            "attn_norm": _NORM,
            "mlp_norm": _NORM,
            "attn.q_proj": _Q,
            "attn.k_proj": _K,
            "attn.v_proj": _V,
            "attn.Wo": _O,
            "mlp.Wi": ("ffn.gate + ffn.up", "ffn.bias + ffn.bias"),
            "mlp.Wo": _DOWN,
        }
    ),
    top={
        "embeddings.tok_embeddings.weight": "embedding.tokens",
        **_linear({"embeddings.norm": _NORM, "final_norm": _FINAL}),
    },
    anywhere={
        "decoder.weight": "head.lm",
        "decoder.bias": "head.bias",
        "lm_head.dense.weight": "head.projection",
        "lm_head.dense.bias": "head.bias",
        "lm_head.norm.weight": "norm.layer",
        "lm_head.norm.bias": "norm.layer",
    },
)

HRM = Layout(
    name="HRM",
    stems=("model.H_module.", "model.L_module."),
    layers="layers",
    layer={
        "attn.gqkv_proj.weight": "attention.gate + attention.q + attention.k + attention.v",
        "attn.o_proj.weight": "attention.o",
        "mlp.gate_up_proj.weight": "ffn.gate + ffn.up",
        "mlp.down_proj.weight": "ffn.down",
        **{
            f"{module}.bias": entry
            for module, entry in {
                "self_attn.gate_proj": "attention.bias",
                "self_attn.q_proj": "attention.bias[heads]",
                "self_attn.k_proj": "attention.bias[kv_heads]",
                "self_attn.v_proj": "attention.bias[kv_heads]",
                "attn.o_proj": "attention.bias[hidden_size]",
                "mlp.gate_proj": "ffn.bias[intermediate_size]",
                "mlp.up_proj": "ffn.bias[intermediate_size]",
                "mlp.down_proj": "ffn.bias[hidden_size]",
            }.items()
        },
    },
    top={},
    anywhere={
        "model.embed_tokens.weight": "embedding.tokens",
        "model.z_L_init": "residual.initial_state",
        "lm_head.weight": "head.lm",
    },
    stacks=True,
)

INKLING = Layout(
    name="Inkling 2",
    stems=("model.llm.",),
    layers="layers",
    layer={
        **{
            f"{norm}.weight": "norm.layer"
            for norm in ("attn_norm", "mlp_norm", "q_input_norm", "k_input_norm", "v_input_norm")
        },
        "attn.wq_du.weight": "attention.q",
        "attn.wk_dv.weight": "attention.k",
        "attn.wv_dv.weight": "attention.v",
        "attn.wo_ud.weight": "attention.o",
        "attn.gate_attn.weight": "attention.gate",
        "attn.wr_du.weight": "attention.relative",
        "attn.rel_logits_proj.proj": "attention.relative",
        "attn.rel_l2_clip.scale": "attention.relative",
        "attn.q_l2_clip.scale": "attention.qk_norm",
        "attn.attn_sink_proj.weight": "attention.sinks",
        **{
            f"{place}_sconv.{name}": entry
            for place in ("attn", "mlp", "attn.k", "attn.v")
            for name, entry in {
                "weight": "recurrent.conv",
                "static_w": "recurrent.conv",
                "weight_proj": "recurrent.projection",
            }.items()
        },
        "mlp.gate.weight": "router.weight",
        "mlp.gate.bias": "router.correction_bias",
        "mlp.experts.w13_weight": "routed.gate + routed.up",
        "mlp.experts.w2_weight": "routed.down",
    },
    top={
        "embed.weight": "embedding.tokens",
        "unembed.weight": "head.lm",
        "embed_norm.weight": "norm.layer",
        "norm.weight": "norm.final",
        "attn_res.attn_queries.{}": "residual.mix at next",
        "attn_res.mlp_queries.{}": "residual.mix",
        "attn_res.output_query": "residual.mix",
    },
)

LONGCAT = Layout(
    name="LongCat",
    stems=("model.",),
    layers="layers",
    layer={
        # two attentions and two dense feed-forwards stored as one layer, which has one set of experts
        "input_layernorm.{}.weight": "norm.layer at half",
        "post_attention_layernorm.{}.weight": "norm.layer at half",
        **{f"self_attn.{{}}.{name}": f"{entry} at half" for name, entry in ATTENTION.items()},
        "mlps.{}.gate_proj.weight": "ffn.gate at half",
        "mlps.{}.up_proj.weight": "ffn.up at half",
        "mlps.{}.down_proj.weight": "ffn.down at half",
        **{f"mlp.{name}": f"{entry} at first_half" for name, entry in MOE.items()},
        "mlp.router.classifier.weight": "router.weight at first_half",
        "mlp.router.classifier.bias": "router.bias at first_half",
    },
    top={"embed_tokens.weight": "embedding.tokens", "norm.weight": "norm.final"},
    anywhere={"lm_head.weight": "head.lm"},
    parts={"model.mtp.": Component.MTP},
)

SINGLES = (BLOCKS, CTRL, XLM, GIT, CPM_ANT, MODERNBERT, HRM, INKLING, LONGCAT)
