"""The architecture of what one rank holds: the same blocks, with fewer heads and narrower feed-forwards.

Its rows must be those that the plan's role table gives the rank, one by one. Where they are not, the block cannot be
split by making it smaller (a norm over all heads, say), and that is an error: nothing is measured that was not sized.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from moecalc.calc.deploy.sharding import FEED_FORWARD, MUST_DIVIDE, SHARED_HEADS, check_plan, split_ledger
from moecalc.errors import InputError
from moecalc.ir.architecture import Architecture
from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger, Weight
from moecalc.specs.plan import Plan

SIZES = MUST_DIVIDE | SHARED_HEADS | FEED_FORWARD
"""Fields of blocks that a tensor-parallel group splits; they are called like the dims that they become."""


def local_architecture(architecture: Architecture, plan: Plan) -> Architecture:
    """What a rank builds. The routed experts of an expert-parallel plan are left whole: they are dealt out apart.

    Raises InputError for a plan that cannot be laid over the architecture, or that is not measured.
    """
    if plan.pipeline > 1 or plan.attention_data > 1 or plan.decode_context > 1 or plan.redundant_experts:
        raise InputError(
            f"`{plan.words}` is not measured", hint="`--tp N`, `--ep N`, or both with the same N"
        )
    if plan.expert not in {1, plan.devices} or (plan.tensor > 1 and plan.data > 1):
        raise InputError(
            f"`{plan.words}` is not measured", hint="`--tp N`, `--ep N`, or both with the same N"
        )
    language = msgspec.structs.replace(architecture, mtp=None, drafter=None, towers=())
    check_plan(language.lower_to_ledger(), plan)
    local: Architecture = _smaller(language, plan)
    for whole, share, built in rows_of(language, local, plan):
        over_split = share.shape != whole.shape and whole.role.value.endswith("norm")
        if over_split or (built.shape != share.shape and whole.pool is None):
            raise InputError(
                f"`{plan.words}`: `{whole.role.value}` of this model takes an exchange that is not built here",
                hint="`moecalc fit` and `moecalc speed` compute what such a plan holds and sends",
            )
    return local


def rows_of(
    architecture: Architecture, local: Architecture, plan: Plan
) -> Iterator[tuple[Weight, Weight, Weight]]:
    """Each row of the language model: whole, the share of a rank by the role table, and as the rank builds it."""
    whole = _language(architecture.lower_to_ledger())
    built = _language(local.lower_to_ledger())
    return zip(whole.weights, split_ledger(whole, plan).weights, built.weights, strict=True)


def _language(ledger: Ledger) -> Ledger:
    kept = tuple(weight for weight in ledger.weights if weight.component is Component.LANGUAGE)
    states = tuple(state for state in ledger.states if state.component is Component.LANGUAGE)
    return Ledger(kept, ledger.ops, states)


def _smaller(value: Any, plan: Plan) -> Any:
    """A block with every field that splits divided among the ranks, rounded up."""
    if isinstance(value, list | tuple):
        return type(value)(_smaller(entry, plan) for entry in value)
    if isinstance(value, dict):
        return {name: _smaller(entry, plan) for name, entry in value.items()}
    if not isinstance(value, msgspec.Struct):
        return value
    # Of a mixture only the width of its experts is split here: its `groups` are of experts, not of heads.
    routed = "experts" in value.__struct_fields__
    split = {"intermediate_size"} if routed else SIZES
    ranks = plan.expert_tensor if routed else plan.tensor
    changed = {}
    for name in value.__struct_fields__:
        field = getattr(value, name)
        is_split = name in split and isinstance(field, int)
        changed[name] = max(1, -(-field // ranks)) if is_split else _smaller(field, plan)
    return msgspec.structs.replace(value, **changed)
