from tests.oracle.towers._text import LLAMA

AUDIO = {
    "model_type": "gemma4_audio",
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "subsampling_conv_channels": [12, 6],
    "output_proj_dims": 20,
}
TINY = {
    "model_type": "gemma4",
    "text_config": {
        **LLAMA,
        "model_type": "gemma4_text",
        "head_dim": 12,
        "global_head_dim": 16,
        "hidden_size_per_layer_input": 0,
    },
    "vision_config": {
        "model_type": "gemma4_vision",
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 10,
        "patch_size": 7,
        "position_embedding_size": 11,
    },
}
VARIANTS = [
    {"vision_config": {"use_clipped_linears": True}},
    {"vision_config": {"standardize": True}},
    {"tie_word_embeddings": False},
    {"text_config": {"tie_word_embeddings": False}},
    {"vision_config": None, "audio_config": AUDIO},
    {"audio_config": {**AUDIO, "use_clipped_linears": False, "conv_kernel_size": 3}},
    {"audio_config": {**AUDIO, "num_hidden_layers": 1, "subsampling_conv_channels": [16, 4]}},
]

COUNTED = (
    "averages squares of patches by a matmul with zeros and fractions, and fills the last block of sound up"
)
