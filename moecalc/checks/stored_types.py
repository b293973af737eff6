"""The dtypes a format's values and scales are stored in, by the names that safetensors and GGUF files use."""

from collections.abc import Mapping

from moecalc.sources.layouts.lift import Part
from moecalc.specs.formats import Format

PLAIN = {
    "fp64": "F64",
    "fp32": "F32",
    "bf16": "BF16",
    "fp16": "F16",
    "fp8": "F8_E4M3",
    "int8": "I8",
    "int64": "I64",
}
"""Formats without companions, by the dtype that safetensors files name."""

_FLOATS: Mapping[int, frozenset[str]] = {
    32: frozenset({"F32"}),
    16: frozenset({"BF16", "F16"}),
    8: frozenset({"F8_E4M3"}),
}
_POWERS = frozenset({"F8_E8M0", "U8"})
"""Scales that are powers of two: gpt-oss declares them as plain bytes."""

_PAIRS = frozenset({"U8", "I8", "F4"})
"""Two FP4 values to a byte: gpt-oss and modelopt, DeepSeek's own, and safetensors' own dtype."""

_ALIASES = {
    "weight_scale_inv": "weight_scale",
    "scale": "weight_scale",
    "_scale_inv": "weight_scale",
    "_scale": "weight_scale",
    "_scales": "weight_scale",
    "qscale_weight": "weight_scale",
    "qscale_act": "input_scale",
    "weight_scale_2": "weight_global_scale",
}
"""Other names of the same tensors."""

BLOCK_SCALES = frozenset(
    {"scales", *(name for name, alias in _ALIASES.items() if alias == "weight_scale")}
) | {"weight_scale"}
"""Companions with one scale for each block of a matrix."""

_WORDS = frozenset({"I32", "U32"})

_VALUES: Mapping[str, frozenset[str]] = {
    "fp8-": frozenset({"F8_E4M3"}),
    "mxfp8": frozenset({"F8_E4M3"}),
    "int8-": frozenset({"I8"}),
    "llm-int8": frozenset({"I8"}),
    "mxfp4": _PAIRS,
    "nvfp4": _PAIRS,
    "nf4": frozenset({"U8"}),
    "bnb-fp4": frozenset({"U8"}),
    "mlx-": frozenset({"U32"}),
}
"""By the beginning of a format's name. Of ggml's one row may be several tensors of several types: the bytes tell."""

_OTHERS: Mapping[str, frozenset[str]] = {
    "qweight": _WORDS,
    "qzeros": _WORDS,
    "g_idx": frozenset({"I32", "I64"}),
    "weight_g_idx": frozenset({"I32", "I64"}),
    "weight_shape": frozenset({"I64", "I32"}),
    "weight_zero_point": frozenset({"I32", "I8"}),
    "input_zero_point": frozenset({"I8"}),
    "scales": _FLOATS[16],
    "biases": _FLOATS[16],
    "SCB": _FLOATS[32],
    "weight_global_scale": _FLOATS[32],
    "input_global_scale": _FLOATS[32],
    "input_scale": _FLOATS[32] | _FLOATS[16],
    "weight_format": frozenset({"U8", "I8"}),
}
"""By the name of the stored tensor, of formats that do not say otherwise."""


def admitted(format_: Format, part: Part) -> frozenset[str] | None:
    """The dtypes that a part of a matrix in that format may have; None where any may be."""
    if part.kind == "values":
        return _values(format_, part)
    if part.companion.startswith("weight.") or part.companion == "absmax":
        return None  # bitsandbytes' look-up tables and states
    name = _ALIASES.get(part.companion, part.companion)
    if name == "weight_scale":
        return _scales(format_)
    return _OTHERS.get(name)


def _values(format_: Format, part: Part) -> frozenset[str] | None:
    if format_.name in PLAIN:
        return frozenset({PLAIN[format_.name]})
    if part.companion in {"qweight", "weight_packed"} and not format_.name.startswith("nvfp4"):
        return _WORDS
    return next((dtypes for beginning, dtypes in _VALUES.items() if format_.name.startswith(beginning)), None)


def _scales(format_: Format) -> frozenset[str] | None:
    name = format_.name
    if name.startswith("nvfp4"):
        return frozenset({"F8_E4M3"})
    bits = next((t.bits for t in format_.tensors if t.name == "weight_scale"), format_.scale_bits)
    return _POWERS if bits == 8 else _FLOATS.get(bits)
