"""Names of embeddings beside the tokens' own: per layer (Gemma 3n), of n-grams (Qwen 4), of other modalities."""

EMBEDDINGS = {
    "per_layer_input_gate.weight": "ffn.other",
    "per_layer_projection.weight": "ffn.other",
    # Qwen 4's n-gram embeddings
    "ple.ple_embedding.ngram_embedding.shard_{}.weight": "embedding.per_layer",
    "ple.ple_embedding.layer_multipliers": "embedding.other",
    "ple.ple_embedding.ngram_heads_offsets": "embedding.other",
    "ple.ple_embedding.ngram_heads_vocab_sizes": "embedding.other",
    "ple.key_proj.weight": "embedding.projection",
    "ple.value_proj.weight": "embedding.projection",
    "ple.conv1d.weight": "recurrent.conv",
}
"""Relative to the layer."""

EMBEDDINGS_TOP = {
    "embed_tokens_per_layer.weight": "embedding.per_layer",
    "per_layer_model_projection.weight": "embedding.projection",
    "per_layer_projection_norm.weight": "norm.layer",
    "embed_tokens.embed_norm.weight": "norm.layer",
    "input_hidden_states_scale": "embedding.other",
    "input_hidden_states_bias": "embedding.other",
}
"""Outside the layers."""
