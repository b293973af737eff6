from tests.oracle.towers._text import LLAMA, PIXTRAL

TINY = {
    "model_type": "mistral3",
    "text_config": {**LLAMA, "model_type": "mistral", "head_dim": 12},
    "vision_config": PIXTRAL,
    "tie_word_embeddings": False,
}
VARIANTS = [
    {"multimodal_projector_bias": True},
    {"spatial_merge_size": 3},
    {"tie_word_embeddings": True},
    {"text_config": {"tie_word_embeddings": True}},
    {"vision_feature_layer": [-2, -1]},
]

COUNTED = "packs several images behind each other, and scores and masks the pairs between them"
