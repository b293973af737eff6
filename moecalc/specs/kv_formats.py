"""Formats of a KV cache: the plain ones, and llama.cpp's blocks along the head dimension.

llama.cpp's `--cache-type-k` takes f32, f16, bf16, q8_0, q4_0, q4_1, iq4_nl, q5_0 and q5_1 (common/arg.cpp,
`kv_cache_types`), and refuses heads that are no whole blocks ("K cache type q8_0 with block size 32 does not divide
n_embd_head_k", llama-context.cpp). The one or two float32 scales per layer of an FP8 cache are not counted.
"""

from moecalc.errors import InputError, suggestion
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Ledger, State
from moecalc.specs.formats import ALIASES, FORMATS, Format, find_format
from moecalc.specs.storage import Tensor

BLOCKS = ("q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")
"""ggml's types for a cache, as people type them; the format's name has `ggml-` before it."""

_FP8 = {"fp8_e4m3": "fp8", "fp8-e4m3": "fp8", "fp8_e5m2": "fp8", "fp8-e5m2": "fp8"}
"""What vLLM's and SGLang's `--kv-cache-dtype` call the two kinds of FP8."""

_SERVED = {
    format_.name: format_
    for format_ in (
        Format(
            "fp8-row128",
            8,
            source="deepseek-ai/DeepSeek-V3.2-Exp@3b99a53 inference/model.py, Indexer: E4M3 and one float32 per 128",
            tensors=(Tensor("keys", 8 * 132, (1, 128)),),
        ),
        Format(
            "fp8-rope64",
            8,
            source="DeepSeek-V4, arXiv 2606.19348 section 2.3.4: 448 values in E4M3, 64 rotary ones in BF16; vLLM and "
            "SGLang keep 7 E8M0 scales and a byte of padding beside them: 584 bytes",
            tensors=(Tensor("entry", 8 * 584, (1, 512)),),
        ),
        Format(
            "mxfp4-row32",
            4,
            source="DeepSeek-V4, arXiv 2606.19348 section 5.2.1: FP4, with one E8M0 scale per 32 as in MXFP4",
            tensors=(Tensor("keys", 8 * 17, (1, 32)),),
        ),
    )
}
"""What engines keep some states in whatever the cache's dtype (`State.served_as`): of caches, not of weights."""

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


def state_format(state: State, kv_dtype: str, *, served: bool = True) -> Format:
    """The format of one state: its own, else the cache's; what is no cache of tokens is never quantized with it.

    Without `served`, of the reference implementation, or of an engine that knows no format but the cache's.
    """
    if served and state.served_as is not None:
        return _SERVED[state.served_as]
    if state.stored_as is not None:
        return find_format(state.stored_as)
    format_ = find_format(kv_dtype)
    if state.role.group not in _ATTENTION and format_.bits < 16:
        return FORMATS["bf16"]
    return format_


def served_apart(ledger: Ledger) -> dict[str, str]:
    """What engines keep in a format of its own whatever the KV dtype -> the name of that format, for the output."""
    kept = {
        "index keys" if state.role is Role.INDEXER_KEY_STATE else "cache entries": state.served_as
        for state in ledger.states
        if state.component is Component.LANGUAGE and state.served_as is not None
    }
    return dict(sorted(kept.items()))


def served_words(ledger: Ledger) -> str:
    """The same in words, e.g. `index keys fp8-row128`; empty where there is none."""
    return ", ".join(f"{what} {name}" for what, name in served_apart(ledger).items())


def served_sources(ledger: Ledger) -> str:
    """What those formats are, and where that was read; empty where there is none."""
    return "; ".join(
        f"{name}: {_SERVED[name].source}" for name in dict.fromkeys(served_apart(ledger).values())
    )


def _check_blocks(format_: Format, ledger: Ledger, name: str) -> None:
    for state in ledger.states:
        if (
            state.component is not Component.LANGUAGE
            or state_format(state, format_.name, served=False) is not format_
        ):
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
