"""Balancing losses of a load that was seen, before their coefficients.

Switch Transformer (arXiv:2101.03961, section 2.2, equation 4): E sum_i f_i P_i, with f_i the share of the choices that
fell on expert i and P_i its mean router probability; 1 where the load is even. With several choices per token f_i is
the share of all of them, so that it stays 1 (transformers' `load_balancing_loss_func` adds them up instead and gives
top_k times as much).

GShard (arXiv:2006.16668, algorithm 1): 1/E sum_e (c_e / S) m_e, with c_e the tokens whose first choice is e, S the
tokens, m_e the mean probability; 1/E^2 where the load is even.

ST-MoE's router z-loss (arXiv:2202.08906, equation 5): the mean over tokens of the squared log-sum-exp of the logits.
"""

import math
from collections.abc import Sequence


def switch_loss(counts: Sequence[int], mean_probability: Sequence[float] | None = None) -> float:
    """E sum f P. Without probabilities they are taken to lie as the load does: E sum f^2."""
    total = sum(counts)
    shares = [count / total for count in counts]
    return len(counts) * math.fsum(f * p for f, p in zip(shares, mean_probability or shares, strict=True))


def gshard_loss(first_choices: Sequence[int], mean_probability: Sequence[float]) -> float:
    """1/E sum (c/S) m; the first choices add up to the tokens."""
    tokens = sum(first_choices)
    return math.fsum(c / tokens * m for c, m in zip(first_choices, mean_probability, strict=True)) / len(
        first_choices
    )
