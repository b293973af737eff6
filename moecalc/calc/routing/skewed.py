"""A skew of the router as the calculators of speed take it: which share of the experts a batch touches.

Tokens choose independently, so expert i is left out by T tokens with probability (1 - pi_i)^T, whichever way a token
picks its top_k distinct experts (successive sampling, Gumbel top-k, Poisson sampling given its size): only the
probability pi_i that a token picks it counts. Expected share touched: 1 - mean over experts and layers of (1 - pi_i)^T.
"""

from collections import Counter
from functools import cached_property

from moecalc.calc.routing.inclusion import layers_of
from moecalc.calc.speed.reads import UNIFORM, Routing
from moecalc.ir.numeric import Number
from moecalc.ir.rows import Pool
from moecalc.specs.routing import Skew


class Skewed(Routing, frozen=True, kw_only=True, dict=True):
    """Tokens that choose experts by a skew. The mean over layers where these differ."""

    skew: Skew

    def touched(self, pool: Pool, tokens: Number) -> Number:
        """Expected share of a pool's experts that `tokens` tokens touch."""
        if not isinstance(tokens, int):
            return self._touched(pool, tokens)
        known = self._known
        if (pool, tokens) not in known:
            known[pool, tokens] = self._touched(pool, tokens)
        return known[pool, tokens]

    def _touched(self, pool: Pool, tokens: Number) -> Number:
        if pool not in self._left_out:
            self._left_out[pool] = _left_out(self.skew, pool)
        return 1 - sum(weight * rest**tokens for rest, weight in self._left_out[pool])

    # Kept, because a sweep asks for the same batches on every rank of every plan.

    @cached_property
    def _known(self) -> dict[tuple[Pool, int], Number]:
        return {}

    @cached_property
    def _left_out(self) -> dict[Pool, tuple[tuple[float, float], ...]]:
        return {}


def routing_under(skew: Skew) -> Routing:
    """What `speed` and the others take; the uniform law is the assumption that they have anyway."""
    return UNIFORM if skew.law == "uniform" else Skewed(skew=skew, words=skew.words)


def _left_out(skew: Skew, pool: Pool) -> tuple[tuple[float, float], ...]:
    """The probabilities with which a token leaves an expert out, and which share of the experts has each."""
    layers = layers_of(skew, pool)
    counted = Counter(1 - probability for layer in layers for probability in layer)
    size = len(layers) * len(layers[0])
    return tuple((rest, count / size) for rest, count in counted.items())
