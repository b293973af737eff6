"""Cost over batch: several models, each on its own smallest deployment, only as far as that holds the batch."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from moecalc.calc.comparing.demand import StatedDemand
from moecalc.calc.comparing.deployment import Deployment, smallest

NODE = 8
"""Devices of one node: beyond this a cell says only that the batch is not held."""

BATCHES = (1, 4, 16, 64, 256, 1024)


class Cell(msgspec.Struct, frozen=True):
    """One model at one batch: GPU-seconds per output token, or the devices it would need instead."""

    batch: int
    gpu_seconds: float | None
    usd_per_million: float | None = None
    gpus_needed: int | None = None
    """Where the deployment does not hold the batch: the fewest that would, None beyond a node."""
    bound: Literal["", "about", "at least"] = ""
    """How a cost is meant that leaves out what is unknown: a model's cache (about), and which experts a batch
    touches as well (at least)."""


def batches(deployments: Sequence[Deployment]) -> list[int]:
    """The batch sizes worth a column: powers of 4 up to the largest capacity, and every capacity."""
    capacities = sorted({d.capacity for d in deployments if d.capacity < 2**20})
    largest = capacities[-1] if capacities else BATCHES[-1]
    grid = {*capacities, *(batch for batch in BATCHES if batch <= largest), 1}
    # A power right beside a capacity tells nothing more than the capacity does.
    crowded = {b for b in BATCHES[1:] for c in capacities if b != c and c / 1.6 < b < c * 1.6}
    columns = sorted(batch for batch in grid - crowded if batch >= 1)
    while len(columns) > 7:
        droppable = [b for b in columns[1:-1] if b not in capacities[:1]] or columns[1:-1]
        columns.remove(min(droppable, key=lambda b: b / columns[columns.index(b) - 1]))
    return columns


def cell(deployment: Deployment, batch: int) -> Cell:
    """The ceiling at one batch, or how many devices would hold it."""
    if deployment.fits(batch):
        seconds = deployment.gpu_seconds_per_token(batch)
        return Cell(batch, seconds, deployment.usd_per_million_tokens(batch))
    return _too_small(deployment, batch)


def stated_cell(deployment: Deployment, batch: int) -> Cell:
    """The same without a cache, for a model of which only two numbers are known: a rough figure, or a lower one."""
    if deployment.free_bytes < 0:
        return _too_small(deployment, batch)
    bound: Literal["about", "at least"] = "about"
    if is_least(deployment):
        assert isinstance(deployment.demand, StatedDemand)
        bound = "at least"
        deployment = msgspec.structs.replace(deployment, demand=deployment.demand.with_lookup())
    seconds = deployment.gpu_seconds_per_token(batch)
    return Cell(batch, seconds, deployment.usd_per_million_tokens(batch), bound=bound)


def _too_small(deployment: Deployment, batch: int) -> Cell:
    larger = smallest(deployment.demand, deployment.device, deployment.context, batch, deployment.utilization)
    return Cell(batch, None, None, larger.gpus if larger and larger.gpus <= NODE else None)


def is_least(deployment: Deployment) -> bool:
    """Whether a cost without the cache is a lower bound of it: which experts a batch touches is not known either."""
    demand = deployment.demand
    return demand.experts_touched(1) is None and demand.weight_bytes_read(1) < demand.weight_bytes


class Ratio(msgspec.Struct, frozen=True):
    """How two models' cost per token compare at one batch, and what causes it."""

    batch: int
    ratio: float
    """Cost of the first over cost of the second."""
    weights: float
    """Device-seconds per token of reading weights: the first's less the second's."""
    state: float
    """The same of reading state."""
    touched: tuple[float | None, float | None]
    """Share of the first's and the second's experts that the batch touches; None for a dense model."""
    compute_bound: tuple[bool, bool]
    """Whether the first and the second are limited by FLOPs here."""


def ratios(first: Deployment, second: Deployment) -> list[Ratio]:
    """The cost ratio at every batch both hold: all up to 64, then some 12 per octave."""
    limit = min(first.capacity, second.capacity, 2**14)
    found = []
    batch = 1
    while batch <= limit:
        found.append(_ratio(first, second, batch))
        batch += max(1, batch // 16)
    if found and found[-1].batch != limit:
        found.append(_ratio(first, second, limit))
    return found


def _ratio(first: Deployment, second: Deployment, batch: int) -> Ratio:
    both = (first, second)
    weights_a, weights_b = (d.weight_seconds(batch) * d.gpus / batch for d in both)
    state_a, state_b = (d.state_seconds(batch) * d.gpus / batch for d in both)
    touched_a, touched_b = (d.demand.experts_touched(batch) for d in both)
    return Ratio(
        batch=batch,
        ratio=first.gpu_seconds_per_token(batch) / second.gpu_seconds_per_token(batch),
        weights=weights_a - weights_b,
        state=state_a - state_b,
        touched=(
            None if touched_a is None else float(touched_a),
            None if touched_b is None else float(touched_b),
        ),
        compute_bound=(_compute_bound(first, batch), _compute_bound(second, batch)),
    )


def _compute_bound(deployment: Deployment, batch: int) -> bool:
    return deployment.compute_seconds(batch) > deployment.memory_seconds(batch)
