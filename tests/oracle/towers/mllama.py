from tests.oracle.towers._text import LLAMA

TINY = {
    "model_type": "mllama",
    "text_config": {
        **LLAMA,
        "model_type": "mllama_text_model",
        "num_hidden_layers": 4,
        "cross_attention_layers": [1, 2],
        "pad_token_id": 0,
    },
    "vision_config": {
        "model_type": "mllama_vision_model",
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": 3,
        "num_global_layers": 2,
        "attention_heads": 2,
        "image_size": 30,
        "patch_size": 7,
        "intermediate_layers_indices": [0, 1],
        "vision_output_dim": 72,
    },
}
VARIANTS = [
    {"text_config": {"cross_attention_layers": []}},
    {"text_config": {"cross_attention_layers": [0, 1, 2, 3]}},
    {"vision_config": {"max_num_tiles": 2, "supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]]}},
    {"tie_word_embeddings": True},
]

COUNTED = (
    "fills every tile up to a multiple of 8 positions, and finds out which of them are filling by a matmul"
)
