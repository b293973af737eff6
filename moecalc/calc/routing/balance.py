"""How evenly one layer's load lies on its experts: entropy, Gini coefficient, maximum over mean, the dead."""

import math
from collections.abc import Sequence
from fractions import Fraction

import msgspec


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """One layer. `dead` are experts that no token chose, `entropy_bits` at most log2 of the experts."""

    layer: int
    counts: tuple[int, ...]
    entropy_bits: float
    gini: Fraction
    max_over_mean: Fraction
    dead: tuple[int, ...]
    dead_by_chance: float | None
    """Experts that as many tokens would leave out if each chose evenly: E (1 - k/E)^T; None without T and k."""

    @property
    def experts(self) -> int:
        """Experts of the layer."""
        return len(self.counts)

    @property
    def entropy_share(self) -> float:
        """Entropy as a share of that of an even load; 1 for a single expert."""
        return self.entropy_bits / math.log2(self.experts) if self.experts > 1 else 1.0

    @property
    def effective_experts(self) -> float:
        """2^entropy: the experts that an even load of the same entropy would lie on."""
        return float(2**self.entropy_bits)


def balance_of(
    layer: int, counts: Sequence[int], tokens: int | None = None, top_k: int | None = None
) -> Balance:
    """The measures of one layer's counts, of which at least one is above 0."""
    return Balance(
        layer=layer,
        counts=tuple(counts),
        entropy_bits=entropy_bits(counts),
        gini=gini(counts),
        max_over_mean=max_over_mean(counts),
        dead=tuple(expert for expert, count in enumerate(counts) if not count),
        dead_by_chance=(
            None if tokens is None or top_k is None else len(counts) * (1 - top_k / len(counts)) ** tokens
        ),
    )


def entropy_bits(counts: Sequence[int]) -> float:
    """Shannon's entropy of the load in bits: - sum p log2 p."""
    total = sum(counts)
    return math.fsum(-(count / total) * math.log2(count / total) for count in counts if count)


def gini(counts: Sequence[int]) -> Fraction:
    """Mean absolute difference over twice the mean: 0 for an even load, (E - 1)/E where one expert has all."""
    ordered = sorted(counts)
    size = len(ordered)
    weighted = sum((2 * rank - size - 1) * count for rank, count in enumerate(ordered, 1))
    return Fraction(weighted, size * sum(ordered))


def max_over_mean(counts: Sequence[int]) -> Fraction:
    """The fullest expert's load over the mean of all: what its rank waits for."""
    return Fraction(max(counts) * len(counts), sum(counts))
