"""Parameters: total, active under three conventions, by group and by component."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Literal

from moecalc.errors import InputError
from moecalc.ir.numeric import Number, fraction
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Kind, Ledger, Weight

ActiveConvention = Literal["all", "no_input_embedding", "no_embeddings"]
ACTIVE_CONVENTIONS: tuple[ActiveConvention, ...] = ("all", "no_input_embedding", "no_embeddings")


def parameter_rows(ledger: Ledger, component: Component = Component.LANGUAGE) -> tuple[Weight, ...]:
    """The weights of a component that count as parameters."""
    return tuple(w for w in ledger.weights if w.component is component and w.kind is Kind.PARAMETER)


def total(ledger: Ledger) -> Number:
    """Parameters of the language model; tied tensors once, buffers not at all."""
    return _elements(parameter_rows(ledger))


def buffers(ledger: Ledger) -> Number:
    """Elements of the language model's persistent buffers: stored, but no parameters."""
    return _elements(w for w in ledger.weights if w.component is Component.LANGUAGE and w.kind is Kind.BUFFER)


def component_total(ledger: Ledger, component: Component) -> Number:
    """Unique stored weights of a component that stands beside the language model, its buffers included."""
    return _elements(w for w in ledger.weights if w.component is component)


def tower_total(ledger: Ledger, component: Component) -> Number:
    """Parameters of a vision or audio tower with its projector; buffers are not counted."""
    return _elements(parameter_rows(ledger, component))


def routed(ledger: Ledger) -> Number:
    """Parameters of routed experts, all of them."""
    return _elements(w for w in parameter_rows(ledger) if w.pool)


def active_share(weight: Weight) -> Number:
    """The expected share of a weight one token uses: top_k / experts for routed ones, else 1."""
    return fraction(weight.pool.calls, weight.pool.experts) if weight.pool else 1


def active(ledger: Ledger, convention: ActiveConvention = "all") -> Number:
    """Expected parameters one token uses.

    `all`: every always-on weight, both embeddings, and the used share of the routed experts.
    `no_input_embedding`: without the look-up of the input embedding; equals `all` where the head is tied,
    since the one tensor is then read as the head.
    `no_embeddings`: without input embedding, learned positions and an untied head, each once.
    """
    if convention not in ACTIVE_CONVENTIONS:
        raise InputError(
            f"unknown active convention `{convention}`", hint=f"conventions: {', '.join(ACTIVE_CONVENTIONS)}"
        )
    rows = parameter_rows(ledger)
    everything = sum(w.elements * active_share(w) for w in rows)
    return _whole(everything - _elements(w for w in rows if _left_out(w, rows, convention)))


def active_range(ledger: Ledger) -> tuple[Number, Number]:
    """Fewest and most parameters one token can use (`all`); they differ where experts can be zero-compute."""
    low = high = 0
    for weight in parameter_rows(ledger):
        per_expert = Fraction(weight.elements, weight.pool.experts) if weight.pool else 0
        low += weight.pool.min_calls * per_expert if weight.pool else weight.elements
        high += weight.pool.max_calls * per_expert if weight.pool else weight.elements
    return _whole(low), _whole(high)


def by_group(ledger: Ledger, component: Component = Component.LANGUAGE) -> dict[str, tuple[Number, Number]]:
    """(stored, active) parameters of each group of roles, in the order the model runs."""
    groups: dict[str, tuple[Number, Number]] = {}
    for weight in parameter_rows(ledger, component):
        stored, used = groups.get(weight.role.group, (0, 0))
        groups[weight.role.group] = (
            stored + weight.elements,
            used + weight.elements * active_share(weight),
        )
    return {group: (stored, _whole(used)) for group, (stored, used) in groups.items()}


def head_is_tied(rows: Iterable[Weight]) -> bool:
    """Whether the head multiplies by the token embedding instead of a tensor of its own."""
    return any(w.tied_to is Role.EMBEDDING_TOKENS for w in rows)


def _left_out(weight: Weight, rows: tuple[Weight, ...], convention: ActiveConvention) -> bool:
    if convention == "no_input_embedding":
        return weight.role is Role.EMBEDDING_TOKENS and not head_is_tied(rows)
    if convention == "no_embeddings":
        return weight.role in (Role.EMBEDDING_TOKENS, Role.EMBEDDING_POSITIONS, Role.HEAD)
    return False


def _elements(weights: Iterable[Weight]) -> Number:
    return sum(w.elements for w in weights)


def _whole(value: Number) -> Number:
    return int(value) if isinstance(value, Fraction) and value.denominator == 1 else value
