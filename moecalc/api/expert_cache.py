"""`fit --cache-hit`: what a cache of the hottest experts on the GPUs would hit where experts lie in RAM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from moecalc.api.engine_rules import known_model
from moecalc.api.skews import check_router, skew_of
from moecalc.calc.deploy.fitted import Fit
from moecalc.calc.deploy.offload import Offload
from moecalc.calc.deploy.reading import Reading
from moecalc.calc.routing.experts import pools_of
from moecalc.calc.routing.inclusion import layers_of
from moecalc.calc.routing.residency import Residency, residency
from moecalc.errors import InputError
from moecalc.report import Line, Report
from moecalc.specs.routing import UNIFORM_SKEW, Skew
from moecalc.units import format_counted


class ExpertCache(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes of experts that are on the GPUs, holding the hottest of each layer in place of whole layers."""

    skew: Skew
    experts: int
    skewed: Residency
    uniform: Residency
    sequences: int
    ceiling_tokens_per_second: float | None
    """Of all sequences together; None where a bandwidth is not known."""
    without_tokens_per_second: float | None
    """The same of the placement by whole layers, under uniform routing."""

    @property
    def words(self) -> str:
        """What it would hit, and what it leaves to the RAM."""
        compared = "" if self.skew.law == "uniform" else f" (uniform routing: {self.uniform.hit_share:.0%})"
        return (
            f"expert cache: with the {self.skewed.held:,} hottest of {self.experts:,} experts of each layer on the GPU "
            f"in place of whole layers, {self.skewed.hit_share:.0%} of choices hit under {self.skew.words} routing"
            f"{compared}; a step of {format_counted(self.sequences, 'token')} reads "
            f"{self.skewed.missed_share * self.experts:.3g} experts a layer from RAM{self._ceiling_words}; estimate: "
            "an engine must keep such a cache, llama.cpp does not"
        )

    @property
    def _ceiling_words(self) -> str:
        if self.ceiling_tokens_per_second is None or self.without_tokens_per_second is None:
            return ""
        return (
            f", {self.ceiling_tokens_per_second:,.3g} tokens/s at most (whole layers: "
            f"{self.without_tokens_per_second:,.3g})"
        )

    def added(self, report: Report) -> Report:
        """The report with the cache's lines."""
        first, *others = report.models
        lines = (
            *first.lines,
            Line(
                id="offload.cache.hit_share",
                label="expert choices that a cache of the hottest would hit",
                value=self.skewed.hit_share,
                unit="share",
                basis="estimate",
                formula="sum of the held pi / k",
                note=f"{self.skewed.held} of {self.experts} experts of each layer, {self.skew.words} routing",
            ),
            Line(
                id="offload.cache.missed_experts",
                label="experts a layer that a step reads from RAM",
                value=self.skewed.missed_share * self.experts,
                unit="",
                basis="estimate",
                formula="sum of 1 - (1 - pi)^T over experts not held",
                note=format_counted(self.sequences, "token"),
            ),
            Line(
                id="offload.cache.decode_tokens_per_second",
                label="decode ceiling with such a cache",
                value=self.ceiling_tokens_per_second,
                unit="tokens/s",
                basis="estimate",
                formula="bytes / bandwidth; experts that hit beside those that miss",
                note="bandwidths are not known"
                if self.ceiling_tokens_per_second is None
                else "of all sequences",
            ),
        )
        models = (msgspec.structs.replace(first, lines=lines), *others)
        return msgspec.structs.replace(report, models=models)


def expert_cache(model: Any, fit: Fit, skew: str | Skew) -> ExpertCache:
    """What the experts' share of the GPUs would hit as a cache.

    Raises InputError where no experts lie in RAM, and for a skew that is none of this model.
    """
    found, chosen = known_model(model), skew_of(skew)
    pools = pools_of(found.ledger)
    check_router(chosen, len(pools), "--cache-hit")
    placed = fit.placed
    if not pools or placed is None or not placed.ram.experts:
        raise InputError(
            "`--cache-hit` is about experts in RAM, and here none is",
            hint="name a mixture-of-experts model, devices that do not hold it, and `--ram 64GiB`",
        )
    if len(pools) > 1:
        raise InputError(
            f"`--cache-hit` is about one sort of experts, and `{found.name}` has {len(pools)}",
            hint="leave `--cache-hit` out",
        )
    pool = next(iter(pools))
    on_gpus = sum(gpu.experts for gpu in placed.gpus)
    share = float(on_gpus) / float(on_gpus + placed.ram.experts)
    sequences = fit.setting.case.sequences
    skewed = residency(layers_of(chosen, pool), share, sequences)
    without = fit.offload_ceiling
    return ExpertCache(
        skew=chosen,
        experts=int(pool.experts),
        skewed=skewed,
        uniform=residency(layers_of(UNIFORM_SKEW, pool), share, sequences),
        sequences=sequences,
        ceiling_tokens_per_second=(
            None if without is None else sequences / _seconds(skewed, placed, without.parts, sequences)
        ),
        without_tokens_per_second=None if without is None else without.tokens_per_second,
    )


def _seconds(cache: Residency, placed: Offload, parts: Sequence[Reading], sequences: int) -> float:
    """The least a decode step takes: the other weights and the state where they lie, and experts where the cache is.

    The experts of a layer that hit can be read while those that miss are. Several sequences can follow each other
    through the parts, so that the slowest part alone bounds them; one passes through all.
    """
    *gpus, ram = parts
    stored = float(sum(held.experts for held in (*placed.gpus, placed.ram)))
    on_gpus = float(sum(held.experts for held in placed.gpus))
    others = [(part.bytes - part.expert_bytes) / part.bytes_per_second for part in parts]
    hit = [
        cache.read_share * stored * (float(held.experts) / on_gpus if on_gpus else 0) / part.bytes_per_second
        for held, part in zip(placed.gpus, gpus, strict=True)
    ]
    missed = cache.missed_share * stored / ram.bytes_per_second
    if sequences == 1:
        return sum(others) + max(sum(hit), missed)
    return max(rest + experts for rest, experts in zip(others, (*hit, missed), strict=True))
