"""`awq`: int4 groups with packed zero points and float16 scales (Lin et al., arXiv 2306.00978; AutoAWQ)."""

from moecalc.sources.quantization.block import Block
from moecalc.sources.quantization.patterns import substring
from moecalc.sources.quantization.scheme import Rule, Scheme

_LAYOUTS = {"gemm", "exllama", "ipex", "None"}


def scheme(block: Block) -> Scheme | str:
    """Every linear layer inside the decoder layers, less those whose name contains an entry of the list."""
    settings = block.settings
    layout = str(settings.get("version") or settings.get("format") or None).lower().replace("none", "None")
    if layout not in _LAYOUTS:
        return f"AWQ's `{layout}` layout"
    bits, group = (
        block.whole("bits", "w_bit", default=4),
        block.group_size("group_size", "q_group_size", default=128),
    )
    if bits not in {4, 8}:
        return f"AWQ with {bits} bits in groups of {group}"
    name = f"awq-int{bits}" + (f"-g{group}" if group > 0 else "")
    ignore = block.patterns(substring, "modules_to_not_convert")
    return Scheme((Rule(name),), ignore, kept=block.kept)
