"""Which fields of grouped-query attention are built, which not with one another, and which sharing keys goes by."""

from moecalc.ir.blocks.attention import GQA
from moecalc.profile.builder.refusal import check_fields, refused

KNOWN = [
    "heads",
    "kv_heads",
    "head_dim",
    "v_head_dim",
    "window",
    "window_masked",
    "chunk",
    "prefix_lm",
    "qkv_bias",
    "o_bias",
    "qk_norm",
    "qk_norm_over",
    "v_norm",
    "sinks",
    "softcap",
    "gate",
    "gate_bias",
    "gate_head_bias",
    "repeated_in_cache",
    "norm",
    "values_are_keys",
    "dynamic_mask",
    "differential",
    "shared_kv",
    "indexer",
    "input_size",
    "kv_conv",
    "relative",
    "kv_conv_dynamic",
    "q_scale",
    "sink_projection",
]


def check_attention(block: GQA) -> None:
    """Raise InputError for parts that are not built, or built each, but not with one another."""
    check_fields(block, KNOWN)
    for name in ("sinks", "softcap", "indexer", "dynamic_mask", "chunk", "differential", "shared_kv"):
        if block.relative and getattr(block, name):
            raise refused(f"`gqa` with `relative` and `{name}`")
    for name in ("sinks", "softcap"):
        if block.dynamic_mask and getattr(block, name):
            raise refused(f"`gqa` with `dynamic_mask` and `{name}`")
    for name in ("window", "chunk", "sinks", "softcap", "dynamic_mask", "shared_kv"):
        if block.indexer and getattr(block, name):
            raise refused(f"`gqa` with `indexer` and `{name}`")
    if block.differential and (block.gate or block.norm not in (None, "unweighted")):
        raise refused(f"`gqa` with `differential` and `{'gate' if block.gate else f'norm: {block.norm}'}`")


def signature(block: GQA) -> tuple[object, ...]:
    """What attention has to have in common with an earlier one to read its keys and values."""
    return block.kv_heads, block.head_dim, block.v_head_dim, block.window, block.chunk
