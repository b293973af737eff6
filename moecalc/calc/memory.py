"""Stored bytes: weights under a precision, state under a KV format. Logical, unless a runtime is named."""

from fractions import Fraction

from moecalc.errors import InputError
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Ledger, SlotsKind, State
from moecalc.specs.formats import Precision
from moecalc.specs.kv_formats import state_format

RUNTIMES = ("transformers",)


def weight_bytes(ledger: Ledger, precision: Precision, component: Component = Component.LANGUAGE) -> Number:
    """Bytes of a component's stored tensors, buffers and scales included."""
    size = sum(precision.bytes_of(w) for w in ledger.weights if w.component is component)
    return _whole(size)


def gguf_header_bytes(ledger: Ledger) -> tuple[int, int]:
    """(least, most) bytes that a GGUF's vocabulary and metadata take beside the tensors: an estimate.

    23 bytes for each token of a SentencePiece vocabulary with scores and types (Llama 2, Gemma, Phi-3), 65 with long
    tokens and merges (Llama 3), read off published files whose tensors' bytes are known (2024).
    """
    tokens = sum(int(w.shape[0].size) for w in ledger.weights if w.role is Role.EMBEDDING_TOKENS)
    return 23 * tokens, 65 * tokens


def state_elements(ledger: Ledger, context: Number, runtime: str | None = None) -> Number:
    """Elements one sequence remembers after `context` tokens: logical, or what the runtime reserves."""
    return sum(_slots(state, context, runtime) for state in _states(ledger))


def state_bytes(
    ledger: Ledger, context: Number, kv_dtype: str, batch: Number = 1, runtime: str | None = None
) -> Number:
    """Bytes of the state of `batch` sequences after `context` tokens each."""
    size = sum(
        state_format(state, kv_dtype, served=runtime is None).bytes_for(_slots(state, context, runtime))
        for state in _states(ledger)
    )
    return _whole(batch * size)


def state_bytes_per_token(ledger: Ledger, context: Number, kv_dtype: str) -> Number:
    """Bytes by which one more token grows a sequence's state at that context.

    Full windows and constant states add nothing; an entry per block of m tokens adds 1/m of itself.
    """
    size = sum(
        state_format(state, kv_dtype).bytes_for(
            state.elements_per_slot * state.layers * state.applications * _growth(state, context)
        )
        for state in _states(ledger)
    )
    return _whole(size)


def state_bytes_read(ledger: Ledger, context: Number, kv_dtype: str, batch: Number = 1) -> Number:
    """Bytes of state that one decode step reads with `context` keys per sequence."""
    size = sum(
        state_format(state, kv_dtype).bytes_for(state.elements_read(context)) for state in _states(ledger)
    )
    return _whole(batch * size)


def state_row_bytes(state: State, context: Number, kv_dtype: str) -> Number:
    """Logical bytes of one state row of one sequence after `context` tokens."""
    return _whole(state_format(state, kv_dtype).bytes_for(state.elements(context)))


def _states(ledger: Ledger) -> list[State]:
    return [state for state in ledger.states if state.component is Component.LANGUAGE]


def _slots(state: State, context: Number, runtime: str | None) -> Number:
    if runtime is None:
        return state.elements(context)
    if runtime == "transformers":
        return state.elements_reserved(context)
    raise InputError(f"unknown runtime `{runtime}`", hint=f"runtimes: {', '.join(RUNTIMES)}")


def _growth(state: State, context: Number) -> Number:
    kind, size = state.slots.kind, state.slots.size
    if kind is SlotsKind.FULL:
        return 1
    if kind is SlotsKind.BLOCKS:
        return Fraction(1, size)
    if kind is SlotsKind.WINDOW or kind is SlotsKind.CHUNK:
        return int(context < size)
    return 0


def _whole(value: Number) -> Number:
    return int(value) if isinstance(value, Fraction) and value.denominator == 1 else value
