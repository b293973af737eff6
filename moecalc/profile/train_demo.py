"""Does a router that is left alone collapse, does a balancing loss prevent it, and what does too much of it cost?

What follows was written down before the first run and is not changed by what runs show.

Task: regression. 32 clusters in 16 dimensions, each with a linear map of its own to 8 outputs; clusters are drawn with
probability proportional to 1/rank. Loss: mean squared error. Fresh data on every step.

Model: input map, 2 layers (layer norm, 16 experts of width 32, top-2, softmax router, weights of the chosen made to add
up to 1, residual) at hidden size 32, output map. Adam, learning rate 0.003, 400 steps of 512 inputs.

Ways, which differ in nothing else:
- none: no balancing;
- auxiliary: Switch Transformer's loss times 0.01 (its paper's coefficient), summed over layers;
- bias: a bias added to the scores for the choice alone, moved by 0.001 a step against the load (the step of Wang et
  al., arXiv:2408.15664, and DeepSeek-V3); no loss;
- too-large: the same loss as `auxiliary` times 10, a thousand times the coefficient.

Seeds: 0, 1, 2, 3, 4. A seed sets the task, its stream of data and the first weights; all ways of a seed share them.

Judged on 8,192 fresh inputs after the last step, in every layer: an expert is dead if it gets less than a tenth of an
even share; a run has collapsed if more than half of the experts of some layer are dead. Reported for each way: how many
of its runs have collapsed, and mean and range over the seeds of dead experts (mean over layers), of the fullest expert
over the mean (mean over layers), and of the task's loss; the curve is the fullest expert over the mean in the training
batches, every 10th step, mean over seeds and layers.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import msgspec

from moecalc.errors import InputError
from moecalc.profile.train_demo_model import Model, Setting, Task, Way, auxiliary_loss, bias_after

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WAYS: tuple[Way, ...] = ("none", "auxiliary", "bias", "too-large")
SEEDS = (0, 1, 2, 3, 4)

DEAD_BELOW = 0.1
"""Of an even share."""

COLLAPSED_ABOVE = 0.5
"""Of a layer's experts that are dead."""

INSTALL = "pip install 'moecalc[profile]'"


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


def train_demo(
    seeds: Sequence[int] = SEEDS,
    setting: Setting | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Demo:
    """Train every way from every seed. Raises InputError where torch is not installed."""
    try:
        import torch
    except ImportError:
        raise InputError("`--train-demo` needs torch, which is not installed", hint=INSTALL) from None
    setting = setting or Setting()
    started = time.perf_counter()
    threads = torch.get_num_threads()
    # More threads take longer over matrices this small, and one gives the same sums everywhere on this machine.
    torch.set_num_threads(1)
    runs = []
    try:
        for way in WAYS:
            for seed in seeds:
                runs.append(train(way, seed, setting))
                if progress is not None:
                    progress(len(runs), len(WAYS) * len(seeds))
    finally:
        torch.set_num_threads(threads)
    return Demo(
        setting=setting,
        seeds=tuple(seeds),
        runs=tuple(runs),
        seconds=time.perf_counter() - started,
        torch=str(torch.__version__),
    )


def train(way: Way, seed: int, setting: Setting) -> Run:
    """One run."""
    import torch
    from torch.nn.functional import mse_loss

    task, model = Task(setting, seed), Model(setting, seed)
    optimizer = torch.optim.Adam(model.parameters, lr=setting.learning_rate)
    coefficient = {
        "auxiliary": setting.auxiliary_coefficient,
        "too-large": setting.too_large_coefficient,
    }.get(way)
    curve = []
    for step in range(setting.steps):
        inputs, outputs = task.draw(setting.batch)
        predicted, routed = model.forward(inputs)
        loss = mse_loss(predicted, outputs)
        if coefficient is not None:
            loss = loss + coefficient * sum(auxiliary_loss(*layer) for layer in routed)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        counts = [model.counts(chosen) for _, chosen in routed]
        if way == "bias":
            model.biases = [
                bias_after(bias, count, setting.bias_step)
                for bias, count in zip(model.biases, counts, strict=True)
            ]
        if step % setting.curve_every == 0:
            curve.append(
                math.fsum(float(count.max() / count.float().mean()) for count in counts) / len(counts)
            )
    with torch.no_grad():
        inputs, outputs = task.draw(setting.evaluated)
        predicted, routed = model.forward(inputs)
        shares = [model.counts(chosen) / (chosen.numel() / setting.experts) for _, chosen in routed]
    return Run(
        way=way,
        seed=seed,
        task_loss=float(mse_loss(predicted, outputs)),
        loads=tuple(tuple(share.tolist()) for share in shares),
        curve=tuple(curve),
    )
