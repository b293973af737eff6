"""Stored runs of `moecalc profile` in the table of `moecalc accuracy`: what fits on other models' runs say of each.

As with published measurements, nothing is predicted by what has seen it: the coefficients are of runs of other models
on the same device in the same dtype. A ceiling is that of the run itself.
"""

from collections.abc import Mapping

from moecalc.calc.speed.accuracy import CeilingCount, RegimeAccuracy, quantile
from moecalc.calc.speed.calibrated import PHASES, left_out
from moecalc.specs.expectations import Judged
from moecalc.specs.runs import Phase, Run

TARGETS: dict[Phase, float] = {"decode": 0.10}
"""Median errors to reach after calibration, set before anything was run."""

REGIMES: dict[Phase, str] = {phase: f"profile-{phase}" for phase in PHASES}
"""What the table calls the steps of stored runs."""


def profiled(runs: Mapping[str, Run]) -> tuple[RegimeAccuracy, ...]:
    """A line for each phase of which steps could be predicted from runs of other models on the same device."""
    predicted = left_out(runs)
    lines = []
    for phase in PHASES:
        rows = [row for row in predicted if row[1].phase == phase]
        if not rows:
            continue
        ratios = sorted(seconds / point.timing.seconds for _, point, seconds in rows)
        errors = sorted(abs(ratio - 1) for ratio in ratios)
        inverse = sorted(1 / ratio for ratio in ratios)
        names = {name for name, _, _ in rows}
        judged = Judged(
            rows=len(rows),
            models=tuple(sorted({runs[name].model for name in names})),
            devices=tuple(sorted({runs[name].device.name for name in names})),
            median_error=round(quantile(errors, 0.5), 4),
            p90_error=round(quantile(errors, 0.9), 4),
            bias=round(quantile(ratios, 0.5) - 1, 4),
            low=round(quantile(inverse, 0.1), 4),
            high=round(quantile(inverse, 0.9), 4),
        )
        lines.append(
            RegimeAccuracy(
                regime=REGIMES[phase],
                engine_class="all",
                judged=judged,
                alone=None,
                target=TARGETS.get(phase),
                sources=tuple(sorted(names)),
            )
        )
    return tuple(lines)


def ceilings_of(runs: Mapping[str, Run]) -> tuple[CeilingCount, ...]:
    """How many steps of stored runs there are, and how many were faster than the ceiling of their own run."""
    counts = []
    for phase in PHASES:
        points = [
            (f"{name} {point.phase} batch {point.batch} of {point.tokens:,}", point, run.ceilings)
            for name, run in runs.items()
            for point in run.points
            if point.phase == phase
        ]
        beaten = tuple(
            words
            for words, point, ceilings in points
            if point.timing.seconds
            < max(point.moved_bytes / ceilings.bytes_per_second, point.flops / ceilings.flops_per_second)
        )
        if points:
            counts.append(
                CeilingCount(
                    regime=REGIMES[phase], rows=len(points), beaten=beaten, beaten_uniform=len(beaten)
                )
            )
    return tuple(counts)
