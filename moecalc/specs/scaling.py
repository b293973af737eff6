"""Published scaling laws as sourced data: what each says, its coefficients, and the range it was fitted over.

One file per law in `data/scaling`. A law speaks of `active` and `total` parameters in its own way of counting:
`embeddings` says whether embeddings and head are among them. Coefficients stand as printed.
"""

from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from msgspec import Struct

from moecalc import strict_yaml
from moecalc.errors import InputError, suggestion

_DATA = Path(__file__).parent / "data" / "scaling"

Span: TypeAlias = tuple[float | None, float | None]
"""From and to; None where the paper names no end."""


class Fitted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The range of the runs that a law was fitted on; None for what it does not depend on or does not say."""

    source: str
    compute: Span | None = None
    """Training FLOPs."""
    active: Span | None = None
    total: Span | None = None
    tokens: Span | None = None
    experts: Span | None = None
    expansion: Span | None = None
    """All experts' parameters over those of the experts in use."""
    granularity: Span | None = None
    activation: Span | None = None
    """Experts in use over all, shared ones among both."""
    sparsity: Span | None = None
    """1 - routed experts in use over all."""
    leverage: Span | None = None

    def outside(self, **figures: float | None) -> tuple[str, ...]:
        """The names of those figures that lie outside the range, in the order given."""
        found = []
        for name, value in figures.items():
            low, high = getattr(self, name) or (None, None)
            if value is not None and (
                (low is not None and value < low) or (high is not None and value > high)
            ):
                found.append(name)
        return tuple(found)


class Law(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="form"):
    """What all laws say of themselves."""

    label: str
    source: str
    fitted: Fitted
    embeddings: bool
    note: str = ""


class PointsLaw(Law, frozen=True, kw_only=True, tag="points"):
    """Optimal models as a table prints them."""

    rows: tuple[tuple[float, float, float], ...]
    """Parameters, training FLOPs, tokens; rising."""


class AllocationLaw(Law, frozen=True, kw_only=True, tag="allocation"):
    """Optimal scale M (training FLOPs per token) and tokens D as powers of the compute."""

    scale_factor: float
    scale_exponent: float
    tokens_factor: float
    tokens_exponent: float


class LossLaw(Law, frozen=True, kw_only=True, tag="loss"):
    """Loss = c + a / N^alpha + b / D^beta."""

    c: float
    a: float
    alpha: float
    b: float
    beta: float


class GranularLaw(Law, frozen=True, kw_only=True, tag="granular"):
    """Loss = c + (g / G^gamma + a) / N^alpha + b / D^beta; N is all parameters, G = 4 x hidden size / expert size."""

    expansion: float
    c: float
    a: float
    alpha: float
    b: float
    beta: float
    g: float
    gamma: float


class JointLaw(Law, frozen=True, kw_only=True, tag="joint"):
    """Loss = a X^delta N^(alpha + gamma ln X) + b X^omega D^(beta + zeta ln X) + c; N active, X saturating experts."""

    a: float
    alpha: float
    delta: float
    gamma: float
    b: float
    beta: float
    omega: float
    zeta: float
    e_start: float
    e_max: float
    c: float


class SparseLaw(Law, frozen=True, kw_only=True, tag="sparse"):
    """Loss = a / N^alpha + b / D^beta + c / (1-S)^lambda + d / ((1-S)^delta N^gamma) + e; N is all parameters."""

    a: float
    alpha: float
    b: float
    beta: float
    c: float
    lambda_: float
    d: float
    delta: float
    gamma: float
    e: float


class RoutedLaw(Law, frozen=True, kw_only=True, tag="routed"):
    """log L = a log N + b log X + c log N log X + d (base 10); N as if dense, X saturating experts."""

    a: float
    b: float
    c: float
    d: float
    e_start: float
    e_max: float
    cutoff: float
    """As printed: the size above which more experts help no more."""


class LeverageLaw(Law, frozen=True, kw_only=True, tag="leverage"):
    """EL = X^(a + d log10 C + gamma (log2 G)^2 + beta log2 G); X saturating activation, G = 2 x hidden / expert."""

    a: float
    d: float
    gamma: float
    beta: float
    a_start: float
    a_max: float


AnyLaw: TypeAlias = (
    PointsLaw | AllocationLaw | LossLaw | GranularLaw | JointLaw | SparseLaw | RoutedLaw | LeverageLaw
)


@cache
def law_names() -> tuple[str, ...]:
    """All laws by name, sorted."""
    return tuple(sorted(path.stem for path in _DATA.glob("*.yaml")))


@cache
def find_law(name: str) -> AnyLaw:
    """The law of that name. Raises InputError naming the others."""
    wanted = name.strip().lower()
    if wanted not in law_names():
        near = suggestion(name, law_names())
        raise InputError(
            f"unknown scaling law `{name}`",
            hint=f"{near + ' ' if near else ''}laws: {', '.join(law_names())}",
        )
    forms: Any = AnyLaw  # a union, which the type of `decode` does not admit
    found: AnyLaw = strict_yaml.decode(strict_yaml.load(_DATA / f"{wanted}.yaml"), forms)
    return found
