"""Many devices, plans and batches: which of them are worth having, and the cheapest that keeps limits."""

import re
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import msgspec

from moecalc.api.candidates import Candidate, most_of
from moecalc.api.fit_setting import Asked
from moecalc.api.outlays import Terms
from moecalc.api.precision import RELEASED
from moecalc.api.rooflines import roofline
from moecalc.api.skews import routing_of
from moecalc.api.speed import first_under_load
from moecalc.calc.deploy.case import Room
from moecalc.calc.deploy.fitted import Setting
from moecalc.calc.deploy.fitting import best_holding
from moecalc.calc.deploy.shards import Shards
from moecalc.calc.routing.experts import pools_of
from moecalc.calc.speed.expectation import Expected, NoExpectation, expect_decode, expect_prefill
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
    frontier,
    unjudged,
)
from moecalc.calc.speed.traffic import Routing
from moecalc.errors import InputError, UndeterminedError
from moecalc.specs.fleet import Fleet
from moecalc.specs.formats import Precision
from moecalc.specs.kv_formats import served_apart
from moecalc.specs.plan import Plan
from moecalc.specs.routing import UNIFORM_SKEW, Skew
from moecalc.specs.workload import check_length

SIZES_TRIED = 4
"""Of the numbers of devices that hold the model, the smallest so many are tried."""

MOST_BATCH = 2**20

SWEEP = "1..4096"
"""Batches that are tried where none are named."""

_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+")


def batches_of(text: str) -> tuple[int, ...]:
    """`32`, `1,8,64`, or `1..4096` (powers of two between, both ends included). Raises InputError for anything else.

    `1,024` is one number: a comma before exactly three digits, after at most three, separates thousands.
    """
    first, dots, last = text.strip().partition("..")
    if dots:
        low, high = _batch(first, text), _batch(last, text)
        if low > high:
            raise InputError(f"`--batch {text}` ends before it begins", hint=f"type `--batch {high}..{low}`")
        powers = [2**power for power in range(MOST_BATCH.bit_length()) if low < 2**power < high]
        return tuple(dict.fromkeys((low, *powers, high)))
    parts = [first] if _THOUSANDS.fullmatch(first.strip()) else first.split(",")
    return tuple(sorted({_batch(part, text) for part in parts}))


def _batch(part: str, text: str) -> int:
    """One number of sequences of what was typed."""
    hint = "type a number of sequences, several, or a range: `32`, `1,8,64`, `1..4096`"
    digits = part.strip()
    if _THOUSANDS.fullmatch(digits):
        digits = digits.replace(",", "")
    if not (digits.isdecimal() and digits.isascii() and len(digits) <= 9) or not int(digits):
        raise InputError(f"`--batch {text}` is not a number of sequences", hint=hint)
    if int(digits) > MOST_BATCH:
        raise InputError(f"`--batch {text}` is more than {MOST_BATCH:,} sequences", hint=hint)
    return int(digits)


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
            placed = list(
                _deployed(asked, setting, fleet, name, quant, plan, workload.prompt, limits, routing, terms)
            )
            for deployed in placed:
                points += _points(deployed, batches, workload.context, routing)
            counts += [fleet.count] if placed else []
            if len(counts) == SIZES_TRIED:
                break
        notes += _note(candidate, counts, plan, batches[0], held=len(points) > before)
    engine_name = setting.engine.name if setting else "generic"
    kept = frontier(points) if terms is None else cheapest_frontier(points)
    at_ceiling = as_expected = None
    left_out: dict[str, str] = {}
    if limits is not None and points:
        at_ceiling = choose(points, limits, expected=False)
        possible = [p for p in points if not limits.misses(p.on.ttft_seconds, p.seconds)]
        judged = [_expect(p, engine_name, workload.prompt, prompt, served) for p in possible]
        as_expected = choose(judged, limits, expected=True)
        left_out = unjudged(points, judged, limits)
        if as_expected is not None:
            as_expected = _with_load(as_expected, engine_name, prompt)
    precision = asked.precision(name)
    defaults = {**workload.assumed, "engine": engine_name, "routing": routing.words}
    defaults |= served_apart(found.ledger)
    if terms is not None and terms.utilization is None:
        defaults["utilization"] = "100% of the time"
    if setting is not None:
        defaults["kv_dtype"] = setting.case.kv_dtype
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
        frontier=tuple(_expect(point, engine_name, workload.prompt, prompt, served) for point in kept),
        slo=limits,
        at_ceiling=at_ceiling,
        as_expected=as_expected,
        left_out=left_out,
        prices=tuple(_prices(candidates, terms)),
        busy=None if terms is None else terms.share,
        notes=tuple(notes),
        defaults=defaults,
        warnings=(*found.warnings, *workload.warnings),
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
    asked: Asked,
    setting: Setting,
    fleet: Fleet,
    name: str,
    quant: str | None,
    plan: Plan | None,
    prompt: int,
    slo: Slo | None,
    routing: Routing,
    terms: Terms | None,
) -> Iterator[Deployed]:
    room, precision = setting.room(fleet), asked.precision(name)
    shards = asked.shards(setting)
    for tried in _plans(shards, setting, room, precision, plan):
        holding = setting.case.holding(shards.sharded(tried), precision)
        most = holding.most_sequences(room.of_stages(tried), room.overhead_bytes, setting.case.context)
        if most is None:
            continue
        bound = roofline(asked.model, fleet, tried, quant, setting.case.kv_dtype)
        if slo is not None and slo.ttft_seconds is not None and not bound.is_bounded:
            raise UndeterminedError(
                f"`{fleet.devices[0].name}` has no published dense peak (`peaks`): nothing bounds its time to the "
                "first token",
                hint="leave `ttft` out of `--slo`, or name other devices",
            )
        yield Deployed(
            fleet=fleet.describe(),
            kind=" + ".join(group.device.name for group in fleet.groups),
            devices=fleet.count,
            plan=tried,
            max_sequences=most,
            roofline=bound,
            ttft_seconds=_ttft(bound, prompt, routing),
            usd_per_hour=_usd_per_hour(fleet, terms),
        )


def _plans(
    shards: Shards, setting: Setting, room: Room, precision: Precision, plan: Plan | None
) -> Iterable[Plan]:
    if plan is not None:
        return [plan]
    if not room.is_uniform:
        return [best_holding(shards, precision, room, setting.case).plan]
    return shards.plans(room.devices, setting.case.layers_only)


def _ttft(bound: Roofline, prompt: int, routing: Routing) -> float | None:
    return float(bound.prefill(prompt, 1, 0, routing).seconds) if bound.is_bounded else None


def _points(on: Deployed, batches: Sequence[int], context: int, routing: Routing) -> Iterator[Point]:
    held = [batch for batch in batches if batch <= on.max_sequences]
    grid = decode_grid(on.roofline, held, [context], routing)
    for index, batch in enumerate(held):
        memory, compute = grid.memory_seconds[index][0], grid.compute_seconds[index][0]
        yield Point(
            on=on,
            batch=batch,
            context=context,
            seconds=grid.seconds[index][0],
            bound="compute" if compute > memory else "memory",
        )


def _expect(point: Point, engine: str, first: int, prompt: int | None, served: bool) -> Point:
    """With what is expected: of several sequences under continuous batching first, or decoding alone first.

    `first` is the prompt of a request alone; `prompt` None is that of which the context is the middle of decoding.
    """
    bound = point.on.roofline
    decode: Expected | NoExpectation = NoExpectation("")
    for disturbed in ((True, False) if served else (False, True))[: 1 if point.batch == 1 else 2]:
        decode = expect_decode(
            bound,
            point.batch,
            point.context,
            engine=engine,
            served=disturbed and point.batch > 1,
            prompt=prompt,
        )
        if isinstance(decode, Expected):
            break
    return msgspec.structs.replace(
        point, expected=decode, expected_ttft=expect_prefill(bound, first, 1, engine=engine)
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
