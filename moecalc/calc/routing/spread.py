"""How far one draw of a router's choices may be from what is expected of it.

The experts that T independent tokens touch are a sum of indicators, one an expert. Where each token chooses k of N
experts uniformly, all pairs are alike: with q the chance that T tokens leave an expert out, and r that they leave out a
pair, the variance over E experts is E q (1 - q) + E (E - 1) (r - q^2), where N counts experts without weights too.
Under group-limited choice a pair within a group and one across groups differ. Under other laws the first sum stands
for all: choices of a fixed number are negatively associated (Joag-Dev and Proschan, Annals of Statistics 11(1), 1983),
so that the second can only lessen it.

A draw strays by more than t with a chance of at most 2 exp(-v/b^2 h(b t / v)), h(u) = (1 + u) ln(1 + u) - u, for
variance v and terms of at most b (Bennett, Journal of the American Statistical Association 57, 1962).
"""

from math import log, log1p
from typing import NamedTuple

from moecalc.calc.routing.inclusion import layers_of
from moecalc.ir.rows import Pool
from moecalc.specs.routing import Skew

CHANCE = 1e-4
"""That a draw of the very law strays by more than `likely_deviation`."""


class Variance(NamedTuple):
    """Of the distinct experts that a step touches in one layer."""

    within: float
    """Of the draws of a layer."""
    between: float
    """Of the layers' expectations, where the law gives them different ones."""


def touched_variance(skew: Skew, pool: Pool, tokens: int) -> Variance:
    """Of the distinct experts with weights that `tokens` tokens choose in a layer. Raises as `layers_of`."""
    layers = layers_of(skew, pool)
    expected = [sum(1 - (1 - chance) ** tokens for chance in layer) for layer in layers]
    mean = sum(expected) / len(layers)
    between = sum((each - mean) ** 2 for each in expected) / len(layers)
    if tokens == 1 and not pool.null_experts:
        return Variance(0.0, between)  # it touches as many as it chooses
    if skew.law == "uniform":
        return Variance(_uniform(pool, tokens), between)
    within = sum(rest * (1 - rest) for layer in layers for rest in ((1 - c) ** tokens for c in layer))
    return Variance(within / len(layers), between)


def called_variance(pool: Pool, tokens: int) -> float:
    """Of the choices of `tokens` tokens that fall on experts with weights, under uniform choice: hypergeometric."""
    real, null, chosen = float(pool.experts), float(pool.null_experts), float(pool.top_k)
    size = real + null
    return tokens * chosen * (real / size) * (null / size) * (size - chosen) / (size - 1)


def likely_deviation(variance: float, largest: float = 1.0, chance: float = CHANCE) -> float:
    """By how much a sum of terms of at most `largest` strays from its expectation, but with that chance."""
    if variance <= 0:
        return 0.0
    wanted = log(2 / chance)

    def exponent(deviation: float) -> float:
        ratio = largest * deviation / variance
        return variance / largest**2 * ((1 + ratio) * log1p(ratio) - ratio)

    low, high = 0.0, largest
    while exponent(high) < wanted:
        low, high = high, 2 * high
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if exponent(middle) < wanted else (low, middle)
    return high


def _uniform(pool: Pool, tokens: int) -> float:
    """Over all pairs of experts with weights."""
    experts, size, chosen = int(pool.experts), int(pool.experts + pool.null_experts), int(pool.top_k)
    grouped = pool.group_limit is not None and not pool.null_experts
    groups, limit = (int(pool.groups), int(pool.group_limit or 0)) if grouped else (1, 1)
    held = size // groups * limit  # experts that a token may use
    one = 1 - chosen / held  # left out, where its group is used
    two = one * (1 - chosen / (held - 1)) if held > 1 else 0.0
    used = limit / groups
    both_used = used * (limit - 1) / (groups - 1) if groups > 1 else 0.0
    left = 1 - used + used * one
    same = 1 - used + used * two
    across = 1 - 2 * used + both_used + 2 * (used - both_used) * one + both_used * two
    alone = left**tokens
    within = experts // groups - 1  # others of the group that have weights
    pairs = within * (same**tokens - alone**2) + (experts - 1 - within) * (across**tokens - alone**2)
    return max(0.0, experts * (alone * (1 - alone) + pairs))
