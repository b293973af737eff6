"""How many experts a batch touches, from which batch on nearly all, and in how many groups a token's experts lie.

All closed forms. Experts touched: `calc.routing.skewed`. Groups (DeepSeek-V3, arXiv 2412.19437, section 2.1.2: each
token is sent to at most M nodes): of L groups that a token may use, each of m experts, k uniformly chosen experts
reach L (1 - C(L m - m, k) / C(L m, k)) groups, as hypergeometric draws do. That takes the groups as chosen uniformly
too. DeepSeek-V3 picks those whose two best experts score highest, so most of them hold a chosen expert: of 8 groups of
32, at most 4, 8 experts lie in 3.96 instead of 3.63, simulated with independent scores.
"""

from fractions import Fraction
from math import comb

from moecalc.calc.speed.reads import Routing
from moecalc.ir.rows import Pool

MOST_TOKENS = 2**40
"""A share that so many tokens do not touch is not reached."""


def tokens_that_touch(routing: Routing, pool: Pool, share: float) -> int | None:
    """The smallest batch that is expected to touch that share of the experts; None where none does."""
    if routing.touched(pool, MOST_TOKENS) < share:
        return None
    low, high = 0, 1
    while routing.touched(pool, high) < share:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if routing.touched(pool, middle) >= share else (middle, high)
    return high


def groups_reached(pool: Pool) -> Fraction:
    """Expected groups in which a token's experts lie if it chooses groups, and experts within them, uniformly."""
    size = pool.experts // pool.groups
    allowed = pool.group_limit or pool.groups
    top_k = pool.top_k
    missed = Fraction(comb(allowed * size - size, top_k), comb(allowed * size, top_k))
    return Fraction(allowed) * (1 - missed)
