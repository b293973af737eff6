"""Formats of a KV cache: the plain ones, and llama.cpp's blocks along the head dimension.

llama.cpp's `--cache-type-k` takes f32, f16, bf16, q8_0, q4_0, q4_1, iq4_nl, q5_0 and q5_1 (common/arg.cpp,
`kv_cache_types`), and refuses heads that are no whole blocks ("K cache type q8_0 with block size 32 does not divide
n_embd_head_k", llama-context.cpp). The one or two float32 scales per layer of an FP8 cache are not counted.
"""

from moecalc.errors import InputError, suggestion
from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger, State
from moecalc.specs.formats import ALIASES, FORMATS, Format, find_format

BLOCKS = ("q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")
"""ggml's types for a cache, as people type them; the format's name has `ggml-` before it."""

_FP8 = {"fp8_e4m3": "fp8", "fp8-e4m3": "fp8", "fp8_e5m2": "fp8", "fp8-e5m2": "fp8"}
"""What vLLM's and SGLang's `--kv-cache-dtype` call the two kinds of FP8."""

_ATTENTION = frozenset({"attention", "indexer", "compressor"})
"""Groups whose states are a cache of tokens; a recurrent layer's keep the dtype they are computed in."""


def kv_names() -> list[str]:
    """What `--kv-dtype` takes, without aliases."""
    return [*(name for name, format_ in FORMATS.items() if _is_plain(format_)), *BLOCKS]


def kv_format(name: str, ledger: Ledger | None = None) -> Format:
    """The cache format of that name.

    Raises InputError for an unknown one, for one that is made for matrices, and, with a ledger, where a state's
    innermost dimension is no whole number of its blocks.
    """
    key = name.strip().lower().removeprefix("torch.")
    key = _FP8.get(key, ALIASES.get(key, key))
    if key in BLOCKS:
        key = f"ggml-{key}"
    if key not in _formats():
        known = kv_names()
        raise InputError(
            f"`{name}` is no format of a KV cache",
            hint=suggestion(name, known) or f"formats of a cache: {', '.join(known)}",
        )
    format_ = find_format(key)
    if ledger is not None and format_.row_block > 1:
        _check_blocks(format_, ledger, name)
    return format_


def state_format(state: State, kv_dtype: str) -> Format:
    """The format of one state: its own, else the cache's; what is no cache of tokens is never quantized with it."""
    if state.stored_as is not None:
        return find_format(state.stored_as)
    format_ = find_format(kv_dtype)
    if state.role.group not in _ATTENTION and format_.bits < 16:
        return FORMATS["bf16"]
    return format_


def _check_blocks(format_: Format, ledger: Ledger, name: str) -> None:
    for state in ledger.states:
        if state.component is not Component.LANGUAGE or state_format(state, format_.name) is not format_:
            continue
        width = state.dims[-1].size
        if width % format_.row_block:
            raise InputError(
                f"`{name}` stores blocks of {format_.row_block} along the head dimension, and "
                f"`{state.role.value}` has {width:,}: llama.cpp refuses it",
                hint="choose a cache format without blocks: `bf16`, `fp16` or `fp8`",
            )


def _formats() -> set[str]:
    return {name for name, format_ in FORMATS.items() if _is_plain(format_)} | {f"ggml-{n}" for n in BLOCKS}


def _is_plain(format_: Format) -> bool:
    return not format_.for_matrices and format_.name not in {"fp64", "int64"}
