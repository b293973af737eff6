"""How far the fullest expert and the fullest rank lie above the mean of a batch. Needs numpy.

Closed forms where there are any: one token; every token choosing all experts; one choice per token among equal experts
(`largest`). Elsewhere seeded simulations with their standard errors: many batches are drawn, and the mean of their
maxima is given with the deviation of that mean, which of several layers includes how much these differ. The same draws
serve all batch sizes.

Two loads of an expert-parallel rank: the choices that fall on it, which its arithmetic follows, and the different
experts that they are of, which its reads follow. Experts stand on ranks in order, as many on each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from moecalc.calc.routing.choosing import choices
from moecalc.calc.routing.inclusion import SEED, Probabilities
from moecalc.calc.routing.largest import expected_largest
from moecalc.ir.rows import Pool

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOKENS = 2**16
"""Drawn at least: 16 batches of 4,096, whose mean maximum is known to about half a percent."""

CELLS = 2**20
"""Counts of one batch size at once; smaller batches are drawn more often than that many need not be."""

LEAST_BATCHES = 4
"""Batches of one size that are drawn at least, for the error of their mean."""


class Peak(msgspec.Struct, frozen=True):
    """The expected maximum over the mean; `error` is its standard error, None where it is a closed form."""

    over_mean: float
    error: float | None = None


class Peaks(msgspec.Struct, frozen=True, kw_only=True):
    """Of one batch size: the fullest expert, and of ranks the choices, the experts read, and the time of a step."""

    expert: Peak
    rank_choices: Peak | None = None
    rank_experts: Peak | None = None
    rank_seconds: Peak | None = None


class Pace(msgspec.Struct, frozen=True):
    """What a rank takes: seconds to read an expert, and to multiply one token by it. The longer of both binds."""

    read_seconds: float
    compute_seconds: float


def peaks(
    pool: Pool,
    layers: Sequence[Probabilities],
    batches: Sequence[int],
    ranks: int = 1,
    pace: Pace | None = None,
) -> dict[int, Peaks]:
    """The peaks at each batch size; of `ranks` ranks where there are several."""
    import numpy as np

    random = np.random.default_rng(SEED)
    drawn = max(LEAST_BATCHES * max(batches), TOKENS)
    own = max(*batches, -(-drawn // len(layers)))
    found: dict[int, list[dict[str, NDArray[Any]]]] = {batch: [] for batch in batches}
    for layer in layers:
        made = choices(pool, layer, own, random)
        for batch in batches:
            found[batch].append(_maxima(pool, made, batch, ranks, pace, len(layers)))
    exact = _closed_form(pool, layers)
    return {batch: _peaks(pool, batch, parts, ranks, exact) for batch, parts in found.items()}


def _maxima(
    pool: Pool, made: NDArray[Any], batch: int, ranks: int, pace: Pace | None, layers: int
) -> dict[str, NDArray[Any]]:
    """Of every batch drawn: maxima and means."""
    import numpy as np

    experts, size = int(pool.experts), int(pool.experts + pool.null_experts)
    number = max(1, min(len(made) // batch, CELLS // (size * layers)))
    used = made[: number * batch]
    places = used + size * (np.arange(number * batch) // batch)[:, None]
    counts = np.bincount(places.ravel(), minlength=number * size).reshape(number, size)[:, :experts]
    maxima = {"expert": counts.max(axis=1), "expert mean": counts.sum(axis=1) / experts}
    if ranks > 1:
        of_ranks = counts.reshape(number, ranks, experts // ranks)
        load, read = of_ranks.sum(axis=2), np.count_nonzero(of_ranks, axis=2)
        sorts = {"choices": load, "experts": read}
        if pace is not None:
            sorts["seconds"] = np.maximum(read * pace.read_seconds, load * pace.compute_seconds)
        for name, values in sorts.items():
            maxima[name], maxima[f"{name} mean"] = values.max(axis=1), values.mean(axis=1)
    return maxima


def _peaks(
    pool: Pool,
    batch: int,
    parts: list[dict[str, NDArray[Any]]],
    ranks: int,
    exact: Callable[[int, int], float | None],
) -> Peaks:
    import numpy as np

    def of(name: str, bins: int | None = None) -> Peak | None:
        if name not in parts[0]:
            return None
        known = exact(bins, batch) if bins is not None else None
        if known is not None:
            return Peak(known)
        maxima = [part[name].astype(float) for part in parts]
        means = [part[f"{name} mean"].astype(float) for part in parts]
        mean = np.mean([values.mean() for values in means])
        ratio = np.mean([values.mean() for values in maxima]) / mean
        # Of a ratio of means, to first order (the delta method).
        apart = [own - ratio * others for own, others in zip(maxima, means, strict=True)]
        # Of several layers each counts as one: batches of the same layer are alike.
        single = apart[0] if len(apart) == 1 else np.array([values.mean() for values in apart])
        error = single.std(ddof=1) / math.sqrt(len(single)) / mean if len(single) > 1 else 0.0
        return Peak(float(ratio), float(error))

    expert = of("expert", int(pool.experts))
    assert expert is not None
    return Peaks(
        expert=expert,
        rank_choices=of("choices", ranks),
        rank_experts=of("experts"),
        rank_seconds=of("seconds"),
    )


def _closed_form(pool: Pool, layers: Sequence[Probabilities]) -> Callable[[int, int], float | None]:
    """The fullest of so many equal bins over the mean, at a batch size; None where no closed form is known."""
    even = not pool.null_experts and len(layers) == 1 and min(layers[0]) == max(layers[0])

    def known(bins: int, batch: int) -> float | None:
        if pool.null_experts:
            return None
        if pool.top_k == pool.experts:
            return 1.0
        if batch == 1 and bins == pool.experts:
            return float(pool.experts / pool.top_k)
        if even and pool.top_k == 1:
            return expected_largest(bins, batch) * bins / batch
        return None

    return known
