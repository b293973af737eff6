"""`bitsandbytes`: NF4 and FP4 with blocks of 64, and LLM.int8() (Dettmers et al., arXiv 2305.14314, 2208.07339)."""

from moecalc.sources.quantization.block import EXPERTS, Block
from moecalc.sources.quantization.patterns import prefix_or_suffix
from moecalc.sources.quantization.scheme import Rule, Scheme

_STACKED = (
    "bitsandbytes converts linear layers only: the experts, one stacked tensor in the transformers that wrote "
    "this config, are counted in the unquantized dtype"
)


def scheme(block: Block) -> Scheme | str:
    """Every `nn.Linear` but the head and `llm_int8_skip_modules`."""
    settings = block.settings
    if block.flag("load_in_8bit", "_load_in_8bit"):
        name = "llm-int8"
    elif block.flag("load_in_4bit", "_load_in_4bit"):
        kind = str(settings.get("bnb_4bit_quant_type", "fp4"))
        if kind not in {"nf4", "fp4"}:
            return f"bitsandbytes' 4-bit type `{kind}`"
        name = ("nf4" if kind == "nf4" else "bnb-fp4") + (
            "-dq" if block.flag("bnb_4bit_use_double_quant") else ""
        )
    else:
        return "bitsandbytes without `load_in_4bit` or `load_in_8bit`"
    ignore = block.patterns(prefix_or_suffix, "llm_int8_skip_modules")
    kept = block.kept
    warnings: tuple[str, ...] = ()
    if block.stacks_experts:
        kept |= EXPERTS
        if any(block.config.get(key) for key in ("num_experts", "num_local_experts", "n_routed_experts")):
            warnings = (_STACKED,)
    return Scheme((Rule(name),), ignore, kept=kept, warnings=warnings)
