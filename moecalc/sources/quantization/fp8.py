"""`fp8` (DeepSeek's block scales and transformers' per-tensor form) and `fbgemm_fp8` (a scale per row)."""

from moecalc.ir.roles import Role
from moecalc.sources.quantization import modelopt
from moecalc.sources.quantization.block import EXPERTS, SIDES, Block, is_block
from moecalc.sources.quantization.patterns import prefix_or_suffix
from moecalc.sources.quantization.scheme import KEPT, Rule, Scheme

# DeepSeek-V3.2 (inference/model.py): the indexer's head weights are a 16-bit layer; DeepSeek-V4 keeps its
# compressors in float32 (transformers 5.23, modeling_deepseek_v4, _keep_in_fp32_modules).
_KEPT = KEPT | {Role.INDEXER_WEIGHTS, Role.COMPRESSOR_KV, Role.COMPRESSOR_GATE, Role.FFN_OTHER}


def scheme(block: Block) -> Scheme | str:
    """E4M3 for linear layers; experts in MXFP4 or NVFP4 where the config says so."""
    expert_dtype = block.settings.get("expert_dtype") or block.config.get("expert_dtype")
    sizes = block.settings.get("weight_block_size")
    static = "-static" if block.settings.get("activation_scheme") == "static" else ""
    if not sizes:
        format_ = f"fp8-tensor{static}"
    else:
        if not is_block(sizes):
            block.refuse("weight_block_size", sizes, SIDES)
        rows, columns = sizes
        format_ = f"fp8-block{rows}" if rows == columns else f"fp8-block{rows}x{columns}"
        # V3.1 declares `ue8m0` too and stores float32; V4 stores the byte, as its FP4 experts' scales.
        if expert_dtype == "fp4" and block.settings.get("scale_fmt") == "ue8m0":
            format_ += "-ue8m0"
        format_ += static
    experts = modelopt.layer_rules(block) if block.settings.get("quantized_layers") else ()
    if isinstance(experts, str):
        return experts
    rules = (*experts, Rule(format_))
    special = dict.fromkeys(EXPERTS, "mxfp4") if expert_dtype == "fp4" else {}
    # V4 stores the two halves of an MTP module's projection in FP8, V3 the whole in 16 bits.
    kept = _KEPT - {Role.MTP_PROJECTION} if expert_dtype == "fp4" else _KEPT
    ignore = block.patterns(prefix_or_suffix, "modules_to_not_convert", "ignored_layers")
    return Scheme(rules, ignore, kept=kept, by_role=special)


def fbgemm(block: Block) -> Scheme:
    """E4M3 with a float32 scale per row (transformers, FbgemmFp8Linear)."""
    ignore = block.patterns(prefix_or_suffix, "modules_to_not_convert")
    return Scheme((Rule("fp8-channel"),), ignore)
