"""What the hottest experts, kept in fast memory, take off slow memory: an estimate of an expert cache.

A cache that follows a steady load ends up with the experts that are chosen most (LFU; the static optimum where tokens
choose independently, Coffman and Denning, Operating Systems Theory, 1973, section 6). With the n hottest of a layer
resident, the share of choices that hit is the sum of their pi over top_k, and a step of T tokens reads from slow memory
the expected number of others that are touched, sum 1 - (1 - pi)^T. Under uniform choice a hit rate is the share held.
"""

from collections.abc import Sequence

import msgspec

from moecalc.calc.routing.inclusion import Probabilities


class Residency(msgspec.Struct, frozen=True, kw_only=True):
    """A share of a layer's experts in fast memory; means over layers."""

    held: int
    """Experts of each layer."""
    held_share: float
    hit_share: float
    """Of a token's choices, those that fall on them."""
    read_share: float
    """Of a layer's experts, those that a step is expected to read from fast memory."""
    missed_share: float
    """Of a layer's experts, those that a step is expected to read from slow memory."""


def residency(layers: Sequence[Probabilities], share: float, tokens: int) -> Residency:
    """The hottest experts of each layer as far as that share of all goes, for steps of so many tokens."""
    experts = len(layers[0])
    held = min(
        experts, int(share * experts + 1e-9)
    )  # a share that is a whole number of experts but for rounding
    hit = read = missed = 0.0
    for layer in layers:
        ordered = sorted(layer, reverse=True)
        hit += sum(ordered[:held]) / sum(ordered)
        touched = [(1 - (1 - p) ** tokens) / experts for p in ordered]
        read += sum(touched[:held])
        missed += sum(touched[held:])
    return Residency(
        held=held,
        held_share=held / experts,
        hit_share=hit / len(layers),
        read_share=read / len(layers),
        missed_share=missed / len(layers),
    )
