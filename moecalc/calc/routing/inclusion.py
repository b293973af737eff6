"""With which probability one token chooses each expert of a layer, from the experts' shares of the load.

A token chooses top_k distinct experts, so expert i is among them with probability pi_i = top_k x its share of the
load, and at most 1: what a share asks beyond that falls to the other experts in proportion. The probabilities of a
layer add up to the real experts that a token calls. Tokens choose independently of each other.
"""

from collections.abc import Sequence

from moecalc.errors import InputError
from moecalc.ir.rows import Pool
from moecalc.specs.routing import Skew

Probabilities = tuple[float, ...]
"""Of one layer, by expert."""

DRAWN = 4096
"""Experts that are drawn of a Dirichlet law, in all layers together; at least in LEAST_LAYERS."""

LEAST_LAYERS = 16

SEED = 20_250_109
"""Of every draw here, so that the same question has the same answer."""

_LEAST = 1e-300
"""Draws of a small concentration can be too small for a float; an expert is not quite without load then."""


def layers_of(skew: Skew, pool: Pool, layers: int | None = None) -> tuple[Probabilities, ...]:
    """The layers that figures are means over: one where all are alike, seeded draws, or those of counted loads.

    `layers` is how many layers choose among this pool, where counted loads must be of as many. Raises InputError where
    counted loads are of another shape, or none that this choice can have.
    """
    experts = int(pool.experts)
    if skew.loads is not None:
        _check(skew, pool, layers)
        return tuple(capped(counts, float(pool.calls)) for counts in skew.loads.counts)
    if skew.law == "dirichlet":
        import random  # imports what only this needs

        draw = random.Random(SEED)  # noqa: S311 - a simulation
        concentration = skew.parameter or 0.0
        return tuple(
            capped(
                [max(_LEAST, draw.gammavariate(concentration, 1.0)) for _ in range(experts)],
                float(pool.calls),
            )
            for _ in range(drawn_layers(experts))
        )
    if skew.law == "zipf":
        return (
            capped([rank ** -(skew.parameter or 0.0) for rank in range(1, experts + 1)], float(pool.calls)),
        )
    return ((float(pool.calls) / experts,) * experts,)


def drawn_layers(experts: int) -> int:
    """Layers of so many experts that are drawn of a Dirichlet law."""
    return max(LEAST_LAYERS, DRAWN // experts)


def capped(shares: Sequence[float], calls: float) -> Probabilities:
    """Probabilities in proportion to the shares, none above 1, that add up to `calls`.

    As many shares must be above 0 as `calls` asks for.
    """
    order = sorted(range(len(shares)), key=lambda at: -shares[at])
    rest = float(sum(shares))
    made = [0.0] * len(shares)
    left = calls
    for place, at in enumerate(order):
        if shares[at] * left < rest:
            for other in order[place:]:
                made[other] = left * shares[other] / rest
            break
        made[at] = min(1.0, left)
        left -= made[at]
        rest = float(sum(shares[other] for other in order[place + 1 :]))
    return tuple(made)


def hottest_rank(layers: Sequence[Probabilities], ranks: int) -> float:
    """The most loaded rank's share of an endless stream over the mean, of unlike layers the mean.

    Experts stand on ranks in order, as many on each, the last with fewer where they do not divide.
    """
    size = -(-len(layers[0]) // ranks)
    hottest = [
        max(sum(layer[at : at + size]) for at in range(0, len(layer), size)) / sum(layer) for layer in layers
    ]
    return ranks * sum(hottest) / len(hottest)


def _check(skew: Skew, pool: Pool, layers: int | None) -> None:
    loads = skew.loads
    assert loads is not None
    if loads.experts != pool.experts:
        raise InputError(
            f"`{loads.source}` counts {loads.experts:,} experts, and the model has {pool.experts:,}",
            hint="record the routing of this model",
        )
    if layers is not None and len(loads.counts) != layers:
        raise InputError(
            f"`{loads.source}` counts {len(loads.counts):,} layers, and {layers:,} of the model's choose experts",
            hint="a row for each layer that chooses; rows of zeros are taken for dense layers",
        )
    for layer, counts in enumerate(loads.counts):
        live = sum(count > 0 for count in counts)
        if live < pool.min_calls:
            raise InputError(
                f"row {layer} of `{loads.source}` has load on {live:,} experts, and a token calls {pool.min_calls:,}",
                hint="is this the recording of another model?",
            )
        highest = max(counts)
        # A count may be off by one where a recorder averages, so one more is let through.
        if (highest - 1) * pool.min_calls > sum(counts):
            raise InputError(
                f"row {layer} of `{loads.source}` gives expert {counts.index(highest):,} {highest / sum(counts):.1%} "
                f"of the load",
                hint=f"a token calls {pool.min_calls:,} different experts, so none can have more than "
                f"{1 / pool.min_calls:.1%}: is this the recording of another model?",
            )
