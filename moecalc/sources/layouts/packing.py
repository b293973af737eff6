"""How many values a packed tensor holds, and the matrix they are of."""

from collections.abc import Mapping, Sequence

from moecalc.sources.layouts.lift import Part

WORD_BITS = {"I32": 32, "U32": 32, "U8": 8, "I8": 8}


def logical_shape(
    values: Part, companions: Sequence[Part], bits: int | None = None
) -> tuple[int, ...] | None:
    """The shape of the matrix that `values` packs, in values; its own where nothing is packed.

    `companions` are what stands beside it. `bits` per value is what a config says, needed only where the stored
    tensors leave it open. None where the shape cannot be told (bitsandbytes lays a matrix out in one line, and
    integers of unknown width), or where no quantizer stores such a tensor.
    """
    beside = {part.companion: part for part in companions}
    shape = values.shape
    if values.companion == "_blocks":
        # two FP4 values in a byte
        return None if len(shape) < 2 else (*shape[:-2], shape[-2] * shape[-1] * 2)
    if values.companion == "qweight":
        return _grouped_integers(values, beside, bits)
    word = WORD_BITS.get(values.dtype)
    if values.companion == "weight_packed" or ("biases" in beside and word is not None):
        width = 4 if values.dtype == "U8" else bits
        return None if not width or word is None or not shape else (*shape[:-1], shape[-1] * word // width)
    if values.dtype == "U8" and "weight.absmax" in beside:
        return None
    if shape and _holds_pairs(values, beside):
        return (*shape[:-1], shape[-1] * 2)
    return shape


def _holds_pairs(values: Part, beside: Mapping[str, Part]) -> bool:
    """Two FP4 values in a byte: NVFP4 as modelopt stores it, MXFP4 as DeepSeek's own code does."""
    if values.dtype == "I8":
        return "scale" in beside and beside["scale"].dtype == "F8_E8M0"
    return values.dtype == "U8" and "weight_scale" in beside


def logical_elements(values: Part, companions: Sequence[Part], bits: int | None = None) -> int:
    """Values in all tensors of a part; stored elements where their number cannot be told."""
    if values.dtype == "U8" and any(part.companion == "weight.absmax" for part in companions):
        return 2 * values.elements  # bitsandbytes' 4 bits
    shape = logical_shape(values, companions, bits)
    if shape is None:
        return values.elements
    size = values.tensors
    for side in shape:
        size *= side
    return size


def _grouped_integers(values: Part, beside: Mapping[str, Part], bits: int | None) -> tuple[int, ...] | None:
    """GPTQ packs along the inputs, [in / n, out]; AWQ along the outputs, [in, out / n]. Both are turned round."""
    scales, zeros = beside.get("scales"), beside.get("qzeros")
    if len(values.shape) < 2 or WORD_BITS.get(values.dtype) != 32 or scales is None or not scales.shape:
        return None
    out = scales.shape[-1]
    if zeros is not None and zeros.shape and out:
        bits = 32 * zeros.shape[-1] // out
    if not bits:
        return None
    rows, columns = values.shape[-2:]
    return (out, rows * 32 // bits) if columns == out else (out, rows)
