"""The largest of the loads where each token chooses one expert, uniformly: a closed form.

The loads of E experts after T tokens are multinomial. Levin (Annals of Statistics 9(5), 1981, "A representation for
multinomial cumulative distribution functions"): they are E independent Poisson loads given that these add up to T, so

    P(max <= m) = T! / (s^T e^-s) x P(X <= m)^E x P(W = T)

with X ~ Poisson(s / E) and W the sum of E such loads, each cut off at m, for any s; s = T here. P(W = T) is one
coefficient of the E-th power of a polynomial, found by a Fourier transform. The expectation is the sum of the tails.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEGLIGIBLE = 1e-12
"""Of a probability: what is beyond it adds less than rounding does."""

_VANISHING = 1e-20


def expected_largest(bins: int, tokens: int) -> float:
    """E of the largest of `bins` loads that `tokens` tokens make, each of them in one bin. Needs numpy."""
    if bins == 1 or tokens == 1:
        return float(tokens) if bins == 1 else 1.0
    low, high = -(-tokens // bins) - 1, tokens  # some bin has the mean, rounded up: none has `low` at most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if at_most(bins, tokens, middle) > _NEGLIGIBLE else (middle, high)
    total, most = float(high), high
    while most < tokens:
        tail = 1 - at_most(bins, tokens, most)
        total += tail
        most += 1
        if tail < _NEGLIGIBLE:
            break
    return total


def at_most(bins: int, tokens: int, most: int) -> float:
    """P that no bin has more than `most`. Needs numpy."""
    import numpy as np

    if most >= tokens:
        return 1.0
    if bins * most < tokens:
        return 0.0
    mean = tokens / bins
    density: NDArray[Any] = np.exp(
        np.arange(most + 1) * math.log(mean)
        - mean
        - np.array([math.lgamma(count + 1) for count in range(most + 1)])
    )
    within = float(density.sum())
    # The sum of the cut-off loads runs to bins x most, and hardly anything of it lies 64 deviations from its mean:
    # so many points keep its coefficients apart.
    size = min(bins * most + 1, most + 64 * math.isqrt(tokens) + 64)
    size = 1 << (size - 1).bit_length()  # the transform is fastest at powers of two
    waves = np.fft.rfft(density / within, size)
    # Most waves vanish in the power; of the others the one coefficient is a sum, each wave there twice but the first.
    places = np.flatnonzero(np.abs(waves) ** bins > _VANISHING)
    turns = np.exp(2j * math.pi * ((places * (tokens % size)) % size) / size)
    terms = (waves[places] ** bins * turns).real * np.where((places == 0) | (2 * places == size), 1, 2)
    coefficient = float(terms.sum()) / size
    poisson = math.exp(tokens * math.log(tokens) - tokens - math.lgamma(tokens + 1))
    return min(1.0, max(0.0, within**bins * coefficient / poisson))
