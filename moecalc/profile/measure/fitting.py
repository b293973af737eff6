"""Whether what a run needs fits the device, and what would where it does not."""

from collections.abc import Sequence

from moecalc.errors import InputError
from moecalc.ir.roles import Component, Role
from moecalc.profile.measure.computing import Computed
from moecalc.profile.measure.steps import StepPlan
from moecalc.units import format_bytes_binary

SPARE = 0.05
"""Of what is free: workspaces of kernels, fragments, and on a CPU everybody else."""


def needed_bytes(computed: Computed, steps: Sequence[StepPlan]) -> int:
    """Weights beside the state and activations of the hungriest step."""
    return max(computed.peak_bytes(step) for step in steps)


def fits(needed: int, free: int | None) -> bool:
    """Whether so much can be allocated; taken for granted where nobody says what is free."""
    return free is None or needed <= free * (1 - SPARE)


def too_large(computed: Computed, steps: Sequence[StepPlan], free: int | None, where: str) -> InputError:
    """The error for what does not fit: what is missing, and the largest batch, or else the dtype, that would do."""
    needed = needed_bytes(computed, steps)
    has = "" if free is None else f", and {format_bytes_binary(free)} are free"
    return InputError(
        f"`{computed.model.name}` in {computed.dtype} needs {format_bytes_binary(needed)} on {where}{has}",
        hint=_what_would(computed, steps, free),
    )


def _what_would(computed: Computed, steps: Sequence[StepPlan], free: int | None) -> str:
    by_parts = "`--layers auto` measures the distinct kinds of layers and composes the whole"
    if free is None or not fits(computed.weight_bytes, free):
        return by_parts
    decoded = [step for step in steps if step.phase == "decode"]
    for batch in sorted({step.batch for step in decoded}, reverse=True):
        kept = [step for step in steps if step.phase == "prefill" or step.batch <= batch]
        if fits(needed_bytes(computed, kept), free):
            return f"`--batch {batch}` fits"
    context = max((step.tokens for step in decoded), default=1)
    while context > 1:
        context //= 2
        one = (StepPlan("decode", 1, context), StepPlan("prefill", 1, min(context, _prompt(steps))))
        if fits(needed_bytes(computed, one), free):
            return f"`--batch 1 --context {context} --prompt {one[1].tokens}` fits"
    return by_parts


def _prompt(steps: Sequence[StepPlan]) -> int:
    return min((step.tokens for step in steps if step.phase == "prefill"), default=1)


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
