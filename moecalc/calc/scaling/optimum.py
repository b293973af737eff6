"""What a law takes for the best use of a budget: size and tokens of the lowest loss at given training FLOPs."""

from bisect import bisect_left
from collections.abc import Callable
from math import exp, log

import msgspec

from moecalc.calc.scaling.losses import Terms, sparse_loss, terms_of, two_term_loss
from moecalc.errors import UndeterminedError
from moecalc.specs.scaling import (
    AllocationLaw,
    AnyLaw,
    GranularLaw,
    JointLaw,
    LossLaw,
    PointsLaw,
    SparseLaw,
)

RULE = 6
"""Training FLOPs per active parameter and token, in all these laws (arXiv 2203.15556, section 3)."""

ROUTER_FLOPS = 14
"""Training FLOPs per parameter of a router and token (Krajewski et al. 2024, arXiv 2402.07871, appendix E)."""

WIDTH_OVER_DEPTH = 64
"""Hidden size over layers (arXiv 2402.07871, section 6.1)."""

SMALLEST, LARGEST = log(1e4), log(1e18)
"""Between these sizes an optimum is looked for."""

GRANULARITIES = (1, 2, 4, 8, 16, 32, 64)


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What a law lets vary beside size and tokens; None where it has no say."""

    experts: float | None = None
    granularity: float | None = None
    sparsity: float | None = None


class Optimum(msgspec.Struct, frozen=True, kw_only=True):
    """The best model of a budget, by one law."""

    law: str
    shape: Shape
    compute: float
    """Training FLOPs, as the law counts them."""
    tokens: float
    active: float | None
    """Active parameters; None where the law speaks of FLOPs per token alone."""
    total: float | None
    flops_per_token: float
    loss: float | None
    """In nats per token of the law's own data; None where it has no loss."""
    outside: tuple[str, ...]
    """What lies outside the range that the law was fitted over."""

    @property
    def tokens_per_active(self) -> float | None:
        """Tokens over active parameters."""
        return None if self.active is None else self.tokens / self.active

    @property
    def tokens_per_parameter(self) -> float | None:
        """Tokens over all parameters."""
        return None if self.total is None else self.tokens / self.total


def allocates(law: AnyLaw) -> bool:
    """Whether the law says how to spend a budget."""
    return isinstance(law, PointsLaw | AllocationLaw | LossLaw | GranularLaw | JointLaw | SparseLaw)


def optimum(name: str, law: AnyLaw, compute: float, shape: Shape | None = None) -> Optimum:
    """The law's best model for so many training FLOPs, of that shape where it is free to choose."""
    shape = shape or Shape()
    if isinstance(law, PointsLaw):
        size, tokens = _between(law, compute)
        return _made(name, law, shape, compute, tokens, size, size, compute / tokens, None)
    if isinstance(law, AllocationLaw):
        tokens = law.tokens_factor * compute**law.tokens_exponent
        scale = law.scale_factor * compute**law.scale_exponent
        return _made(name, law, shape, compute, tokens, None, None, scale, None)
    if isinstance(law, GranularLaw):
        return _granular(name, law, compute, shape)
    if isinstance(law, SparseLaw):
        return _sparse(name, law, compute, shape)
    if isinstance(law, LossLaw | JointLaw):
        shape = Shape(experts=shape.experts or 1) if isinstance(law, JointLaw) else Shape()
        terms = terms_of(law, experts=shape.experts or 1)
        size = closed_form(terms, compute)
        tokens = compute / (RULE * size)
        # Of the joint law only the active parameters are known: the rest depends on the embeddings' share.
        total = size if shape.experts in {None, 1} else None
        loss = two_term_loss(terms, size, tokens)
        return _made(name, law, shape, compute, tokens, size, total, RULE * size, loss)
    raise UndeterminedError(f"`{name}` says nothing about how to spend a budget")


def optimum_for_tokens(name: str, law: AnyLaw, tokens: float, shape: Shape | None = None) -> Optimum:
    """The optimum that asks for so many tokens: its budget follows."""
    low, high = log(1e12), log(1e36)
    for _ in range(200):
        middle = (low + high) / 2
        if optimum(name, law, exp(middle), shape).tokens < tokens:
            low = middle
        else:
            high = middle
    return optimum(name, law, exp(high), shape)


def closed_form(terms: Terms, compute: float) -> float:
    """N of the lowest c + a / N^alpha + b / D^beta with 6 N D = C (arXiv 2203.15556, equation 4)."""
    _, a, alpha, b, beta = terms
    scale: float = (alpha * a / (beta * b)) ** (1 / (alpha + beta))
    return float(scale * (compute / RULE) ** (beta / (alpha + beta)))


def granular_flops(law: GranularLaw, active: float, granularity: float) -> float:
    """Training FLOPs per token of fine-grained experts, their router among them (arXiv 2402.07871, equation 11).

    Active parameters are 12 d^2 of each layer, hidden size d = 64 x layers, experts x granularity choices.
    """
    width = float((WIDTH_OVER_DEPTH * active / 12) ** (1 / 3))
    router = width * law.expansion * granularity * (width / WIDTH_OVER_DEPTH)
    return RULE * active + ROUTER_FLOPS * router


def total_of(law: GranularLaw, active: float) -> float:
    """All parameters: (8 E + 4) d^2 of each layer, where 12 d^2 are active (arXiv 2402.07871, section 6.1)."""
    return active * (8 * law.expansion + 4) / 12


def _granular(name: str, law: GranularLaw, compute: float, shape: Shape) -> Optimum:
    choices = (shape.granularity,) if shape.granularity else GRANULARITIES
    best: Optimum | None = None
    for granularity in choices:
        terms = terms_of(law, granularity=granularity)

        def loss(active: float, terms: Terms = terms, granularity: float = granularity) -> float:
            tokens = compute / granular_flops(law, active, granularity)
            return two_term_loss(terms, total_of(law, active), tokens)

        active = lowest(loss)
        each = granular_flops(law, active, granularity)
        chosen = Shape(granularity=granularity)
        found = _made(
            name, law, chosen, compute, compute / each, active, total_of(law, active), each, loss(active)
        )
        if best is None or (found.loss or 0) < (best.loss or 0):
            best = found
    assert best is not None
    return best


def _sparse(name: str, law: SparseLaw, compute: float, shape: Shape) -> Optimum:
    sparsity = shape.sparsity or 0

    def loss(total: float) -> float:
        return sparse_loss(law, total, compute / (RULE * (1 - sparsity) * total), sparsity)

    total = lowest(loss)
    active = (1 - sparsity) * total
    tokens = compute / (RULE * active)
    chosen = Shape(sparsity=sparsity)
    return _made(name, law, chosen, compute, tokens, active, total, RULE * active, loss(total))


def lowest(function: Callable[[float], float]) -> float:
    """Where a function of a size with one valley is lowest, by ternary search over its logarithm."""
    low, high = SMALLEST, LARGEST
    for _ in range(120):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        if function(exp(left)) < function(exp(right)):
            high = right
        else:
            low = left
    return exp((low + high) / 2)


def _between(law: PointsLaw, compute: float) -> tuple[float, float]:
    """Parameters and tokens at a budget: straight lines in the logarithms, prolonged beyond the ends."""
    budgets = [row[1] for row in law.rows]
    after = min(max(bisect_left(budgets, compute), 1), len(budgets) - 1)
    before, beyond = law.rows[after - 1], law.rows[after]
    share = log(compute / before[1]) / log(beyond[1] / before[1])
    size, tokens = (before[i] * (beyond[i] / before[i]) ** share for i in (0, 2))
    return size, tokens


def _made(
    name: str,
    law: AnyLaw,
    shape: Shape,
    compute: float,
    tokens: float,
    active: float | None,
    total: float | None,
    flops_per_token: float,
    loss: float | None,
) -> Optimum:
    outside = law.fitted.outside(
        compute=compute,
        active=active,
        total=total,
        tokens=tokens,
        experts=shape.experts,
        granularity=shape.granularity,
        sparsity=shape.sparsity,
    )
    return Optimum(
        law=name,
        shape=shape,
        compute=compute,
        tokens=tokens,
        active=active,
        total=total,
        flops_per_token=flops_per_token,
        loss=loss,
        outside=outside,
    )
