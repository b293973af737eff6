"""FLOPs of a step by component: which part of the model the work is for."""

from moecalc.calc.flops import How, choices_for, counted_rows
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Role
from moecalc.ir.rows import Ledger
from moecalc.ir.step import Step

COMPONENTS = {
    Role.ATTENTION_SCORES: "attention scores",
    Role.ATTENTION_MIX: "attention mix",
    Role.INDEXER_SCORES: "indexer scores",
    Role.RECURRENT_SCAN: "recurrence",
    Role.RECURRENT_CONV: "convolutions",
}
"""Roles that are a component by themselves; every other role belongs to its group's."""

GROUPS = {
    "attention": "attention projections",
    "indexer": "indexer projections",
    "recurrent": "recurrent projections",
    "routed": "routed experts",
    "shared": "shared experts",
    "latent": "expert latent projections",
    "embedding": "embedding projections",
    "residual": "residual mixing",
    "tower": "patches, pooling, projectors",
}

PER_PAIR = frozenset({"attention scores", "attention mix", "indexer scores"})
"""What a token does once for each key it meets."""


def component_of(role: Role) -> str:
    """The component a role's operations are shown under, e.g. `attention projections`, `routed experts`, `head`."""
    return COMPONENTS.get(role) or GROUPS.get(role.group, role.group)


def shares(ledger: Ledger, step: Step, how: How) -> dict[str, Number]:
    """FLOPs of the step by component, in the order of the layers; they sum to `step_flops`."""
    choices = choices_for(ledger, step, how)
    found: dict[str, Number] = {}
    for op in counted_rows(ledger, how):
        if op.counts_under(choices):
            name = component_of(op.role)
            found[name] = found.get(name, 0) + op.flops(step, choices)
    return found
