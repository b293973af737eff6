"""Model types of which the builder lacks a part, with the words by which it says so."""

REFUSED = {
    "cpmant": "`Embedding` with `types: 3`",
    "deepseek_v4": "`Stack` with `residual`",
    "gemma3n_text": "`Stack` with `altup`",
    "gemma4_text": "`Embedding` with `per_layer`",
    "hrm_text": "a model of 2 stacks",
    "hy_v4": "`Stack` with `residual`",
    "inkling2_text": "`Stack` with `attention_residual`",
    "inkling_text": "`Layer` with `conv_kernel: 3`",
    "jetmoe": "a mixer `moa`",
    "longcat_flash": "`Layer` with `beside`",
    "minimax_m3_vl_text": "`gqa` with `indexer`",
    "mllama": "`Layer` with `gates: True`",
    "qwen4_exp_text": "`Stack` with `residual`",
    "rwkv": "a mixer `wkv`",
    "xlstm": "a mixer `mlstm`",
    "zamba": "`mamba` with `heads: 2`",
    "zamba2": "`Layer` with `before`",
    "zaya": "`Embedding` with `affine: True`",
}
