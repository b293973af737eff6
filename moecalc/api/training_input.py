"""What a training run is given, checked before anything is computed: devices, batches, shares, experts."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

from moecalc.api.model import Model
from moecalc.errors import InputError
from moecalc.ir.roles import Role
from moecalc.specs import money
from moecalc.specs.fleet import Fleet, missing
from moecalc.specs.hardware import Accelerator, Format
from moecalc.specs.money import Amount
from moecalc.specs.plan import divisors
from moecalc.specs.training_plan import TrainingPlan

GLOBAL_BATCH_TOKENS = 4 * 2**20
"""Assumed: 4M tokens, what Llama 3.1 405B began with (arXiv 2407.21783, section 3.4.1)."""

MOST_TOKENS = 10**18
"""More than a thousand times all text there is."""


def device_of(fleet: Fleet, plan: TrainingPlan) -> Accelerator:
    """The device of a fleet of equal ones that the plan uses up. Raises InputError."""
    if not fleet.is_uniform:
        raise InputError(
            f"`--gpu {fleet.describe()}` mixes devices",
            hint="the ranks of a training run are equal: `--gpu 8xh100`",
        )
    if plan.devices != fleet.count:
        raise InputError(
            f"the plan makes {plan.devices:,} devices, and `--gpu` names {fleet.count:,}",
            hint="tensor x pipeline x context x data ranks are the devices",
        )
    return fleet.groups[0].device


def sixteen_bit_peak(device: Accelerator) -> tuple[Format, int]:
    """The format that training is counted in, and its dense FLOP/s: bf16, or fp16 where no bf16 peak is published.

    Raises UndeterminedError where neither is.
    """
    choices: tuple[Format, ...] = ("bf16", "fp16")
    for name in choices:
        peak = device.peak(name)
        if peak is not None:
            return name, peak.per_second
    raise missing("dense bf16 peak", device)


def warnings_of_formats(device: Accelerator, peak_format: Format, arithmetic: Format) -> list[str]:
    """What is not known of the formats that a run is counted in."""
    found = []
    if peak_format != "bf16":
        found.append(
            f"no dense bf16 peak of `{device.name}` is published: counted at its {peak_format} peak, in which such a "
            "device trains"
        )
    if arithmetic not in {"bf16", peak_format} and device.peak(arithmetic) is None:
        found.append(
            f"no dense {arithmetic} peak of `{device.name}` is published: nothing here says that it multiplies "
            f"{arithmetic}"
        )
    return found


def check_positions(model: Model, sequence: int) -> str | None:
    """What is wrong with sequences longer than a table of learned positions, or None."""
    for weight in model.ledger.weights:
        if weight.role is Role.EMBEDDING_POSITIONS and weight.shape[0].size < sequence:
            return (
                f"positions are learned, for {weight.shape[0].size:,} tokens: sequences of {sequence:,} need a longer "
                "table, which is not counted"
            )
    return None


def check_tokens(tokens: Any) -> None:
    """Raise InputError for what is no number of training tokens."""
    if isinstance(tokens, str | float) or not 1 <= tokens <= MOST_TOKENS:
        written = repr(tokens) if isinstance(tokens, str) else f"{tokens:,}"
        raise InputError(
            f"`--tokens` is {written}", hint=f"a run trains on 1 to {MOST_TOKENS:,} tokens: `--tokens 15T`"
        )


def check_experts(model: Model, plan: TrainingPlan) -> None:
    """Every rank has as many experts: Megatron-LM's rule for `--expert-model-parallel-size`. Raises InputError."""
    for experts in {int(weight.pool.experts) for weight in model.ledger.weights if weight.pool is not None}:
        if plan.expert <= experts and experts % plan.expert:
            raise InputError(
                f"`--ep {plan.expert}` does not divide the {experts} experts",
                hint=f"sizes that divide them: {', '.join(map(str, divisors(experts)))}",
            )


def sequences_of_a_step(
    tokens: int | None,
    sequence: int,
    micro_batch: int,
    plan: TrainingPlan,
    defaults: dict[str, str | int],
) -> int:
    """Sequences of a step. Raises InputError where they cannot be dealt out evenly."""
    least = plan.copies * micro_batch * (plan.pipeline if plan.virtual > 1 else 1)
    if tokens is None:
        chosen = max(1, GLOBAL_BATCH_TOKENS // (sequence * least)) * least
        defaults["global batch"] = chosen * sequence
        return chosen
    if tokens % sequence:
        raise InputError(
            f"`--global-batch` of {tokens:,} tokens is no multiple of `--sequence {sequence}`",
            hint=f"type `--global-batch {max(1, tokens // sequence) * sequence}`",
        )
    sequences = tokens // sequence
    each = plan.copies * micro_batch
    if sequences % each:
        nearest = max(1, sequences // each) * each * sequence
        raise InputError(
            f"`--global-batch` of {sequences:,} sequences is no multiple of {plan.copies:,} data ranks x "
            f"`--micro-batch {micro_batch}`",
            hint=f"type `--global-batch {nearest}` ({nearest // sequence:,} sequences)",
        )
    return sequences


def share_of(option: str, value: Amount) -> Decimal:
    """A share above 0 and at most 1. Raises InputError."""
    try:
        return money.share(option, value)
    except InputError as error:
        predict = f"`{option} 0.4`, above 0 and at most 1" + (
            ", or `--mfu predict`" if option == "--mfu" else ""
        )
        raise InputError(error.message, hint=predict) from None


def imbalance_of(value: Amount, plan: TrainingPlan) -> Fraction:
    """Tokens of the fullest expert rank over the mean: from 1 to all ranks' tokens on one. Raises InputError."""
    found = Fraction(money.number("--imbalance", value, "--imbalance 1.2"))
    if found > plan.expert:
        raise InputError(
            f"`--imbalance {value}` is more than all tokens on one of `--ep {plan.expert}` ranks",
            hint=f"at most {plan.expert}: tokens of the fullest rank's experts over the mean",
        )
    if found < 1:
        raise InputError(
            f"`--imbalance` is {value}", hint="tokens of the fullest rank's experts over the mean: at least 1"
        )
    return found
