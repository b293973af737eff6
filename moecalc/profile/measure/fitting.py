"""Whether what a run needs fits the device, and what would where it does not."""

from collections.abc import Callable, Sequence

from moecalc.errors import InputError
from moecalc.ir.roles import Component, Role
from moecalc.profile.measure.computing import Computed
from moecalc.profile.measure.steps import StepPlan
from moecalc.units import format_bytes_binary

SPARE = 0.05
"""Of what is free: workspaces of kernels, fragments, and on a CPU everybody else."""


def needed_bytes(parts: Sequence[Computed], steps: Sequence[StepPlan]) -> int:
    """Weights beside the state and activations of the hungriest step of the hungriest part."""
    return max(part.peak_bytes(step) for part in parts for step in steps)


def fits(needed: int, free: int | None) -> bool:
    """Whether so much can be allocated; taken for granted where nobody says what is free."""
    return free is None or needed <= free * (1 - SPARE)


def too_large(
    parts: Sequence[Computed],
    steps: Sequence[StepPlan],
    free: int | None,
    where: str,
    *,
    by_kinds: bool = True,
) -> InputError:
    """The error for what does not fit: what is missing, and the largest batch or context, or else what would do.

    `parts` are what is built at a time: the model, or one layer of each of its kinds. `by_kinds` says whether the
    whole can be taken apart into these.
    """
    hungriest = max(parts, key=lambda part: needed_bytes([part], steps))
    has = "" if free is None else f", and {format_bytes_binary(free)} are free"
    what = f"`{hungriest.model.name}` in {hungriest.dtype}"
    if hungriest.kind is not None:
        what = f"one layer of kind `{hungriest.kind}` of {what}, beside embeddings and head,"
    return InputError(
        f"{what} needs {format_bytes_binary(needed_bytes([hungriest], steps))} on {where}{has}",
        hint=_what_would(parts, steps, free, by_kinds=by_kinds),
    )


def _what_would(
    parts: Sequence[Computed], steps: Sequence[StepPlan], free: int | None, *, by_kinds: bool
) -> str:
    if by_kinds and parts[0].kind is None:
        otherwise = "`--layers auto` measures the distinct kinds of layers and composes the whole"
    else:
        otherwise = "a dtype of fewer bytes, or a device with more memory"
    if free is None or not fits(max(part.weight_bytes for part in parts), free):
        return otherwise
    prompt = max((step.tokens for step in steps if step.phase == "prefill"), default=1)
    context = max((step.tokens for step in steps if step.phase == "decode"), default=1)

    def held(batch: int, context: int, prompt: int) -> bool:
        asked = (StepPlan("prefill", 1, prompt), StepPlan("decode", batch, context))
        return fits(needed_bytes(parts, asked), free)

    asked_batch = max((step.batch for step in steps if step.phase == "decode"), default=1)
    batch = _largest(asked_batch, lambda batch: held(batch, context, prompt))
    if batch:
        return f"`--batch {batch}` is the most that fits at `--context {context}`"
    tokens = _largest(max(context, prompt), lambda tokens: held(1, min(context, tokens), min(prompt, tokens)))
    if tokens:
        lengths = f"--context {min(context, tokens)} --prompt {min(prompt, tokens)}"
        return f"`--batch 1 {lengths}` is the most that fits"
    return otherwise


def _largest(most: int, holds: Callable[[int], bool]) -> int:
    """The largest number up to `most` that holds, where all below one that holds do; 0 where none does."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def check_positions(computed: Computed, steps: Sequence[StepPlan]) -> None:
    """Raise InputError where a step is longer than a learned table of positions."""
    tables = [
        int(weight.shape[0].size)
        for weight in computed.model.ledger.weights
        if weight.role is Role.EMBEDDING_POSITIONS and weight.component is Component.LANGUAGE
    ]
    longest = max(step.tokens for step in steps)
    if tables and longest > min(tables):
        raise InputError(
            f"`{computed.model.name}` has {min(tables):,} learned positions, and {longest:,} tokens are asked for",
            hint=f"`--context {min(tables)} --prompt {min(tables)}` is the most it can hold",
        )
