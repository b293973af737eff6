"""`sweep` as Python offers it: batches, plans and devices in the words of the options of `speed` and `cost`."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from moecalc.api.batches import SWEEP, batches_of
from moecalc.api.candidates import candidates_of
from moecalc.api.outlays import Terms
from moecalc.api.plans import plan_from
from moecalc.api.sweep import sweep as sweep_candidates
from moecalc.calc.speed.slo import Slo
from moecalc.calc.speed.sweep import Sweep
from moecalc.errors import InputError
from moecalc.specs.fleet import Fleet
from moecalc.specs.money import Amount
from moecalc.specs.plan import Plan
from moecalc.specs.routing import UNIFORM_SKEW, Skew


def sweep(
    model: Any,
    gpus: Fleet | str | Sequence[Fleet | str],
    *,
    batches: Sequence[int] | str = SWEEP,
    slo: Slo | str | None = None,
    in_dollars: bool = False,
    plan: Plan | Mapping[str, Any] | None = None,
    quant: str | None = None,
    kv_dtype: str | None = None,
    context: int | None = None,
    prompt: int | None = None,
    engine: str | None = None,
    overlap: float = 1.0,
    skew: str | Skew = UNIFORM_SKEW,
    gpu_memory_utilization: Fraction | float | None = None,
    served: bool = False,
    price: Amount | None = None,
    utilization: Amount | None = None,
    power: Amount | None = None,
    host_power: Amount | None = None,
    pue: Amount | None = None,
    electricity: Amount | None = None,
    hardware_price: Amount | None = None,
    lifetime: Amount | None = None,
) -> Sweep:
    """Every plan that holds a model on the devices, at every batch that fits; the frontier; the cheapest under limits.

    `gpus` are words as of `--gpu` (`"h100,h200"`, `["2xh100", "mi300x"]`) or fleets; of a kind without a number several
    are tried where there is something to choose. `batches` are numbers, or `"1..4096"`. `slo` are limits
    (`"ttft<1s,tpot<50ms"`): `at_ceiling` and `as_expected` are the cheapest that keep them, in USD per million tokens.
    `in_dollars`, and any of the last eight, which are those of `cost`, makes the frontier one of speed per user
    against dollars, as `moecalc cost` has it; else it is against speed per GPU, with list prices beside.

    Raises InputError for values that cannot be, UndeterminedError where a figure that is needed is not known.
    """
    paid = {
        "price": price,
        "utilization": utilization,
        "power": power,
        "host_power": host_power,
        "pue": pue,
        "electricity": electricity,
        "hardware_price": hardware_price,
        "lifetime": lifetime,
    }
    by_cost = in_dollars or any(value is not None for value in paid.values())
    return sweep_candidates(
        model,
        candidates_of(gpus, slo is not None),
        batches=_batches(batches),
        plan=plan_from(plan),
        quant=quant,
        kv_dtype=kv_dtype,
        context=context,
        prompt=prompt,
        engine=engine,
        overlap=overlap,
        skew=skew,
        gpu_memory_utilization=gpu_memory_utilization,
        slo=slo,
        served=served or by_cost,
        terms=Terms(**paid) if by_cost else None,
    )


def _batches(batches: Any) -> tuple[int, ...]:
    if isinstance(batches, str):
        return batches_of(batches)
    if not isinstance(batches, Sequence):
        raise InputError(f"`batches` is {batches!r}", hint="`batches=(1, 8, 64)`, or `batches='1..4096'`")
    if not batches:
        raise InputError("no batches to try", hint="`batches=(1, 8, 64)`, or `batches='1..4096'`")
    return tuple(sorted(set(batches)))
