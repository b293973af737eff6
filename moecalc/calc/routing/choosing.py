"""Router choices at random, with given probabilities that a token picks each expert. Needs numpy.

Pareto sampling (Rosen, Journal of Statistical Planning and Inference 62(2), 1997): of draws U_i, uniform, the experts
with the top_k smallest U_i/(1 - U_i) over pi_i/(1 - pi_i). It is a router whose logits are log(pi_i/(1 - pi_i)) with
logistic noise. The probabilities come out exactly where they are equal, and within 0.02 elsewhere. Where one choice
is left beside experts that are certain, exponential draws over pi_i give exactly pi_i (the Gumbel-max trick).

Group-limited routing first picks groups in the same way, group g with probability L Pi_g / k (Pi_g the sum of its
experts' pi_i, L the groups a token may use), then experts within them with pi_i over that, so that the probabilities
stay: a stand-in for the scores that DeepSeek's routers give groups, which follow the strongest of their experts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from moecalc.calc.routing.inclusion import Probabilities, capped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from moecalc.ir.rows import Pool

PIECE = 2**20
"""Draws at once: they stay in the processor's cache."""


def choices(
    pool: Pool, probabilities: Probabilities, tokens: int, random: np.random.Generator
) -> NDArray[Any]:
    """[tokens, top_k] indices of experts; those from `pool.experts` on are experts without weights."""
    import numpy as np

    null = int(pool.null_experts)
    chance = np.array(probabilities, dtype=np.float64)
    if null:
        rest = (pool.top_k - float(pool.calls)) / null
        chance = np.concatenate([chance, np.full(null, rest)])
    size, top_k = len(chance), int(pool.top_k)
    if top_k == size:
        return np.broadcast_to(np.arange(size), (tokens, size))
    made = np.empty((tokens, top_k), dtype=np.int64)
    limited = pool.group_limit is not None and not null
    draw = _within_groups(pool, chance) if limited else _among_all(chance, top_k)
    step = max(1, PIECE // size)
    for start in range(0, tokens, step):
        rows = min(step, tokens - start)
        made[start : start + rows] = draw(random, rows)
    return made


Draw = Callable[["np.random.Generator", int], "NDArray[Any]"]
"""Draws the choices of so many tokens: [tokens, top_k]."""


def _among_all(chance: NDArray[Any], number: int) -> Draw:
    """So many of all, each with about its chance."""
    scale, exponential = _scale(chance, number)

    def draw(random: np.random.Generator, rows: int) -> NDArray[Any]:
        keys = _keys(random, (rows, len(chance)), exponential, even=scale is None)
        if scale is not None:
            keys *= scale
        return _smallest(keys, number)

    return draw


def _within_groups(pool: Pool, chance: NDArray[Any]) -> Draw:
    """Groups first, then experts within them."""
    import numpy as np

    groups, limit, top_k = int(pool.groups), int(pool.group_limit or 0), int(pool.top_k)
    size = len(chance) // groups
    of_group = np.array(capped(chance.reshape(groups, size).sum(axis=1).tolist(), float(limit)))
    pick = _among_all(of_group, limit)
    inside = np.minimum(1.0, chance.reshape(groups, size) / np.maximum(of_group, 1e-300)[:, None])
    scale, exponential = _scale(inside, top_k)

    def draw(random: np.random.Generator, rows: int) -> NDArray[Any]:
        picked = pick(random, rows)
        keys = _keys(random, (rows, limit * size), exponential, even=scale is None)
        if scale is not None:
            keys *= scale[picked].reshape(rows, -1)
        places = _smallest(keys, top_k)
        own: NDArray[Any] = np.take_along_axis(picked, places // size, axis=1) * size + places % size
        return own

    return draw


def _scale(chance: NDArray[Any], number: int) -> tuple[NDArray[Any] | None, bool]:
    """What draws are multiplied with, None where all have the same chance; and whether draws are exponential."""
    import numpy as np

    certain = chance >= 1
    exponential = number - np.count_nonzero(certain) == 1
    if chance.min() == chance.max():
        return None, exponential
    with np.errstate(divide="ignore", over="ignore"):
        scale = np.where(certain, 0, 1 / chance if exponential else (1 - chance) / chance)
    # Experts without load come last, behind those that are certain, and both stay numbers.
    return np.clip(scale, 0, 1e30).astype(np.float32), exponential


def _keys(random: np.random.Generator, shape: tuple[int, int], exponential: bool, even: bool) -> NDArray[Any]:
    import numpy as np

    if exponential and not even:
        return random.standard_exponential(shape, dtype=np.float32)
    keys = random.random(shape, dtype=np.float32)
    if not even:  # otherwise the draws are in the same order without this
        keys /= 1 - keys
    return keys


def _smallest(keys: NDArray[Any], number: int) -> NDArray[Any]:
    """[rows, number] places of each row's smallest keys."""
    import numpy as np

    if number == 1:
        least: NDArray[Any] = np.argmin(keys, axis=1)[:, None]
        return least
    if number == keys.shape[1]:
        return np.broadcast_to(np.arange(number), keys.shape)
    made: NDArray[Any] = np.argpartition(keys, number - 1, axis=1)[:, :number]
    return made
