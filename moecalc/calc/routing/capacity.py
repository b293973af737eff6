"""Choices that a capacity factor drops: each expert takes at most ceil(c x its even share of the batch).

Switch Transformer (arXiv 2101.03961, section 2.2, equation 3): expert capacity = tokens per batch / experts x capacity
factor; GShard (arXiv 2006.16668, section 2.2) has top_k times as much, for each token chooses as many experts.
Tokens choose independently, so the load of expert i is binomial, and the drops are a closed form whichever way a token
picks its distinct experts: sum over i of E(N_i - C)^+ / (T k), with N_i ~ Binomial(T, pi_i).
"""

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from moecalc.calc.routing.inclusion import Probabilities
from moecalc.errors import InputError
from moecalc.ir.rows import Pool

MOST_FACTOR = 1e4


def check_factor(factor: Any) -> None:
    """Raise InputError for a capacity factor that is none."""
    is_number = isinstance(factor, int | float) and not isinstance(factor, bool)
    if not is_number or not 0 < factor <= MOST_FACTOR:  # nan is refused too
        raise InputError(
            f"the capacity factor is {factor!r}",
            hint="a number above 0: 1 holds an even load, 1.25 leaves a quarter",
        )


def capacity(pool: Pool, tokens: int, factor: float) -> int:
    """Choices that one expert takes of a batch."""
    even = Fraction(tokens * pool.calls) / Fraction(pool.experts)
    return math.ceil(Fraction(str(factor)) * even)


def dropped_share(layers: Sequence[Probabilities], tokens: int, slots: int) -> float:
    """Share of all choices of a batch that find their expert full, in expectation; the mean over layers."""
    made = math.fsum(math.fsum(layer) for layer in layers) * tokens
    counted = Counter(probability for layer in layers for probability in layer)
    return math.fsum(number * excess(tokens, p, slots) for p, number in counted.items()) / made


def excess(tokens: int, probability: float, slots: int) -> float:
    """E (N - slots)^+ of N ~ Binomial(tokens, probability)."""
    if slots >= tokens or probability == 0:
        return 0.0
    if probability == 1:
        return float(tokens - slots)
    mean = tokens * probability
    odds = probability / (1 - probability)
    if slots >= mean:  # the shorter tail, from its thick end
        term, count, total = _density(tokens, probability, slots + 1), slots + 1, 0.0
        while count <= tokens:
            more = (count - slots) * term
            total += more
            if more <= total * 1e-17:
                break
            term *= odds * (tokens - count) / (count + 1)
            count += 1
        return total
    term, count, total = _density(tokens, probability, slots - 1) if slots else 0.0, slots - 1, 0.0
    while count >= 0:
        more = (slots - count) * term
        total += more
        if more <= total * 1e-17:
            break
        term *= count / ((tokens - count + 1) * odds)
        count -= 1
    return mean - slots + total


def _density(tokens: int, probability: float, count: int) -> float:
    """P(N = count)."""
    logarithm = (
        math.lgamma(tokens + 1)
        - math.lgamma(count + 1)
        - math.lgamma(tokens - count + 1)
        + count * math.log(probability)
        + (tokens - count) * math.log1p(-probability)
    )
    return math.exp(logarithm)
