"""What the MoE laws ask of a model: experts, how many a token uses, how fine they are; from its rows."""

from fractions import Fraction

import msgspec

from moecalc.calc.speed.communication import hidden_size
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Ledger, Weight


class Mixture(msgspec.Struct, frozen=True, kw_only=True):
    """The routed layers of a model, where all are alike."""

    experts: Number
    used: Number
    """Routed experts per token."""
    shared: Fraction
    """Shared experts, as wide as how many routed ones."""
    expert_size: Number
    """Inner width of an expert."""
    hidden_size: int

    @property
    def granularity(self) -> Fraction:
        """4 x hidden size / expert size (Krajewski et al. 2024, arXiv 2402.07871, section 4)."""
        return Fraction(4 * self.hidden_size) / Fraction(self.expert_size)

    @property
    def fineness(self) -> Fraction:
        """2 x hidden size / expert size (Tian et al. 2025, arXiv 2507.17702, section 2.1)."""
        return self.granularity / 2

    @property
    def sparsity(self) -> Fraction:
        """Idle routed experts over all (Abnar et al. 2025, arXiv 2501.12370, section 1)."""
        return 1 - Fraction(self.used) / Fraction(self.experts)

    @property
    def activation(self) -> Fraction:
        """Experts in use over all, shared ones among both (arXiv 2507.17702, section 2.1)."""
        return (Fraction(self.used) + self.shared) / (Fraction(self.experts) + self.shared)


def mixture_of(ledger: Ledger) -> Mixture | None:
    """The mixture; None for a dense model, and where its routed layers differ from one another."""
    downs = [weight for weight in ledger.weights if _is_down(weight, Role.EXPERT_DOWN)]
    shared = {_inner(weight) for weight in ledger.weights if _is_down(weight, Role.SHARED_DOWN)}
    kinds = {(weight.pool.experts, weight.pool.calls, _inner(weight)) for weight in downs if weight.pool}
    if len(kinds) != 1 or len(shared) > 1:
        return None
    experts, used, size = kinds.pop()
    return Mixture(
        experts=experts,
        used=used,
        shared=Fraction(shared.pop()) / Fraction(size) if shared else Fraction(0),
        expert_size=size,
        hidden_size=hidden_size(ledger),
    )


def is_mixture(ledger: Ledger) -> bool:
    """Whether the language model has routed experts."""
    return any(w.pool is not None and w.component is Component.LANGUAGE for w in ledger.weights)


def _is_down(weight: Weight, role: Role) -> bool:
    return weight.role is role and weight.component is Component.LANGUAGE


def _inner(weight: Weight) -> Number:
    """The width that the matrix takes in: its last axis."""
    return weight.shape[-1].size
