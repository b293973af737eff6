"""Everything that a recording of real routing says about balance, reuse and balancing losses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from moecalc.calc.routing.auxiliary import gshard_loss, switch_loss
from moecalc.calc.routing.balance import Balance, balance_of
from moecalc.calc.routing.reuse import (
    CacheHits,
    Consecutive,
    cache_hits,
    consecutive,
    counts_of,
    first_counts,
)
from moecalc.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moecalc.specs.recordings import Recording

CACHE_SHARES = (0.12, 0.25, 0.5)
"""Shares of a layer's experts that a cache may hold."""


class Losses(msgspec.Struct, frozen=True, kw_only=True):
    """Means over layers, before coefficients; None with the reason in `missing`.

    `switch_is_of_loads`: no probabilities are at hand and the loads stand for them.
    """

    switch: float
    switch_is_of_loads: bool
    gshard: float | None
    z_loss: float | None
    missing: tuple[str, ...]


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """A recording, summarised. Layers without any choice (dense ones, in SGLang's files) are left out and named."""

    source: str
    experts: int
    tokens: int | None
    top_k: int | None
    sequences: int | None
    layers: tuple[Balance, ...]
    left_out: tuple[int, ...]
    consecutive: Consecutive | None
    caches: tuple[CacheHits, ...]
    losses: Losses
    notes: tuple[str, ...]

    @property
    def worst(self) -> Balance:
        """The layer whose fullest expert is furthest above the mean."""
        return max(self.layers, key=lambda layer: layer.max_over_mean)

    def mean(self, measure: str) -> float:
        """The mean of one of a layer's measures."""
        return math.fsum(float(getattr(layer, measure)) for layer in self.layers) / len(self.layers)

    def to_dict(self) -> dict[str, Any]:
        """All figures for JSON, each with its unit in its name or none."""
        return {
            "source": self.source,
            "experts": self.experts,
            "tokens": self.tokens,
            "top_k": self.top_k,
            "sequences": self.sequences,
            "layers": [
                {
                    "layer": layer.layer,
                    "entropy_bits": layer.entropy_bits,
                    "entropy_share": layer.entropy_share,
                    "effective_experts": layer.effective_experts,
                    "gini": float(layer.gini),
                    "max_over_mean": float(layer.max_over_mean),
                    "dead_experts": list(layer.dead),
                    "counts": list(layer.counts),
                }
                for layer in self.layers
            ],
            "layers_without_choices": list(self.left_out),
            "consecutive_token_reuse": (
                None
                if self.consecutive is None or not self.consecutive.asked
                else self.consecutive.kept / self.consecutive.asked
            ),
            "expert_cache": [
                {
                    "resident_share": cache.share,
                    "experts_held": cache.held,
                    "hit_rate": cache.hits / cache.asked if cache.asked else None,
                    "tokens_followed": cache.tokens,
                }
                for cache in self.caches
            ],
            "switch_loss": self.losses.switch,
            "switch_loss_of_loads": self.losses.switch_is_of_loads,
            "gshard_loss": self.losses.gshard,
            "z_loss": self.losses.z_loss,
            "undetermined": list(self.losses.missing),
            "notes": list(self.notes),
        }


def observe(recording: Recording, cache_shares: Sequence[float] = CACHE_SHARES) -> Observed:
    """The summary of a recording.

    Raises InputError where no layer has a choice, or a cache's share is not above 0 and at most 1.
    """
    for share in cache_shares:
        if not 0 < share <= 1:
            raise InputError(
                f"a cache that holds {share:g} of the experts", hint="a share above 0 and at most 1"
            )
    counts = (
        recording.counts if recording.counts is not None else counts_of(recording.array, recording.experts)
    )
    tokens, top_k = recording.tokens, recording.top_k
    live = [at for at, row in enumerate(counts) if any(row)]
    if not live:
        raise InputError("no layer has a choice", hint="record while tokens run through the model")
    present = None if recording.choices is None else recording.array
    return Observed(
        source=recording.source,
        experts=recording.experts,
        tokens=tokens,
        top_k=top_k,
        sequences=None if recording.starts is None else len(recording.starts),
        layers=tuple(balance_of(recording.layer_names[at], counts[at], tokens, top_k) for at in live),
        left_out=tuple(recording.layer_names[at] for at in range(len(counts)) if at not in set(live)),
        consecutive=None if present is None else consecutive(present, recording.starts),
        caches=() if present is None else cache_hits(present, recording.experts, cache_shares),
        losses=_losses(recording, counts, live),
        notes=_notes(recording),
    )


def _losses(recording: Recording, counts: Sequence[Sequence[int]], live: Sequence[int]) -> Losses:
    probability = recording.mean_probability
    missing = []
    gshard = None
    if probability is None:
        missing.append("GShard's loss needs the router's probabilities, which are not in the recording")
    elif recording.choices is None or not recording.best_first:
        missing.append("GShard's loss needs each token's first choice, which the recording does not tell")
    else:
        firsts = first_counts(recording.array, recording.experts)
        gshard = _mean([gshard_loss(firsts[at], probability[at]) for at in live])
    if recording.z_loss is None:
        missing.append("the z-loss needs the router's logits, which are not in the recording")
    return Losses(
        switch=_mean([switch_loss(counts[at], probability[at] if probability else None) for at in live]),
        switch_is_of_loads=probability is None,
        gshard=gshard,
        z_loss=None if recording.z_loss is None else _mean([recording.z_loss[at] for at in live]),
        missing=tuple(missing),
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _notes(recording: Recording) -> tuple[str, ...]:
    if recording.choices is None:
        return (*recording.notes, "counts alone: reuse from token to token and caches need choices by token")
    if recording.starts is None:
        return (*recording.notes, "taken for one sequence: nothing says where sequences begin")
    return recording.notes
