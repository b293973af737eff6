from tests.oracle.towers._text import LLAMA

TINY = {
    **{key: value for key, value in LLAMA.items() if key != "model_type"},
    "model_type": "phi4_multimodal",
    "pad_token_id": 0,
    "vision_config": {
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "image_size": 30,
        "patch_size": 7,
    },
    "audio_config": {
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_blocks": 3,
        "num_attention_heads": 2,
        "ext_pw_out_channel": 24,
        "depthwise_separable_out_channel": 24,
        "nemo_conv_channels": 10,
        "bias_max_distance": 9,
    },
}
VARIANTS = [
    {"vision_config": {"num_channels": 1}},
    {"audio_config": {"time_reduction": 4, "input_size": 37, "bias_symmetric": True, "kernel_size": 5}},
    {"audio_config": {"num_blocks": 1, "downsample_rate": 2, "nemo_conv_channels": 12}},
    {"tie_word_embeddings": True},
    {"sliding_window": 16},
]

COUNTED = (
    "convolves the columns that sound is padded with; projects the learned ends of rows, whose number follows from "
    "how an image is cut; fills sound of more than 500 frames up to whole segments"
)
