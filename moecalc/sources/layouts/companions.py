"""What a quantizer stores in place of a matrix `weight`, and beside it.

Each name here ends a tensor's name; what stands before it is the module whose `weight` the tensor belongs to.
"""

from typing import Literal

Kind = Literal["values", "scale", "other"]

KINDS: dict[str, Kind] = {
    # the values themselves, packed
    "qweight": "values",  # GPTQ, AWQ
    "weight_packed": "values",  # compressed-tensors
    # one number per block, group or row
    "weight_scale_inv": "scale",  # DeepSeek-V3's FP8
    "weight_scale": "scale",  # compressed-tensors, modelopt, fbgemm
    "scales": "scale",  # GPTQ, AWQ, MLX
    "scale": "scale",  # DeepSeek's own inference code
    "qscale_weight": "scale",  # Mistral's FP8
    "weight.absmax": "scale",  # bitsandbytes
    "SCB": "scale",  # bitsandbytes, LLM.int8()
    "qzeros": "other",
    "g_idx": "other",
    "biases": "other",  # MLX
    "weight_zero_point": "other",
    "weight_g_idx": "other",
    "weight_shape": "other",
    "weight_global_scale": "other",
    "weight_scale_2": "other",
    "input_scale": "other",
    "input_global_scale": "other",
    "input_zero_point": "other",
    "qscale_act": "other",
    "weight_format": "other",
    "weight.quant_map": "other",
    "weight.nested_absmax": "other",
    "weight.nested_quant_map": "other",
    "weight.quant_state.bitsandbytes__nf4": "other",
    "weight.quant_state.bitsandbytes__fp4": "other",
}
"""Last part of a name -> what it is. MTP copies and norms have none of these."""

FUSED: dict[str, Kind] = {"_blocks": "values", "_scales": "scale", "_scale_inv": "scale", "_scale": "scale"}
"""Endings joined to a parameter's own name (`gate_up_proj_blocks`): stacked experts are no modules."""


_ENDINGS = (*(f".{ending}" for ending in KINDS), *FUSED)


def split(template: str) -> tuple[tuple[str, str], ...]:
    """(name of the matrix, companion) for each way to read a name as a companion."""
    if not template.endswith(_ENDINGS):  # most names, in one call
        return ()
    found: list[tuple[str, str]] = []
    found += [
        (f"{template.removesuffix(f'.{ending}')}.weight", ending)
        for ending in KINDS
        if template.endswith(f".{ending}")
    ]
    found += [(template.removesuffix(ending), ending) for ending in FUSED if template.endswith(ending)]
    return tuple(found)


def kind_of(companion: str) -> Kind:
    """What a companion is."""
    return KINDS[companion] if companion in KINDS else FUSED[companion]
