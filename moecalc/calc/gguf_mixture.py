"""The precision that `llama-quantize` would give a model's rows in one of its mixtures.

Rows become the tensors that llama.cpp's conversion writes (fused or apart, latent expansions split per head), these
get their types, and the types go back to the rows as placements by role and layer. What stays out: the file's
metadata and vocabulary, towers (a file of their own) and prediction modules (left out by most conversions).
"""

from collections.abc import Iterator

import msgspec

from moecalc.calc.gguf_choice import GgufTensor, Traits, choose
from moecalc.ir.dims import axis
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Access, Ledger, Weight
from moecalc.specs.formats import Placement, Precision
from moecalc.specs.gguf_mixtures import mixture as named_mixture
from moecalc.specs.quantized import ggml_format, ggml_latent_format, ggml_thirds_format

NAMES = {
    Role.EMBEDDING_TOKENS: "token_embd",
    Role.EMBEDDING_PER_LAYER: "per_layer_token_embd",
    Role.HEAD: "output",
    Role.ATTENTION_Q: "attn_q",
    Role.ATTENTION_K: "attn_k",
    Role.ATTENTION_V: "attn_v",
    Role.ATTENTION_O: "attn_output",
    Role.ATTENTION_GATE: "attn_gate",
    Role.ATTENTION_Q_A: "attn_q_a",
    Role.ATTENTION_Q_B: "attn_q_b",
    Role.ATTENTION_KV_A: "attn_kv_a_mqa",
    Role.ATTENTION_KV_B: "attn_kv_b",
    Role.RECURRENT_IN: "ssm_in",
    Role.RECURRENT_OUT: "ssm_out",
    Role.RECURRENT_GATE: "attn_gate",
    Role.FFN_GATE: "ffn_gate",
    Role.FFN_UP: "ffn_up",
    Role.FFN_DOWN: "ffn_down",
    Role.EXPERT_GATE: "ffn_gate_exps",
    Role.EXPERT_UP: "ffn_up_exps",
    Role.EXPERT_DOWN: "ffn_down_exps",
    Role.SHARED_GATE: "ffn_gate_shexp",
    Role.SHARED_UP: "ffn_up_shexp",
    Role.SHARED_DOWN: "ffn_down_shexp",
    Role.MTP_PROJECTION: "nextn.eh_proj",
}
"""The names by which llama.cpp knows what a tensor is (gguf-py, constants.py); any other matrix is `other` to it."""

STAYS_FLOAT = frozenset(
    {Role.RECURRENT_CONV, Role.SHARED_SWITCH, Role.INDEXER_WEIGHTS, Role.RESIDUAL_MIX, Role.RESIDUAL_SCALE}
)
"""Matrices, beside routers, that the conversion writes in float32 (conversion/base.py, `prepare_tensors`)."""

STAYS_HALF = frozenset({Role.EMBEDDING_PROJECTION})
"""What stays in the 16 bits of the conversion (`tensor_allows_quantization`: `per_layer_model_proj`)."""

_GATED_DELTA = {Role.RECURRENT_IN: "attn_qkv", Role.RECURRENT_PROJECTION: "ssm_ba"}
"""Otherwise named in the linear layers of Qwen3-Next and Qwen3.5; the latter stores `ssm_ba` as two."""

_THIRDS = ("attn_q", "attn_k", "attn_v")
"""What one row of Kimi's delta attention is stored as; its output is `attn_output` (conversion/kimi_linear.py)."""

FUSED = {Role.ATTENTION_Q, Role.ATTENTION_K, Role.ATTENTION_V}


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """How llama.cpp's conversion stores a model type, and what its rules make of it; the defaults hold for most."""

    fused_qkv: bool = False
    falcon: bool = False
    has_seventy: bool = False
    """Whether 80 layers with grouped queries count as the 70B, which spends more on attn_v."""
    joined_kv_b: bool = False
    """Whether latent attention's kv_b is one matrix, as in files made before 2025-04."""
    before_2026_03: bool = False
    prediction: bool = False
    """Whether prediction modules are kept, as layers behind the last; their copies of embedding and head go with
    them and are in no row."""


class _Placed(msgspec.Struct, frozen=True):
    tensor: GgufTensor
    role: Role
    columns: int


def gguf_precision(ledger: Ledger, name: str, dialect: Dialect | None = None) -> Precision:
    """The types of a mixture (`Q4_K_M`, `iq4_xs-imatrix`) as a precision. Raises InputError for an unknown name."""
    dialect = dialect or Dialect()
    chosen, imatrix = named_mixture(name)
    rows = _stored_rows(ledger, dialect)
    placed = list(_placed(rows, dialect))
    tensors = dict.fromkeys(entry.tensor for entry in placed)
    types = dict(choose(tensors, chosen, _traits(rows, dialect), imatrix=imatrix))
    nope, value = _latent_heads(rows)
    formats: dict[tuple[Role, int, str], list[int | None]] = {}
    predicted: list[Placement] = []
    found: dict[tuple[Role, int, int | None], dict[str, str]] = {}
    for entry in placed:
        key = (entry.role, entry.columns, entry.tensor.layer)
        found.setdefault(key, {})[entry.tensor.name] = types[entry.tensor]
    layers_before = _layers(rows)
    for (role, columns, layer), by_name in found.items():
        if "attn_k_b" in by_name:
            format_ = ggml_latent_format(by_name["attn_k_b"], nope, by_name["attn_v_b"], value)
        elif set(_THIRDS) <= by_name.keys():
            format_ = ggml_thirds_format(*(by_name[name] for name in _THIRDS))
        else:
            format_ = ggml_format(next(iter(by_name.values())))
        if layer is not None and layer >= layers_before:
            predicted.append(Placement(role.value, format_, None, Component.MTP, columns))
        else:
            formats.setdefault((role, columns, format_), []).append(layer)
    placements = tuple(
        Placement(
            role.value,
            format_,
            None if None in layers else tuple(layer for layer in layers if layer is not None),
            Component.LANGUAGE,
            columns,
        )
        for (role, columns, format_), layers in formats.items()
    )
    halves = tuple((role.value, "bf16") for role in STAYS_HALF)
    label = chosen.name + (", importance matrix" if imatrix and not chosen.imatrix else "")
    return Precision("fp32", halves, (*placements, *dict.fromkeys(predicted)), title=label)


def gguf_tensors(
    ledger: Ledger, name: str, dialect: Dialect | None = None, *, imatrix: bool | None = None
) -> dict[str, str]:
    """Stored name -> type of every tensor that the mixture may quantize.

    `imatrix` says whether an importance matrix is used where that is not as the name has it.
    """
    dialect = dialect or Dialect()
    chosen, named = named_mixture(name)
    imatrix = named if imatrix is None else imatrix
    rows = _stored_rows(ledger, dialect)
    tensors = dict.fromkeys(entry.tensor for entry in _placed(rows, dialect))
    return {
        tensor.stored_name: type_
        for tensor, type_ in choose(tensors, chosen, _traits(rows, dialect), imatrix=imatrix)
    }


def _stored_rows(ledger: Ledger, dialect: Dialect) -> list[Weight]:
    kept = {Component.LANGUAGE, Component.MTP} if dialect.prediction else {Component.LANGUAGE}
    return [w for w in ledger.weights if w.component in kept]


def _layers(rows: list[Weight]) -> int:
    """Layers of the language model."""
    return 1 + max((i for w in rows if w.component is Component.LANGUAGE for i in w.indices), default=-1)


def _places(weight: Weight, layers: int) -> tuple[int | None, ...]:
    """The numbers of the layers a row is stored in."""
    if weight.component is Component.MTP:
        return tuple(range(layers, layers + int(weight.layers)))
    return weight.indices or (None,)


def _placed(rows: list[Weight], dialect: Dialect) -> Iterator[_Placed]:
    nope, value = _latent_heads(rows)
    layers = _layers(rows)
    gated_delta = {
        layer
        for w in rows
        if w.role is Role.RECURRENT_OUT and "value_heads" in _dims(w, 1)
        for layer in w.indices
    }
    convolved = {layer for w in rows if w.role is Role.RECURRENT_CONV for layer in w.indices}
    kimi_delta = convolved & {
        layer
        for w in rows
        if w.role is Role.RECURRENT_IN and "linear_heads" in _part_dims(w)
        for layer in w.indices
    }
    for weight in rows:
        if not _is_quantized(weight):
            continue
        columns = int(weight.shape[-1].size)
        matrices = int(weight.shape[0].size) if weight.pool is not None else 1
        for layer in _places(weight, layers):
            role, name = weight.role, NAMES.get(weight.role, weight.role.value)
            if layer in gated_delta and role in _GATED_DELTA:
                name = _GATED_DELTA[role]
            elif layer in kimi_delta and role is Role.RECURRENT_OUT:
                name = "attn_output"
            elif gated_delta and role is Role.ATTENTION_GATE:
                name = "attn_q"  # Qwen3-Next stores query and gate as one matrix
            elif dialect.fused_qkv and role in FUSED:
                name = "attn_qkv"
            if role is Role.ATTENTION_KV_B and not dialect.joined_kv_b:
                heads = int(weight.shape[0].size) // (nope + value)
                yield _Placed(GgufTensor("attn_k_b", nope, layer, heads), role, columns)
                yield _Placed(GgufTensor("attn_v_b", columns, layer, heads), role, columns)
            elif layer in kimi_delta and role is Role.RECURRENT_IN:
                yield from (
                    _Placed(GgufTensor(third, columns, layer, matrices), role, columns) for third in _THIRDS
                )
            else:
                yield _Placed(GgufTensor(name, columns, layer, matrices), role, columns)


def _is_quantized(weight: Weight) -> bool:
    if weight.tied_to or weight.stored_as is not None or len(weight.shape) < 2:
        return False
    if weight.role in STAYS_FLOAT or weight.role in STAYS_HALF or weight.role.group in {"router", "norm"}:
        return False
    if weight.access is Access.LOOKUP:
        return weight.role in NAMES
    return weight.access is Access.MATMUL


def _traits(rows: list[Weight], dialect: Dialect) -> Traits:
    modules = max((int(w.layers) for w in rows if w.role is Role.MTP_PROJECTION), default=0)
    layers = _layers(rows) + modules
    experts = max((int(w.pool.experts) for w in rows if w.pool is not None), default=0)
    heads = next(
        (_dims(w, 1)["heads"] for w in rows if w.role is Role.ATTENTION_O and "heads" in _dims(w, 1)), 1
    )
    shared = next((_dims(w, 0).get("kv_heads") for w in rows if w.role is Role.ATTENTION_K), None)
    latent = any(w.role is Role.ATTENTION_KV_B for w in rows)
    kv_heads = (heads if dialect.joined_kv_b else 1) if latent else shared or heads
    # llama.cpp asks layer 0, and conversions of Mamba hybrids list heads by layer: none there, no sharing.
    mamba_first = any(w.role is Role.RECURRENT_IN and 0 in w.indices for w in rows) and not any(
        "value_heads" in _dims(w, 1) for w in rows if w.role is Role.RECURRENT_OUT
    )
    return Traits(
        layers=layers,
        gqa=0 if mamba_first else heads // kv_heads,
        experts=experts,
        falcon=dialect.falcon,
        seventy=dialect.has_seventy and layers == 80 and heads != kv_heads,
        before_2026_03=dialect.before_2026_03,
    )


def _latent_heads(rows: list[Weight]) -> tuple[int, int]:
    """(key without rotary part, value) dimensions of a head of latent attention; zeros without it."""
    expansion = next((w for w in rows if w.role is Role.ATTENTION_KV_B), None)
    if expansion is None:
        return 0, 0
    value = next(_dims(w, 1)["v_head_dim"] for w in rows if w.role is Role.ATTENTION_O)
    both = _dims(expansion, 0)
    return both["qk_nope_head_dim+v_head_dim"] - value, value


def _part_dims(weight: Weight) -> set[str]:
    """Dimensions that every part of the first side has, where it is laid end to end of parts."""
    return set.intersection(*({dim.name for dim in part.dims} for part in weight.shape[0].parts or (axis(),)))


def _dims(weight: Weight, side: int) -> dict[str, int]:
    return {dim.name: int(dim.size) for dim in weight.shape[side].dims} if side < len(weight.shape) else {}
