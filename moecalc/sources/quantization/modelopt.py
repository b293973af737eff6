"""`modelopt` (NVIDIA TensorRT Model Optimizer): NVFP4, FP8, MXFP8 and mixtures, with lists of excluded modules."""

from collections.abc import Mapping

from moecalc.sources.quantization.block import Block
from moecalc.sources.quantization.patterns import Patterns, glob
from moecalc.sources.quantization.scheme import Rule, Scheme

FORMATS = {
    "FP8": "fp8-tensor-static",
    "FP8_PER_CHANNEL_PER_TOKEN": "fp8-channel",
    "FP8_PB_WO": "fp8-block128",
    "MXFP8": "mxfp8",
    "NVFP4": "nvfp4-w4a4",
    "W4A16_NVFP4": "nvfp4-w4a16",
}
"""`quant_algo` -> format; scales are float32 (modelopt, export/unified_export_hf.py)."""


def scheme(block: Block) -> Scheme | str:
    """Linear layers less the excluded ones; a mixture names each module's algorithm."""
    nested = block.settings.get("quantization")
    if isinstance(nested, Mapping):
        block = block.section({**block.settings, **nested}, "quantization")
    ignore = block.patterns(glob, "ignore", "exclude_modules")
    algorithm = str(block.settings.get("quant_algo"))
    if algorithm == "MIXED_PRECISION":
        rules = layer_rules(block)
        return rules if isinstance(rules, str) else Scheme(rules, ignore)
    if algorithm not in FORMATS:
        return f"modelopt's `{algorithm}`"
    return Scheme((Rule(FORMATS[algorithm]),), ignore)


def layer_rules(block: Block) -> tuple[Rule, ...] | str:
    """A rule for each algorithm of `quantized_layers`, or in words which one is not modelled."""
    layers = block.settings.get("quantized_layers")
    if layers and not isinstance(layers, Mapping):
        block.refuse("quantized_layers", layers, "a mapping of module names to algorithms")
    if not isinstance(layers, Mapping) or not layers:
        return "modelopt's mixed precision without `quantized_layers`"
    by_algorithm: dict[str, list[str]] = {}
    for module, own in layers.items():
        algorithm = str(own.get("quant_algo")) if isinstance(own, Mapping) else str(own)
        by_algorithm.setdefault(algorithm, []).append(module)
    unknown = [algorithm for algorithm in by_algorithm if algorithm not in FORMATS]
    if unknown:
        return f"modelopt's `{unknown[0]}`"
    return tuple(
        Rule(FORMATS[algorithm], Patterns.of(modules, glob)) for algorithm, modules in by_algorithm.items()
    )
