"""`cost`: dollars per million tokens, per request and per conversation, on rented or own devices; API prices beside."""

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from moecalc.api.buying import buying
from moecalc.api.cost_request import link_of, mix_of, request_cost
from moecalc.api.fit_setting import Asked
from moecalc.api.fleets import fleet_from
from moecalc.api.loading import load
from moecalc.api.model import Model, StatedModel
from moecalc.api.other_plans import other_plans, pricing_of
from moecalc.api.outlays import Terms, host_words
from moecalc.api.plans import plan_from
from moecalc.api.speed import speculative, speed
from moecalc.calc.cost.cost import Cost
from moecalc.calc.cost.figure import Figure
from moecalc.calc.cost.pace import Pace, decode_pace, prefill_pace
from moecalc.calc.deploy.budget import MOST_SEQUENCES
from moecalc.calc.speed import speculation
from moecalc.calc.speed.expectation import NoExpectation
from moecalc.calc.speed.hybrid import Hybrid, published_spread
from moecalc.calc.speed.roofline import Roofline
from moecalc.calc.speed.speed import Speed
from moecalc.calc.speed.traffic import Routing
from moecalc.errors import InputError, UndeterminedError
from moecalc.specs import money
from moecalc.specs.fleet import UNLISTED, Fleet
from moecalc.specs.kv_formats import served_apart
from moecalc.specs.money import Amount
from moecalc.specs.plan import Plan
from moecalc.specs.request import Request
from moecalc.specs.routing import UNIFORM_SKEW, Skew
from moecalc.specs.workload import check_length

MOST_GRAMS = Decimal(10_000)
"""Of CO2 per kWh: several times what the dirtiest plants emit."""

BATCHES = (1, 4, 16, 64, 256, 1024, 4096, 16384)
"""Batches that the curve shows, as far as they fit; the one asked about and the largest stand among them."""


def cost(
    model: Any,
    gpu: Fleet | str,
    *,
    plan: Plan | Mapping[str, Any] | None = None,
    quant: str | None = None,
    kv_dtype: str | None = None,
    engine: str | None = None,
    gpu_memory_utilization: Fraction | float | None = None,
    batch: int | None = None,
    context: int | None = None,
    prompt: int | None = None,
    request: Request | str | None = None,
    pools: int = 1,
    price: Amount | None = None,
    utilization: Amount | None = None,
    power: Amount | None = None,
    electricity: Amount | None = None,
    hardware_price: Amount | None = None,
    lifetime: Amount | None = None,
    host_power: Amount | None = None,
    pue: Amount | None = None,
    carbon: Amount | None = None,
    kv_link: str | None = None,
    overlap: float = 1.0,
    speculate: int | None = None,
    accept: float | None = None,
    api: bool = False,
    skew: str | Skew = UNIFORM_SKEW,
    on: dt.date | None = None,
) -> Cost:
    """What tokens of a model cost on a fleet.

    `batch` None is the most sequences that fit; `prompt` None is the context; a `request` mix stands in place of
    both lengths; `skew` says how tokens choose experts.
    `price` is USD per GPU-hour (None: the latest on-demand price known of the device, with its date);
    `hardware_price` (USD per GPU, with `lifetime` and `electricity`, USD per kWh) is own hardware instead.
    `utilization` is the share of the paid time in which the deployment works at this rate (None: all of it), `power`
    watts per GPU (None: the TDP), `host_power` watts of its host for each GPU (None: not counted), `pue` the power of
    the site over that of its machines (None: 1), `carbon` grams of CO2 per kWh. `kv_link` is what two pools hand state
    over through (`50GB/s`). `overlap`, `speculate` and `accept` are those of `speed`; a fleet whose host has RAM keeps
    there what its devices do not hold, as in `speed`. `api` puts API prices beside (extra `prices`), those of the day
    `on` (None: today). `engine` and `gpu_memory_utilization` decide how many sequences fit, as in `fit`.

    Raises InputError for amounts that make no sense and a batch that does not fit, UndeterminedError where a
    price, a bandwidth or the architecture is not known.
    """
    fleet, plan = fleet_from(gpu), plan_from(plan)
    found = model if isinstance(model, Model | StatedModel) else load(model)
    if not isinstance(found, Model):
        raise UndeterminedError(
            f"`{found.name}` has no known architecture: what a step reads cannot be said",
            hint=f"`moecalc show {found.name}` prints what follows from its figures",
        )
    mix = mix_of(request, context, prompt, pools)
    link = link_of(kv_link, pools)
    speculation.check(speculate, accept)
    terms = Terms(
        price=price,
        utilization=utilization,
        power=power,
        host_power=host_power,
        pue=pue,
        electricity=electricity,
        hardware_price=hardware_price,
        lifetime=lifetime,
    )
    draw, draw_words = terms.draw(fleet)
    outlay = terms.outlay(fleet)
    options: dict[str, Any] = {
        "plan": plan,
        "quant": quant,
        "kv_dtype": kv_dtype,
        "context": mix.longest if mix else context,
        "prompt": mix.prompt if mix else prompt,
        "engine": engine,
        "gpu_memory_utilization": gpu_memory_utilization,
        "overlap": overlap,
        "skew": skew,
    }
    placed = speed(found, fleet, **options)
    most = placed.held.max_sequences
    if fleet.host.ram is not None and (most is None or (batch or 1) > most):
        check_length("batch", batch or 1)
        placed = speed(found, fleet, **options, batch=batch or 1, speculate=speculate, accept=accept)
        if placed.hybrid is not None and mix is not None:
            raise InputError(
                "a request of a model that lies partly in RAM is not priced",
                hint="leave `--request` out, or name devices that hold the model",
            )
    routing = placed.routing
    bound, name, longest = placed.roofline, placed.engine, placed.workload.context
    lengths = (mix.context, mix.prompt) if mix else (longest, placed.workload.prompt)
    input_: Pace | None
    asked = gains = plans = None
    if placed.hybrid is not None:
        chosen = capacity = placed.workload.batch
        output, input_ = _beside_ram(placed, placed.hybrid)
        curve: tuple[Pace, ...] = (output,)
    else:
        capacity = _capacity(found.name, fleet, most, longest)
        chosen = _batch(batch, capacity, longest)
        output = decode_pace(bound, chosen, lengths[0], name, routing)
        input_ = prefill_pace(bound, lengths[1], chosen, 0, name, routing) if bound.is_bounded else None
        curve = tuple(_curve(bound, chosen, capacity, lengths[0], name, routing))
        if plan is None and fleet.count > 1:
            plans = other_plans(
                Asked(
                    found,
                    context=longest,
                    sequences=1,
                    kv_dtype=kv_dtype,
                    utilization=gpu_memory_utilization,
                    engine=engine,
                ),
                fleet,
                quant,
                bound,
                chosen,
                lambda most: _usual(most) if batch is None else batch if batch <= most else None,
                pricing_of(outlay, mix, pools, lengths[0], name, routing),
            )
        if mix is not None:
            asked = request_cost(bound, mix, chosen, pools, name, outlay, capacity, found, routing, link)
        if speculate is not None and accept is not None:
            gains = speculative(
                found, bound, [pace.tokens for pace in curve], lengths[0], speculate, accept, routing
            )
    cost_ = Cost(
        model=found.name,
        title=found.title,
        source=found.source,
        fleet=fleet.describe(),
        devices=fleet.count,
        plan=bound.plan,
        precision=placed.precision,
        kv_dtype=bound.kv_dtype,
        engine=name,
        batch=chosen,
        context=lengths[0],
        prompt=lengths[1],
        capacity=capacity,
        outlay=outlay,
        output=output,
        input=input_,
        curve=curve,
        is_sparse=any(weight.pool is not None for weight in found.ledger.weights),
        draw=draw,
        draw_words=draw_words,
        grams_per_kwh=None
        if carbon is None
        else money.number("--carbon", carbon, "--carbon 400", free=True, most=MOST_GRAMS),
        request=asked,
        buying=None,
        plans=plans,
        speculation=gains,
        in_ram_bytes=placed.hybrid.offload.ram.bytes if placed.hybrid else 0,
        host_note="" if host_power is not None else host_words(fleet),
        routing_words=routing.words,
        defaults={
            **_defaults(batch, context, prompt, mix, plan, terms, chosen, lengths, bound.plan),
            **served_apart(found.ledger),
        },
        warnings=placed.warnings,
    )
    if not api:
        return cost_
    from msgspec.structs import replace

    return replace(cost_, buying=buying(cost_, on or dt.datetime.now(dt.UTC).date()))


def _beside_ram(placed: Speed, part: Hybrid) -> tuple[Pace, Pace | None]:
    """Output and input of a model that lies partly in RAM: at the ceiling alone, prompts one at a time."""
    output = Pace(
        seconds=Figure(ceiling=float(part.decode.seconds), least=float(part.unconditional.seconds)),
        tokens=placed.workload.batch,
        step=part.decode,
        expectation=NoExpectation(published_spread("decoding")),
    )
    if placed.first is None:
        return output, None
    seconds = float(part.prefill.seconds)
    input_ = Pace(
        seconds=Figure(ceiling=seconds, least=seconds),
        tokens=placed.first.prompt,
        step=part.prefill,
        expectation=NoExpectation(published_spread("prefill")),
    )
    return output, input_


def _capacity(model: str, fleet: Fleet, most: int | None, context: int) -> int:
    if most is None:
        same = f" --gpu {fleet.describe().replace(' ', '')}" if UNLISTED not in fleet.describe() else ""
        raise InputError(
            f"`{model}` does not fit {fleet.describe()} with a sequence of {context:,} tokens",
            hint=f"`moecalc fit {model}{same}` says what {'is missing' if same else 'would hold it'}",
        )
    return most


def _batch(batch: int | None, capacity: int, context: int) -> int:
    if batch is None:
        return _usual(capacity)
    check_length("batch", batch)
    if batch > capacity:
        raise InputError(
            f"`--batch {batch}` does not fit: at most {capacity:,} sequences of {context:,} tokens",
            hint=f"type `--batch {capacity}`, name more devices, or a smaller `--kv-dtype`",
        )
    return batch


def _usual(capacity: int) -> int:
    """The most that fit; of state that hardly counts, and sets no limit, what the longest column of the curve has."""
    return capacity if capacity < MOST_SEQUENCES else BATCHES[-1]


def _curve(
    bound: Roofline, batch: int, capacity: int, context: int, engine: str, routing: Routing
) -> Iterable[Pace]:
    largest = _usual(capacity)
    sizes = {batch, largest, *(size for size in BATCHES if size <= largest)}
    # A power right beside one that was asked for tells nothing more.
    crowded = {a for a in BATCHES[1:] for b in (batch, largest) if a != b and b / 1.6 < a < b * 1.6}
    return (
        decode_pace(bound, size, context, engine, routing) for size in sorted(sizes - (crowded - {batch}))
    )


def _defaults(
    batch: int | None,
    context: int | None,
    prompt: int | None,
    mix: Request | None,
    plan: Plan | None,
    terms: Terms,
    chosen: int,
    lengths: tuple[int, int],
    own: Plan,
) -> dict[str, str | int]:
    assumed: dict[str, str | int] = {}
    if batch is None:
        assumed["batch"] = chosen
    if mix is None:
        assumed |= {"context": lengths[0]} if context is None else {}
        assumed |= {"prompt": lengths[1]} if prompt is None else {}
    if plan is None and own.devices > 1:
        assumed["plan"] = own.words
    if terms.utilization is None:
        assumed["utilization"] = "100% of the time"
    if terms.pue is None:
        assumed["PUE"] = 1
    return assumed
