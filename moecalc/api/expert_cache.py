"""`fit --cache-hit`: what a cache of the hottest experts on the GPUs would hit where experts lie in RAM."""

from __future__ import annotations

from typing import Any

import msgspec

from moecalc.api.engine_rules import known_model
from moecalc.api.skews import check_router, skew_of
from moecalc.calc.deploy.fitted import Fit
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

    @property
    def words(self) -> str:
        """What it would hit, and what it leaves to the RAM."""
        compared = "" if self.skew.law == "uniform" else f" (uniform routing: {self.uniform.hit_share:.0%})"
        return (
            f"expert cache: with the {self.skewed.held:,} hottest of {self.experts:,} experts of each layer on the GPU "
            f"in place of whole layers, {self.skewed.hit_share:.0%} of choices hit under {self.skew.words} routing"
            f"{compared}; a step of {format_counted(self.sequences, 'token')} reads "
            f"{self.skewed.missed_share * self.experts:.3g} experts a layer from RAM; estimate: an engine must keep "
            "such a cache, llama.cpp does not"
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
        )
        models = (msgspec.structs.replace(first, lines=lines), *others)
        return msgspec.structs.replace(report, models=models)


def expert_cache(model: Any, fit: Fit, skew: str | Skew) -> ExpertCache:
    """What the experts' share of the GPUs would hit as a cache.

    Raises InputError where no experts lie in RAM, and for a skew that is none of this model.
    """
    found, chosen = known_model(model), skew_of(skew)
    pools = pools_of(found.ledger)
    check_router(chosen, len(pools))
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
    return ExpertCache(
        skew=chosen,
        experts=int(pool.experts),
        skewed=residency(layers_of(chosen, pool), share, sequences),
        uniform=residency(layers_of(UNIFORM_SKEW, pool), share, sequences),
        sequences=sequences,
    )
