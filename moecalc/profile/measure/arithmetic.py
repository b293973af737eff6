"""What torch may do to products behind a type's name: TF32 in place of fp32, sums in 16 bits.

These are settings of the process, which ceilings and steps share. They are recorded as they are found, and not set:
torch's defaults are full fp32 products, TF32 convolutions and reduced sums (torch.backends.cuda.matmul and .cudnn).
"""

import os
from typing import Any

from moecalc.specs.runs import Arithmetic

OVERRIDE = "NVIDIA_TF32_OVERRIDE"
"""At 0, NVIDIA's libraries do not use TF32 whatever a program asks (cuBLAS, "Tensor Core Usage")."""


def arithmetic_of(torch: Any, device: Any) -> Arithmetic:
    """The settings that hold now, on that kind of device."""
    precision = _precision(torch)
    if device.type != "cuda":
        return Arithmetic(float32_matmul_precision=precision)
    matmul, forbidden = torch.backends.cuda.matmul, os.environ.get(OVERRIDE) == "0"
    return Arithmetic(
        float32_matmul_precision=precision,
        tf32_matmul=not forbidden and _is_tf32(matmul, "fp32_precision", "allow_tf32"),
        tf32_convolution=not forbidden and _is_tf32(torch.backends.cudnn, "conv", "allow_tf32"),
        reduced_bf16_sums=bool(matmul.allow_bf16_reduced_precision_reduction),
        reduced_fp16_sums=bool(matmul.allow_fp16_reduced_precision_reduction),
    )


def _precision(torch: Any) -> str | None:
    try:
        return str(torch.get_float32_matmul_precision())
    except RuntimeError:  # torch does not say, where its newer switches were used
        return None


def _is_tf32(settings: Any, newer: str, older: str) -> bool:
    """By torch's newer switch where it is set, or else by the older one, which may not be asked beside it."""
    found = getattr(settings, newer, None)
    found = getattr(found, "fp32_precision", found)
    return bool(getattr(settings, older)) if found in {None, "none"} else found == "tf32"
