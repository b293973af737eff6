"""The demonstration of `moecalc routing --train-demo`: what is trained, and what came of it."""

from __future__ import annotations

import math
from typing import Any, Literal

import msgspec

Way = Literal["none", "auxiliary", "bias", "too-large"]

WAYS: tuple[Way, ...] = ("none", "auxiliary", "bias", "too-large")
SEEDS = (0, 1, 2, 3, 4)

DEAD_BELOW = 0.1
"""Of an even share."""

COLLAPSED_ABOVE = 0.5
"""Of a layer's experts that are dead."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of the task, the model and the training, as `train_demo` states them."""

    input_size: int = 16
    output_size: int = 8
    clusters: int = 32
    layers: int = 2
    hidden_size: int = 32
    experts: int = 16
    top_k: int = 2
    intermediate_size: int = 32
    batch: int = 512
    steps: int = 400
    learning_rate: float = 3e-3
    auxiliary_coefficient: float = 0.01
    too_large_coefficient: float = 10.0
    bias_step: float = 0.001
    evaluated: int = 8192
    curve_every: int = 10


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One way from one seed. `loads` [layers][experts] are shares of the choices over an even share, at the end."""

    way: Way
    seed: int
    task_loss: float
    loads: tuple[tuple[float, ...], ...]
    curve: tuple[float, ...]

    @property
    def dead(self) -> float:
        """Dead experts, mean over layers."""
        return sum(load < DEAD_BELOW for layer in self.loads for load in layer) / len(self.loads)

    @property
    def max_over_mean(self) -> float:
        """The fullest expert over the mean, mean over layers."""
        return math.fsum(map(max, self.loads)) / len(self.loads)

    @property
    def collapsed(self) -> bool:
        """Whether more than half of the experts of some layer are dead."""
        return any(
            sum(load < DEAD_BELOW for load in layer) > COLLAPSED_ABOVE * len(layer) for layer in self.loads
        )


class Demo(msgspec.Struct, frozen=True, kw_only=True):
    """All runs, in the order of `WAYS` and the seeds."""

    setting: Setting
    seeds: tuple[int, ...]
    runs: tuple[Run, ...]
    seconds: float
    torch: str

    def of(self, way: Way) -> tuple[Run, ...]:
        """The runs of one way."""
        return tuple(run for run in self.runs if run.way == way)

    def curve(self, way: Way) -> tuple[float, ...]:
        """The fullest expert over the mean along the training, mean over seeds."""
        runs = self.of(way)
        return tuple(
            math.fsum(values) / len(runs) for values in zip(*(run.curve for run in runs), strict=True)
        )

    def spread(self, way: Way, measure: str) -> tuple[float, float, float]:
        """Mean, lowest and highest over the seeds."""
        values = [float(getattr(run, measure)) for run in self.of(way)]
        return math.fsum(values) / len(values), min(values), max(values)

    def to_dict(self) -> dict[str, Any]:
        """All figures for JSON."""
        return {
            "setting": msgspec.to_builtins(self.setting),
            "seeds": list(self.seeds),
            "seconds": self.seconds,
            "torch": self.torch,
            "ways": {
                way: {
                    "collapsed_runs": sum(run.collapsed for run in self.of(way)),
                    **{
                        measure: dict(zip(("mean", "low", "high"), self.spread(way, measure), strict=True))
                        for measure in ("dead", "max_over_mean", "task_loss")
                    },
                    "max_over_mean_curve": list(self.curve(way)),
                    "loads": [[list(layer) for layer in run.loads] for run in self.of(way)],
                }
                for way in WAYS
            },
        }
