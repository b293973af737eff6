"""`quantization_config` of a Hugging Face config -> which matrices are stored in which format.

One module per method; each turns its block into a `Scheme`. What stays out of every count: the scales of a
quantized KV cache (two numbers per attention layer), and bitsandbytes' `quant_state` text.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from moecalc.ir.architecture import Architecture
from moecalc.sources.quantization import (
    awq,
    bitsandbytes,
    compressed_tensors,
    fp8,
    gptq,
    mlx,
    modelopt,
    mxfp4,
)
from moecalc.sources.quantization.block import Block
from moecalc.sources.quantization.scheme import Scheme, place
from moecalc.specs.formats import Precision, is_format

KEYS = ("quantization_config", "compression_config", "quantization")
"""Where configs hold the block: the first that is there counts."""

METHODS: dict[str, Callable[[Block], Scheme | str]] = {
    "awq": awq.scheme,
    "bitsandbytes": bitsandbytes.scheme,
    "compressed-tensors": compressed_tensors.scheme,
    "fbgemm_fp8": fp8.fbgemm,
    "fp8": fp8.scheme,
    "gptq": gptq.scheme,
    "mlx": mlx.scheme,
    "modelopt": modelopt.scheme,
    "modelopt_fp4": modelopt.scheme,
    "modelopt_mixed": modelopt.scheme,
    "mxfp4": mxfp4.scheme,
}
"""quant_method -> its scheme, or in words what of the block is not modelled."""


class Reading(msgspec.Struct, frozen=True):
    """How a config's weights are stored, and what a reader must know about that."""

    precision: Precision
    warnings: tuple[str, ...] = ()


def read_precision(
    config: Mapping[str, Any], model_type: str, default: str, architecture: Architecture
) -> Reading:
    """The precision of a checkpoint whose unquantized tensors are in `default`."""
    key = next((key for key in KEYS if config.get(key)), None)
    if key is None or not isinstance(config[key], Mapping):
        return Reading(Precision(default))
    block = Block(config[key], config, model_type, default, key)
    method = block.method
    if method not in METHODS:
        return Reading(Precision(default), (_unmodelled(f"quantization method `{method}`"),))
    made = METHODS[method](block)
    if isinstance(made, str):
        return Reading(Precision(default), (_unmodelled(made),))
    unknown = [name for name in made.formats() if not is_format(name)]
    if unknown:
        return Reading(Precision(default), (_unmodelled(f"`{method}` as `{unknown[0]}`"),))
    precision, warnings = place(made, architecture.lower_to_ledger(), model_type, default)
    return Reading(precision, warnings)


def _unmodelled(what: str) -> str:
    return f"{what} is not modelled: weights are shown in the unquantized dtype"
