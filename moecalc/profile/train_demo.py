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
import os
import time
from typing import TYPE_CHECKING

from moecalc.errors import InputError
from moecalc.specs.train_demo import SEEDS, WAYS, Demo, Run, Setting, Way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

INSTALL = "pip install 'moecalc[profile]'"


def train_demo(
    seeds: Sequence[int] = SEEDS,
    setting: Setting | None = None,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> Demo:
    """Train every way from every seed, in as many processes as there are cores unless `workers` says otherwise.

    Raises InputError where torch is not installed.
    """
    try:
        import torch
    except ImportError:
        raise InputError("`--train-demo` needs torch, which is not installed", hint=INSTALL) from None
    setting = setting or Setting()
    started = time.perf_counter()
    asked = [(way, seed, setting) for way in WAYS for seed in seeds]
    runs = []
    for run in _trained(asked, workers or min(len(asked), os.cpu_count() or 1)):
        runs.append(run)
        if progress is not None:
            progress(len(runs), len(asked))
    order = [(way, seed) for way, seed, _ in asked]
    return Demo(
        setting=setting,
        seeds=tuple(seeds),
        runs=tuple(sorted(runs, key=lambda run: order.index((run.way, run.seed)))),
        seconds=time.perf_counter() - started,
        torch=str(torch.__version__),
    )


def _trained(asked: Sequence[tuple[Way, int, Setting]], workers: int) -> Iterator[Run]:
    """The runs as they come to an end."""
    import torch

    if workers == 1:
        threads = torch.get_num_threads()
        # More threads take longer over matrices this small, and one adds up in the same order every time.
        torch.set_num_threads(1)
        try:
            yield from (train(*one) for one in asked)
        finally:
            torch.set_num_threads(threads)
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

    with ProcessPoolExecutor(workers, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        for done in as_completed([pool.submit(train, *one) for one in asked]):
            yield done.result()


def train(way: Way, seed: int, setting: Setting) -> Run:
    """One run."""
    import torch
    from torch.nn.functional import mse_loss

    from moecalc.profile.train_demo_model import Model, Task, auxiliary_loss, bias_after

    task, model = Task(setting, seed), Model(setting, seed)
    optimizer = torch.optim.Adam(model.parameters, lr=setting.learning_rate, fused=True)
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
