"""Names that transformers gives decoders with `layers`: Llama, Mixtral, Qwen, DeepSeek, gpt-oss, Gemma, Phi, GLM.

One table for all of them, since a name means the same wherever it occurs; two readings where it does not.
"""

from moecalc.ir.roles import Component
from moecalc.sources.layouts.attention import ATTENTION
from moecalc.sources.layouts.embeddings import EMBEDDINGS, EMBEDDINGS_TOP
from moecalc.sources.layouts.layout import Layout
from moecalc.sources.layouts.norms import NORMS
from moecalc.sources.layouts.recurrent import GRIFFIN, LINEAR_ATTENTION, MAMBA, SHORT_CONVOLUTION, ZAMBA
from moecalc.sources.layouts.residual import RESIDUAL, RESIDUAL_TOP

_FEED_FORWARD = {
    "gate_proj.weight": "ffn.gate | shared.gate",
    "up_proj.weight": "ffn.up | shared.up",
    "down_proj.weight": "ffn.down | shared.down",
    "gate_up_proj.weight": "ffn.gate + ffn.up",
    "fc1.weight": "ffn.up",
    "fc2.weight": "ffn.down",
    "c_fc.weight": "ffn.up",
    "c_proj.weight": "ffn.down",
    "linear_gate.weight": "ffn.gate",
    "ffn_sub_norm.weight": "ffn.norm",
    "act_fn.alpha_p": "ffn.other[xielu_alphas]",  # Apertus's activation
    "act_fn.alpha_n": "ffn.other[xielu_alphas]",
    "act_fn.beta": "ffn.other[xielu_constants]",
    "act_fn.eps": "ffn.other[xielu_constants]",
    "global_scale": "ffn.other",
    "dense_h_to_4h.weight": "ffn.up | ffn.gate + ffn.up",
    "dense_4h_to_h.weight": "ffn.down",
    "gate_proj.bias": "ffn.bias[intermediate_size] | shared.bias[intermediate_size]",
    "up_proj.bias": "ffn.bias[intermediate_size] | shared.bias[intermediate_size]",
    "fc1.bias": "ffn.bias[intermediate_size]",
    "c_fc.bias": "ffn.bias[intermediate_size]",
    "dense_h_to_4h.bias": "ffn.bias[intermediate_size]",
    "down_proj.bias": "ffn.bias[hidden_size] | shared.bias[hidden_size]",
    "fc2.bias": "ffn.bias[hidden_size]",
    "c_proj.bias": "ffn.bias[hidden_size]",
    "dense_4h_to_h.bias": "ffn.bias[hidden_size]",
}

MOE = {
    "gate.weight": "router.weight",
    "router.weight": "router.weight",
    "router.layer.weight": "router.weight",
    "router.gate.weight": "router.weight",
    "gate.wg.weight": "router.weight",
    "gate.router_mlp.out_proj.weight": "router.weight",
    "gate.bias": "router.bias",
    "router.bias": "router.bias",
    "gate.e_score_correction_bias": "router.correction_bias",
    "e_score_correction_bias": "router.correction_bias",
    "expert_bias": "router.correction_bias",
    "router.e_score_correction_bias": "router.correction_bias",
    "gate.expert_bias": "router.correction_bias",
    "router.expert_bias": "router.correction_bias",
    "experts.e_score_correction_bias": "router.correction_bias",
    "moe_statics.e_score_correction_bias": "router.correction_bias",
    "gate.balancing_biases": "router.correction_bias",
    "gate.tid2eid": "router.hash_table",
    "gate.global_scale": "router.other",
    # Zaya's router is a network
    "gate.router_states_scale": "router.other",
    "gate.down_proj.weight": "router.other",
    "gate.down_proj.bias": "router.bias",
    "gate.router_mlp.norm.weight": "router.other",
    "gate.router_mlp.fc1.weight": "router.other",
    "gate.router_mlp.fc1.bias": "router.bias",
    "gate.router_mlp.fc2.weight": "router.other",
    "gate.router_mlp.fc2.bias": "router.bias",
    # one matrix for each expert
    "experts.{}.gate_proj.weight": "routed.gate",
    "experts.{}.up_proj.weight": "routed.up",
    "experts.{}.down_proj.weight": "routed.down",
    "experts.{}.w1.weight": "routed.gate",
    "experts.{}.w3.weight": "routed.up",
    "experts.{}.w2.weight": "routed.down",
    "experts.{}.gate_proj.bias": "routed.bias[experts]",
    "experts.{}.up_proj.bias": "routed.bias[experts]",
    "experts.{}.down_proj.bias": "routed.bias[experts]",
    # all experts in one tensor
    "experts.gate_up_proj": "routed.gate + routed.up turned",
    "experts.down_proj": "routed.down turned",
    "experts.gate_up_proj.weight": "routed.gate + routed.up turned",
    "experts.down_proj.weight": "routed.down turned",
    "experts.fc1.weight": "routed.gate + routed.up turned",
    "experts.fc2.weight": "routed.down turned",
    "experts.gate_up_proj_bias": "routed.bias[moe_intermediate_size] + routed.bias[moe_intermediate_size]",
    "experts.down_proj_bias": "routed.bias[hidden_size]",
    "input_linear.weight": "routed.gate + routed.up",
    "output_linear.weight": "routed.down",
    "bias": "routed.other",
    "switch_mlp.gate_proj.weight": "routed.gate",
    "switch_mlp.up_proj.weight": "routed.up",
    "switch_mlp.down_proj.weight": "routed.down",
    # experts that every token runs
    "shared_expert_gate.weight": "shared.switch",
    "shared_experts.gate_up_proj.weight": "shared.gate + shared.up",
    **{
        f"{parent}.{name}{ending}": f"shared.{role}{form}"
        for parent in ("shared_experts", "shared_expert", "shared_mlp")
        for name, role in {
            "gate_proj": "gate",
            "linear_gate": "gate",
            "up_proj": "up",
            "down_proj": "down",
        }.items()
        for ending, form in ((".weight", ""), ("", " led"))  # Inkling keeps its shared experts apart
    },
    **{
        f"{parent}.{name}.bias": f"shared.bias[{side}]"
        for parent in ("shared_experts", "shared_expert", "shared_mlp")
        for name, side in {
            "gate_proj": "intermediate_size",
            "up_proj": "intermediate_size",
            "down_proj": "hidden_size",
        }.items()
    },
    # Doge: experts of one neuron, beside a dense feed-forward
    "router_gate.weight": "router.weight",
    "up_embed.weight": "routed.up",
    "down_embed.weight": "routed.down turned",
}

_LAYER = {
    "input_layernorm.weight": "norm.layer",
    "input_layernorm.bias": "norm.layer",
    "post_attention_layernorm.weight": "norm.layer",
    "post_attention_layernorm.bias": "norm.layer",
    "pre_feedforward_layernorm.weight": "norm.layer",
    "post_feedforward_layernorm.weight": "norm.layer",
    "post_self_attn_layernorm.weight": "norm.layer",
    "post_mlp_layernorm.weight": "norm.layer",
    "pre_mlp_layernorm.weight": "norm.layer",
    "self_attn_layer_norm.weight": "norm.layer",
    "self_attn_layer_norm.bias": "norm.layer",
    "final_layer_norm.weight": "norm.layer",
    "final_layer_norm.bias": "norm.layer",
    "operator_norm.weight": "norm.layer",
    "ffn_norm.weight": "norm.layer",
    # Granite's, which is all there is where a layer has no experts
    "shared_mlp.input_linear.weight": "shared.gate + shared.up | ffn.gate + ffn.up",
    "shared_mlp.output_linear.weight": "shared.down | ffn.down",
    **{
        f"{parent}.{name}": entry
        for parent in ("self_attn", "attention", "cross_attn")
        for name, entry in ATTENTION.items()
    },
    **{
        f"{parent}.{name}": entry
        for parent, names in (
            ("linear_attn", LINEAR_ATTENTION),
            ("mamba", MAMBA),
            ("conv", SHORT_CONVOLUTION),
            ("temporal_block", GRIFFIN),
        )
        for name, entry in names.items()
    },
    **{
        f"{parent}.{name}": entry
        for parent in ("mlp", "feed_forward", "mlp_block", "block_sparse_moe")
        for name, entry in _FEED_FORWARD.items()
    },
    **{
        f"{parent}.{name}": entry
        for parent in ("mlp", "moe", "block_sparse_moe", "feed_forward")
        for name, entry in MOE.items()
    },
    "feed_forward.w1.weight": "ffn.gate",
    "feed_forward.w3.weight": "ffn.up",
    "feed_forward.w2.weight": "ffn.down",
    "fc1.weight": "ffn.up",
    "fc1.bias": "ffn.bias[intermediate_size]",
    "fc2.weight": "ffn.down",
    "fc2.bias": "ffn.bias[hidden_size]",
    **NORMS,
    **RESIDUAL,
    **EMBEDDINGS,
    # Gemma 4's experts, beside the dense feed-forward
    "router.proj.weight": "router.weight",
    "router.scale": "router.other",
    "router.per_expert_scale": "router.other",
    "experts.gate_up_proj": "routed.gate + routed.up turned",
    "experts.down_proj": "routed.down turned",
    # Inkling
    "attn_sconv.conv1d.weight": "recurrent.conv",
    "mlp_sconv.conv1d.weight": "recurrent.conv",
    # JetMoE: experts of attention
    "self_attention.experts.router.layer.weight": "router.weight",
    "self_attention.experts.input_linear.weight": "attention.q",
    "self_attention.experts.output_linear.weight": "attention.o",
    "self_attention.experts.bias": "attention.bias",
    "self_attention.kv_proj.weight": "attention.k + attention.v",
    **ZAMBA,
    # a module of multi-token prediction, stored as a layer behind the last
    "enorm.weight": "mtp.norm",
    "hnorm.weight": "mtp.norm",
    "eh_proj.weight": "mtp.projection",
    "shared_head.norm.weight": "mtp.norm",
    "embed_tokens.weight": "copy of embedding.tokens",
    "shared_head.head.weight": "copy of head.lm",
}

_TOWERS = {
    **dict.fromkeys(
        (
            "visual.",
            "model.visual.",
            "vision_tower.",
            "model.vision_tower.",
            "vision_model.",
            "model.vision_model.",
            "vision_encoder.",
            "vision_language_adapter.",
            "patch_merger.",
            "pre_mm_projector_norm.",
            "multi_modal_projector.",
            "model.multi_modal_projector.",
            "mm_projector.",
            "model.mm_projector.",
            "mlp1.",
            "model.embed_vision.",
            "embed_vision.",
            "model.embed_tokens_extend.image_embed.",
        ),
        Component.VISION,
    ),
    **dict.fromkeys(
        (
            "audio_tower.",
            "model.audio_tower.",
            "model.embed_audio.",
            "embed_audio.",
            "audio_encoder.",
            "model.embed_tokens_extend.audio_embed.",
        ),
        Component.AUDIO,
    ),
}

TRANSFORMERS = Layout(
    name="transformers",
    stems=(
        "model.",
        "model.language_model.",
        "language_model.model.",
        "",
        "language_model.",
        "model.decoder.",
        "biogpt.",
    ),
    layers="layers",
    layer=_LAYER,
    top={
        "embed_tokens.weight": "embedding.tokens",
        "word_embeddings.weight": "embedding.tokens",
        "embed_positions.weight": "embedding.positions",
        "norm.weight": "norm.final",
        "norm.bias": "norm.final",
        "final_layernorm.weight": "norm.final",
        "final_layernorm.bias": "norm.final",
        "final_layer_norm.weight": "norm.final",
        "final_layer_norm.bias": "norm.final",
        "final_norm.weight": "norm.final",
        "layer_norm.weight": "norm.final",
        "layer_norm.bias": "norm.final",
        "embedding_norm.weight": "norm.final",
        "rotary_emb.inv_freq": "buffer",
        "project_in.weight": "embedding.projection",
        "project_out.weight": "head.projection",
        **EMBEDDINGS_TOP,
        **RESIDUAL_TOP,
    },
    anywhere={
        "lm_head.weight": "head.lm",
        "lm_head.bias": "head.bias",
        "language_model.lm_head.weight": "head.lm",
        "model.lm_head.weight": "head.lm",
        "output_projection.weight": "head.lm",
    },
    prediction=("mtp.", "model.mtp."),
    prediction_top={
        "fc.weight": "mtp.projection",
        "norm.weight": "mtp.norm",
        "pre_fc_norm_embedding.weight": "mtp.norm",
        "pre_fc_norm_hidden.weight": "mtp.norm",
        "embed_tokens.weight": "copy of embedding.tokens",
        "lm_head.weight": "copy of head.lm",
    },
    parts=_TOWERS,
)
