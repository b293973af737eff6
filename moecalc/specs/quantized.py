"""Formats whose names carry parameters: group sizes, bits, what a scale is stored in.

A name is the field's (`awq-int4-g128`, `gptq-int3`, `w4a16-g128`, `nf4-dq`). Without `-g` a group is a whole row.
"""

import re
from collections.abc import Callable

from moecalc.specs.gguf_types import BY_NAME
from moecalc.specs.storage import Count, Format, Packed, Tensor


def _scaled(name: str, *, kind: str, per: str, dtype: str | None, static: str | None) -> Format:
    """8-bit values with a scale per tensor, row or block, and for static activations one more per matrix."""
    rows, _, columns = per.removeprefix("block").partition("x")
    named: dict[str, tuple[Count, Count]] = {"tensor": (None, None), "channel": (1, None)}
    sides = named[per] if per in named else (int(rows), int(columns or rows))
    bits = {"fp32": 32, "bf16": 16, "fp16": 16, "ue8m0": 8}[dtype or "fp32"]
    tensors = [Tensor("weight", 8), Tensor("weight_scale", bits, sides)]
    if static:
        tensors.append(Tensor("input_scale", max(bits, 16), (None, None)))
    if static == "static-asym":
        tensors.append(Tensor("input_zero_point", 8, (None, None)))
    return Format(
        name,
        8,
        source=f"{kind} values with one {dtype or 'fp32'} scale per {per}",
        tensors=tuple(tensors),
        computes_in=kind,
    )


def _per_group(group: str | None) -> tuple[Count, Count]:
    return (1, int(group) if group else None)


def _packed_int(name: str, *, bits: str, group: str | None, asym: str | None, act: str | None) -> Format:
    """compressed-tensors `pack-quantized`: integers in int32 words along the inputs, 16-bit scales, the shape."""
    tensors = [
        Tensor("weight_packed", 32, value_bits=int(bits)),
        Tensor("weight_scale", 16, _per_group(group)),
        Tensor("weight_shape", 64, fixed=2),
    ]
    if asym:
        zeros = Tensor("weight_zero_point", 32, _per_group(group), int(bits), Packed.OUT)
        tensors.append(zeros)
    if act:
        tensors.append(Tensor("weight_g_idx", 32, (None, 1)))
    source = "compressed-tensors 0.20, PackedQuantizationCompressor (vllm-project/compressed-tensors)"
    return Format(name, int(bits), source=source, tensors=tuple(tensors), computes_in="bf16")


def _awq(name: str, *, bits: str, group: str | None) -> Format:
    tensors = (
        Tensor("qweight", 32, value_bits=int(bits), packed=Packed.OUT),
        Tensor("qzeros", 32, _per_group(group), int(bits), Packed.OUT),
        Tensor("scales", 16, _per_group(group)),
    )
    source = "AutoAWQ 0.2.9, WQLinear_GEMM (casper-hansen/AutoAWQ)"
    return Format(name, int(bits), source=source, tensors=tensors, computes_in="fp16")


def _gptq(name: str, *, bits: str, group: str | None) -> Format:
    tensors = (
        Tensor("qweight", 32, value_bits=int(bits), packed=Packed.IN),
        Tensor("qzeros", 32, _per_group(group), int(bits), Packed.OUT),
        Tensor("scales", 16, _per_group(group)),
        Tensor("g_idx", 32, (None, 1)),
    )
    source = "AutoGPTQ 0.7.1, QuantLinear (AutoGPTQ/AutoGPTQ); g_idx is stored whether or not desc_act is set"
    return Format(name, int(bits), source=source, tensors=tensors, computes_in="fp16")


def _bitsandbytes_4bit(name: str, *, double: str | None, **_: str | None) -> Format:
    tensors = [Tensor("weight", 8, value_bits=4, flat=1), Tensor("quant_map", 32, fixed=16)]
    if double:
        tensors += [
            Tensor("absmax", 8, flat=64),
            Tensor("nested_absmax", 32, flat=64 * 256),
            Tensor("nested_quant_map", 32, fixed=256),
        ]
    else:
        tensors.append(Tensor("absmax", 32, flat=64))
    source = (
        "bitsandbytes 0.50.2, Linear4bit; its `quant_state`, a JSON text of about 80 to 175 bytes per matrix whose "
        "length depends on the values, is not counted"
    )
    return Format(name, 4, source=source, tensors=tuple(tensors), computes_in="bf16")


def _llm_int8(name: str) -> Format:
    tensors = (
        Tensor("weight", 8),
        Tensor("SCB", 32, (1, None)),
        Tensor("weight_format", 8, (None, None)),
    )
    source = "bitsandbytes 0.50.2, Linear8bitLt: int8 with a float32 absolute maximum per row"
    return Format(name, 8, source=source, tensors=tensors, computes_in="int8")


def _mlx(name: str, *, bits: str, group: str | None) -> Format:
    tensors = (
        Tensor("weight", 32, value_bits=int(bits)),
        Tensor("scales", 16, _per_group(group)),
        Tensor("biases", 16, _per_group(group)),
    )
    source = "MLX affine quantization: a 16-bit scale and a 16-bit bias per group (ml-explore/mlx)"
    return Format(name, int(bits), source=source, tensors=tensors, computes_in="fp16")


def ggml_format(type_: str) -> str:
    """The name of the format that is one of ggml's types."""
    plain = {"F32": "fp32", "F16": "fp16", "BF16": "bf16"}
    return plain.get(type_) or f"ggml-{type_.lower()}"


def ggml_latent_format(key_type: str, nope: int, value_type: str, value: int) -> str:
    """The name of the format of latent attention's kv_b as llama.cpp stores it: two types, heads' rows by turns."""
    return f"ggml-kv_b-{key_type.lower()}-{nope}-{value_type.lower()}-{value}"


def ggml_thirds_format(query_type: str, key_type: str, value_type: str) -> str:
    """The name of the format of queries, keys and values of one row each that llama.cpp stores apart."""
    return f"ggml-qkv-{query_type.lower()}-{key_type.lower()}-{value_type.lower()}"


def _ggml(name: str, *, type: str) -> Format:  # noqa: A002 - the group's name in the pattern
    stored = BY_NAME[type.upper()]
    tensors = (Tensor("blocks", 8 * stored.bytes, (1, stored.block)),)
    return Format(name, _bits(type), source=_GGML, tensors=tensors, computes_in="bf16")


def _ggml_latent(name: str, *, key: str, nope: str, value: str, width: str) -> Format:
    keys, values = BY_NAME[key.upper()], BY_NAME[value.upper()]
    rows = int(nope) + int(width)
    # Keys are stored turned round: for each head and each column of the latent one row of `nope` elements.
    tensors = (
        Tensor("attn_k_b", 8 * keys.row_bytes(int(nope)), (rows, 1)),
        Tensor("attn_v_b", 8 * values.bytes * int(width), (rows, values.block)),
    )
    return Format(name, _bits(value), source=_GGML, tensors=tensors, computes_in="bf16")


def _ggml_thirds(name: str, *, query: str, key: str, value: str) -> Format:
    types = {"attn_q": query, "attn_k": key, "attn_v": value}
    stored = {tensor: BY_NAME[type_.upper()] for tensor, type_ in types.items()}
    tensors = tuple(Tensor(tensor, 8 * type_.bytes, (3, type_.block)) for tensor, type_ in stored.items())
    return Format(name, _bits(query), source=_GGML, tensors=tensors, computes_in="bf16")


def _bits(type_: str) -> int:
    return int(BY_NAME[type_.upper()].bits_per_weight)  # the values' own, without the share of their scales


_GGML = "ggml-common.h of llama.cpp: blocks of quantized values with their scales, one type for each tensor"
_TYPE_NAMES = "|".join(name.lower() for name in BY_NAME)

PARAMETRISED: tuple[tuple[str, str, Callable[..., Format]], ...] = (
    (
        "fp8-channel-bf16",
        (
            r"(?P<kind>fp8|int8)-(?P<per>tensor|channel|block[1-9]\d*(?:x[1-9]\d*)?)"
            r"(?:-(?P<dtype>fp32|bf16|fp16|ue8m0))?(?:-(?P<static>static(?:-asym)?))?"
        ),
        _scaled,
    ),
    (
        "w4a16-g128",
        r"w(?P<bits>[1-8])a16-(?:g(?P<group>[1-9]\d*)|channel)(?:-(?P<asym>asym))?(?:-(?P<act>act))?",
        _packed_int,
    ),
    ("awq-int4-g128", r"awq-int(?P<bits>4|8)(?:-g(?P<group>[1-9]\d*))?", _awq),
    ("gptq-int4-g128", r"gptq-int(?P<bits>2|3|4|8)(?:-g(?P<group>[1-9]\d*))?", _gptq),
    ("mlx-int4-g64", r"mlx-int(?P<bits>[2-8])-g(?P<group>[1-9]\d*)", _mlx),
    ("nf4", r"(?P<kind>nf4|bnb-fp4)(?:-(?P<double>dq))?", _bitsandbytes_4bit),
    ("llm-int8", r"llm-int8", _llm_int8),
    ("ggml-q4_k", rf"ggml-(?P<type>{_TYPE_NAMES})", _ggml),
    (
        "ggml-kv_b-q5_0-128-q4_k-128",
        rf"ggml-kv_b-(?P<key>{_TYPE_NAMES})-(?P<nope>[1-9]\d*)-(?P<value>{_TYPE_NAMES})-(?P<width>[1-9]\d*)",
        _ggml_latent,
    ),
    (
        "ggml-qkv-q4_k-q4_k-q6_k",
        rf"ggml-qkv-(?P<query>{_TYPE_NAMES})-(?P<key>{_TYPE_NAMES})-(?P<value>{_TYPE_NAMES})",
        _ggml_thirds,
    ),
)
"""An example of each name that carries parameters, its pattern, and what makes the format of the parts."""


def parse(name: str) -> Format | None:
    """The format of a name that carries parameters, or None."""
    for _, pattern, make in PARAMETRISED:
        if match := re.fullmatch(pattern, name):
            return make(name, **match.groupdict())
    return None
