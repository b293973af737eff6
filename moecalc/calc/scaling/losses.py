"""The published laws as functions of sizes and tokens: losses in nats per token, leverages, equivalent sizes."""

from math import log, log2, log10

from moecalc.specs.scaling import GranularLaw, JointLaw, LeverageLaw, LossLaw, RoutedLaw, SparseLaw

Terms = tuple[float, float, float, float, float]
"""c, a, alpha, b, beta of a loss c + a / N^alpha + b / D^beta."""


def saturating(value: float, start: float, end: float, none: float = 1) -> float:
    """1 / (1 / (x - none + 1 / (1/start - 1/end)) + 1/end): `start` at `none`, at most `end`.

    Clark et al. 2022, arXiv 2202.01169, equation 1 (experts, none = 1); Tian et al. 2025, arXiv 2507.17702, equation
    10 (activation ratios, none = 0).
    """
    return 1 / (1 / (value - none + 1 / (1 / start - 1 / end)) + 1 / end)


def terms_of(law: LossLaw | GranularLaw | JointLaw, granularity: float = 1, experts: float = 1) -> Terms:
    """The law at one granularity and number of experts, as a sum of two power laws.

    N is what the law calls the size: all parameters in a granular law, active ones in a joint one.
    """
    if isinstance(law, LossLaw):
        return law.c, law.a, law.alpha, law.b, law.beta
    if isinstance(law, GranularLaw):
        return law.c, law.g / granularity**law.gamma + law.a, law.alpha, law.b, law.beta
    saturated = saturating(experts, law.e_start, law.e_max)
    exponent = log(saturated)
    return (
        law.c,
        law.a * saturated**law.delta,
        -(law.alpha + law.gamma * exponent),
        law.b * saturated**law.omega,
        -(law.beta + law.zeta * exponent),
    )


def two_term_loss(terms: Terms, size: float, tokens: float) -> float:
    """The sum: c + a / N^alpha + b / D^beta."""
    c, a, alpha, b, beta = terms
    return float(c + a / size**alpha + b / tokens**beta)


def sparse_loss(law: SparseLaw, total: float, tokens: float, sparsity: float) -> float:
    """Loss of a model of so many parameters, a share `sparsity` of whose experts is idle."""
    used = 1 - sparsity
    return float(
        law.a / total**law.alpha
        + law.b / tokens**law.beta
        + law.c / used**law.lambda_
        + law.d / (used**law.delta * total**law.gamma)
        + law.e
    )


def routed_loss(law: RoutedLaw, size: float, experts: float) -> float:
    """Loss after 130B tokens; `size` is that of the dense model whose feed-forwards became experts."""
    n, e = log10(size), log10(saturating(experts, law.e_start, law.e_max))
    return float(10 ** (law.a * n + law.b * e + law.c * n * e + law.d))


def equivalent_size(law: RoutedLaw, size: float, experts: float) -> float:
    """Parameters of the dense model of the same loss (the paper's effective parameter count)."""
    one = log10(saturating(1, law.e_start, law.e_max))
    loss = log10(routed_loss(law, size, experts))
    return float(10 ** ((loss - law.d - law.b * one) / (law.a + law.c * one)))


def leverage(law: LeverageLaw, compute: float, activation: float, granularity: float) -> float:
    """Training FLOPs of a dense model over those of a mixture of the same loss."""
    fine = log2(granularity)
    exponent = law.a + law.d * log10(compute) + law.gamma * fine**2 + law.beta * fine
    return float(saturating(activation, law.a_start, law.a_max, none=0) ** exponent)
