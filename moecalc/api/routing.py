"""`routing`: what a router's choices cost a batch, under a uniform, skewed or counted load."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from moecalc.api.batches import SWEEP, batches_of
from moecalc.api.loading import load
from moecalc.api.model import Model, StatedModel
from moecalc.api.precision import RELEASED, precision_for
from moecalc.api.skews import check_router, skew_of
from moecalc.calc.comparing.demand import LedgerDemand
from moecalc.calc.routing.capacity import check_factor
from moecalc.calc.routing.experts import Experts, experts_of
from moecalc.calc.routing.peaks import Pace
from moecalc.calc.routing.routed import Routed, routed_pool
from moecalc.calc.routing.skewed import routing_under
from moecalc.calc.speed.machine import machine
from moecalc.errors import InputError, UndeterminedError
from moecalc.specs.hardware import Accelerator, accelerator
from moecalc.specs.routing import Skew
from moecalc.specs.workload import check_length

MOST_TOKENS = 2**17
"""Of one batch: more tokens at once than a step takes, and what is drawn for them still fits in memory."""

INSTALL = "pip install 'moecalc[arrays]'"
"""What brings numpy, which simulations need."""


def routing(
    model: Any,
    *,
    batch: int | Sequence[int] | str = SWEEP,
    skew: str | Skew = "uniform",
    ranks: int = 1,
    capacity_factor: float | None = None,
    gpu: str | None = None,
    quant: str | None = None,
) -> Routed:
    """What the choices of `batch` tokens mean (a size, several, or `1..4096`): `.columns()`, `.arrays()`, `.pools`.

    `skew` is a law (`uniform`, `zipf:1`, `dirichlet:0.5`) or a file of counts or choices. `ranks` share the experts
    (expert parallelism), and with a `gpu` the time of their step is computed, not only its bounds. Without numpy what
    is simulated stays out, and is an error where ranks were asked for.

    Raises InputError for what cannot be, and for dense models; UndeterminedError where the shapes are not known.
    """
    found = _known(model)
    precision = precision_for(found, quant or RELEASED)
    pools = experts_of(found.ledger, precision)
    if not pools:
        raise InputError(
            f"`{found.name}` is dense: it has no router",
            hint="name a mixture-of-experts model, e.g. `moecalc routing mixtral-8x7b`; every token of a dense one "
            "reads all of it",
        )
    check_length("ranks", ranks)
    if capacity_factor is not None:
        check_factor(capacity_factor)
    if gpu is not None and ranks == 1:
        raise InputError(
            "the step of one rank waits for no other", hint="add `--ep 8`: the GPUs that share the experts"
        )
    simulate = find_spec("numpy") is not None
    if ranks > 1 and not simulate:
        raise InputError(
            "the fullest rank is simulated, which needs numpy, and it is not installed", hint=INSTALL
        )
    chosen = skew_of(skew)
    check_router(chosen, len(pools))
    demand = LedgerDemand(found.ledger, precision, found.kv_name())
    card = accelerator(gpu) if gpu is not None else None
    return Routed(
        model=found.name,
        source=found.source,
        skew=chosen,
        precision=precision.label,
        quant=quant or RELEASED,
        stored_bytes=demand.weight_bytes,
        pools=tuple(
            routed_pool(
                experts,
                demand.reads,
                chosen,
                routing_under(chosen),
                _batches(batch),
                ranks=ranks,
                capacity_factor=capacity_factor,
                pace=None if card is None else _pace(experts, card),
                simulate=simulate,
            )
            for experts in pools
        ),
        ranks=ranks,
        capacity_factor=capacity_factor,
        device=None if card is None else card.name,
        simulated=simulate,
        warnings=tuple(found.warnings),
    )


def _known(model: Any) -> Model:
    loaded = model if isinstance(model, Model | StatedModel) else load(model)
    if isinstance(loaded, StatedModel):
        raise UndeterminedError(
            f"how tokens of `{loaded.name}` are routed needs shapes, and only counts are known",
            hint="name a model with a known architecture, e.g. `moecalc routing mixtral-8x7b`",
        )
    return loaded


def _batches(batch: int | Sequence[int] | str) -> tuple[int, ...]:
    sizes = batches_of(batch) if isinstance(batch, str) else _several(batch)
    for size in sizes:
        check_length("batch", size)
        if size > MOST_TOKENS:
            raise InputError(
                f"a batch of {size:,} tokens is more than a step takes",
                hint=f"{MOST_TOKENS:,} at most: beyond, loads differ only as the skew has it",
            )
    if not sizes:
        raise InputError("no batch", hint="`1..4096`")
    return sizes


def _several(batch: Any) -> tuple[Any, ...]:
    """The sizes as Python's own numbers, of numpy's arrays and numbers too."""
    own = batch.tolist() if hasattr(batch, "tolist") else batch
    if not isinstance(own, Sequence):
        return (own,)
    return tuple(size.tolist() if hasattr(size, "tolist") else size for size in own)


def _pace(experts: Experts, card: Accelerator) -> Pace:
    """Seconds of one expert on a device: to read it, and to multiply a token by it."""
    one = machine(card, (experts.format_name,))
    return Pace(
        read_seconds=float(experts.expert_bytes) / one.bandwidth,
        compute_seconds=float(one.seconds(experts.flops_per_token, experts.format_name)),
    )
