"""Many devices, plans and batches: which of them are worth having, and the cheapest that keeps limits."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import msgspec

from moecalc.api.batches import BatchRange
from moecalc.api.candidates import Candidate, most_of
from moecalc.api.deployments import Deployment, deployments
from moecalc.api.expecting import Expecting, with_latency
from moecalc.api.fit_setting import Asked
from moecalc.api.outlays import Terms
from moecalc.api.precision import RELEASED
from moecalc.api.skews import routing_of
from moecalc.api.speed import first_under_load
from moecalc.calc.deploy.fitted import Setting
from moecalc.calc.routing.experts import pools_of
from moecalc.calc.speed.expectation import NoExpectation
from moecalc.calc.speed.refine import PointAt, refined
from moecalc.calc.speed.roofline import Roofline
from moecalc.calc.speed.slo import Slo, parse_slo
from moecalc.calc.speed.sweep import (
    Choice,
    Deployed,
    Point,
    Sweep,
    cheapest_frontier,
    choose,
    decode_grid,
    expected_frontier,
    frontier,
    slow_words,
    unjudged,
)
from moecalc.calc.speed.traffic import Routing
from moecalc.errors import UndeterminedError
from moecalc.specs.fleet import Fleet
from moecalc.specs.kv_formats import served_apart
from moecalc.specs.plan import Plan
from moecalc.specs.routing import UNIFORM_SKEW, Skew
from moecalc.specs.workload import check_length

SIZES_TRIED = 4
"""Of the numbers of devices that hold the model, the smallest so many are tried."""

MOST_EXPECTED = 1024
"""Named batches make up to so many points of which each is given an expectation: it takes longer than the ceiling. Of
more, those on the frontier and those that keep limits are."""


def sweep(
    model: Any,
    candidates: Sequence[Candidate],
    *,
    batches: Sequence[int],
    plan: Plan | None = None,
    quant: str | None = None,
    kv_dtype: str | None = None,
    context: int | None = None,
    prompt: int | None = None,
    engine: str | None = None,
    overlap: float = 1.0,
    skew: str | Skew = UNIFORM_SKEW,
    gpu_memory_utilization: Fraction | float | None = None,
    slo: Slo | str | None = None,
    served: bool = False,
    terms: Terms | None = None,
) -> Sweep:
    """Every plan that holds the model on the candidates, at every batch that fits.

    `terms` is what devices are paid for: then the frontier is of speed per user against dollars, over all kinds of
    devices together, and each of them needs a price; without, list prices stand beside where they are known.
    `served`, and every limit, expects continuous batching of several sequences where that was measured. A limit on
    `ttft` needs devices with a published peak. Raises InputError for values that cannot be, and UndeterminedError
    where a figure that is needed is not known.
    """
    limits = parse_slo(slo) if isinstance(slo, str) else slo
    served = served or limits is not None
    for batch in batches:
        check_length("batch", batch)
    asked = Asked(
        model,
        context=context,
        sequences=1,
        kv_dtype=kv_dtype,
        utilization=gpu_memory_utilization,
        engine=engine,
    )
    found = asked.model
    routing = routing_of(overlap, skew, sorts=len(pools_of(found.ledger)))
    workload = found.workload(context=context, prompt=prompt)
    name = quant or RELEASED
    notes: list[str] = []
    points: list[Point] = []
    setting = None
    for candidate in candidates:
        counts: list[int] = []
        before = len(points)
        for fleet in candidate.fleets(plan):
            setting = asked.setting(name, fleet.devices)
            # Of an open number fewer devices stand for what copies of them side by side do.
            placed = deployments(asked, setting, fleet, quant, name, plan, copies=not candidate.open)
            found_on = [_deployed(each, fleet, workload.prompt, limits, routing, terms) for each in placed]
            for deployed in found_on:
                points += _points(deployed, _held(batches, deployed), workload.context, routing)
            counts += [fleet.count] if found_on else []
            if len(counts) == SIZES_TRIED:
                break
        notes += _note(candidate, counts, plan, batches[0], held=len(points) > before)
    expect = Expecting(setting.engine.name if setting else "generic", workload.prompt, prompt, served)
    ranged = isinstance(batches, BatchRange)
    known = ranged or len(points) <= MOST_EXPECTED
    if known:
        points = [expect(point) for point in points]
    picks = _Picks()
    if limits is not None and points:

        def at(on: Deployed, batch: int) -> Point:
            (point,) = _points(on, [batch], workload.context, routing)
            return expect(point)

        picks = _picks(points, limits, expect, at if ranged else None)
        if picks.as_expected is not None:
            picks.as_expected = _with_load(picks.as_expected, expect.engine, prompt)
            picks.as_expected = _with_edge(picks.as_expected, batches, at)
    kept = frontier(points) if terms is None else cheapest_frontier(points)
    precision = asked.precision(name)
    settled = (
        workload.assumed | {"engine": expect.engine, "routing": routing.words} | served_apart(found.ledger)
    )
    return Sweep(
        model=found.name,
        source=found.source,
        quant=name,
        precision=precision.label,
        kv_dtype=setting.case.kv_dtype if setting else found.kv_dtype,
        context=workload.context,
        prompt=workload.prompt,
        routing=routing,
        is_routed=any(weight.pool is not None for weight in found.ledger.weights),
        points=tuple(points),
        frontier=tuple(with_latency(expect(point)) for point in kept),
        expected_frontier=tuple(map(with_latency, expected_frontier(points, terms is not None))),
        slo=limits,
        at_ceiling=picks.at_ceiling,
        as_expected=picks.as_expected,
        left_out=picks.left_out,
        prices=tuple(_prices(candidates, terms)),
        batch_range=(batches[0], batches[-1]) if ranged else None,
        busy=None if terms is None else terms.share,
        notes=tuple(notes),
        defaults=settled | _defaults(setting, terms),
        warnings=(*found.warnings, *workload.warnings, *slow_words(len(points))),
    )


def _defaults(setting: Setting | None, terms: Terms | None) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if terms is not None and terms.utilization is None:
        made["utilization"] = "100% of the time"
    if setting is not None:
        made["kv_dtype"] = setting.case.kv_dtype
    return made


class _Picks(msgspec.Struct):
    """What keeps limits cheapest."""

    at_ceiling: Choice | None = None
    as_expected: Choice | None = None
    left_out: dict[str, str] = {}


def _picks(points: Sequence[Point], limits: Slo, expect: Expecting, at: PointAt | None) -> _Picks:
    """Among the points, and with `at` among all batches between them."""

    def between(expected: bool) -> list[Point]:
        return [] if at is None else refined(points, limits, expected, at)

    def told(choice: Choice | None) -> Choice | None:
        return choice and msgspec.structs.replace(choice, point=with_latency(expect(choice.point)))

    possible = [expect(p) for p in points if not limits.misses(p.on.ttft_seconds, p.seconds)]
    return _Picks(
        at_ceiling=told(choose([*points, *between(False)], limits, expected=False)),
        as_expected=told(choose([*possible, *between(True)], limits, expected=True)),
        left_out=unjudged(points, possible, limits),
    )


def _note(
    candidate: Candidate, counts: Sequence[int], plan: Plan | None, batch: int, *, held: bool
) -> Iterator[str]:
    """Which numbers of a device were tried where none was named, or that none of them holds the model."""
    name = candidate.fleet.devices[0].name
    if not held:
        tried = f" (any number up to {most_of(candidate.fleet.devices[0])})" if candidate.open else ""
        at = f" at batch {batch:,}" if batch > 1 else ""
        yield f"{candidate.fleet.describe()}{tried} does not hold it{at}"
    elif candidate.open and plan is None:
        yield f"{name} without a number: {_listed(counts)} tried; `--gpu {counts[0]}x{name}` names one"


def _listed(counts: Sequence[int]) -> str:
    """`1, 2, 4 and 8`."""
    *most, last = map(str, counts)
    return f"{', '.join(most)} and {last}" if most else last


def _deployed(
    held: Deployment, fleet: Fleet, prompt: int, slo: Slo | None, routing: Routing, terms: Terms | None
) -> Deployed:
    bound = held.roofline
    if slo is not None and slo.ttft_seconds is not None and not bound.is_bounded:
        raise UndeterminedError(
            f"`{fleet.devices[0].name}` has no published dense peak (`peaks`): nothing bounds its time to the first "
            "token",
            hint="leave `ttft` out of `--slo`, or name other devices",
        )
    return Deployed(
        fleet=fleet.describe(),
        kind=" + ".join(group.device.name for group in fleet.groups),
        devices=fleet.count,
        plan=held.plan,
        max_sequences=held.max_sequences,
        roofline=bound,
        routing=routing,
        ttft_seconds=_ttft(bound, prompt, routing),
        usd_per_hour=_usd_per_hour(fleet, terms),
    )


def _held(batches: Sequence[int], on: Deployed) -> list[int]:
    """The batches that fit; of a range the largest of it that does among them."""
    fitting = [batch for batch in batches if batch <= on.max_sequences]
    if isinstance(batches, BatchRange) and fitting:
        fitting = sorted({*fitting, min(batches[-1], on.max_sequences)})
    return fitting


def _ttft(bound: Roofline, prompt: int, routing: Routing) -> float | None:
    return float(bound.prefill(prompt, 1, 0, routing).seconds) if bound.is_bounded else None


def _points(on: Deployed, batches: Sequence[int], context: int, routing: Routing) -> Iterator[Point]:
    grid = decode_grid(on.roofline, batches, [context], routing)
    for index, batch in enumerate(batches):
        yield Point(
            on=on,
            batch=batch,
            context=context,
            seconds=grid.seconds[index][0],
            memory_seconds=grid.memory_seconds[index][0],
            compute_seconds=grid.compute_seconds[index][0],
        )


def _with_edge(choice: Choice, batches: Sequence[int], at: PointAt) -> Choice:
    """Whether what is expected ends at the pick, of a range of batches those that fit."""
    on, batch = choice.point.on, choice.point.batch + 1
    if not isinstance(batches, BatchRange) or batch > min(batches[-1], on.max_sequences):
        return choice
    beyond = at(on, batch).expected
    return (
        msgspec.structs.replace(choice, beyond=beyond.reason) if isinstance(beyond, NoExpectation) else choice
    )


def _with_load(choice: Choice, engine: str, prompt: int | None) -> Choice:
    """With the first token of a request among the others, where there are others."""
    point = choice.point
    if point.batch == 1 or not point.on.roofline.is_bounded:
        return choice
    loaded = first_under_load(
        point.on.roofline, point.batch, point.on.max_sequences, point.context, prompt, engine
    )
    return msgspec.structs.replace(choice, loaded=loaded)


def _usd_per_hour(fleet: Fleet, terms: Terms | None) -> float | None:
    if terms is not None:
        return float(terms.outlay(fleet).usd_per_busy_hour)
    prices = [(group.count, group.device.price()) for group in fleet.groups]
    if any(price is None for _, price in prices):
        return None
    return float(sum(count * price.usd_per_gpu_hour for count, price in prices if price is not None))


def _prices(candidates: Iterable[Candidate], terms: Terms | None) -> Iterator[str]:
    said = set()
    if terms is not None:
        yield from dict.fromkeys(words for asked in candidates for words in terms.outlay(asked.fleet).words)
        return
    for candidate in candidates:
        for group in candidate.fleet.groups:
            price = group.device.price()
            if group.device.name in said:
                continue
            said.add(group.device.name)
            yield (
                f"{group.device.name}: no price known"
                if price is None
                else f"{group.device.name} ${price.usd_per_gpu_hour} per GPU-hour, {price.provider}, "
                f"{price.date or 'undated'}"
            )
