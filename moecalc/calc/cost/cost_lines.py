"""The answer of `cost` as a report: public lines with stable ids, and what JSON carries beside them."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from moecalc.calc.cost.buying import Buying, Offer
from moecalc.calc.cost.cost import Cost, RequestCost
from moecalc.calc.cost.energy import Draw
from moecalc.calc.cost.figure import Figure
from moecalc.calc.cost.pace import Pace
from moecalc.calc.cost.plans import Plans, Priced
from moecalc.calc.cost.request import SERVED, Split
from moecalc.calc.deploy.budget import MOST_SEQUENCES
from moecalc.calc.speed.expectation import Expected, NoExpectation
from moecalc.calc.speed.speculation import Speculation
from moecalc.report import Line, ModelReport, Report

FLOOR = "at the ceiling of speed: no engine does it for less under this plan"
UNCONDITIONAL = (
    "at the ceiling of speed, all tokens of a step on the same experts: no engine does it for less under this "
    "plan"
)


def cost_report(cost: Cost) -> Report:
    """`moecalc cost MODEL`."""
    return Report(
        command="cost",
        models=(ModelReport(name=cost.model, source=cost.source, lines=tuple(_lines(cost))),),
        defaults=cost.defaults,
        warnings=cost.warnings,
        extra={
            "cost": {
                "fleet": cost.fleet,
                "plan": cost.plan.words,
                "plans": None if cost.plans is None else _plans(cost.plans),
                "batch": cost.batch,
                "context": cost.context,
                "prompt": cost.prompt,
                "capacity": cost.capacity if cost.capacity < MOST_SEQUENCES else None,
                "usd_per_hour": str(cost.outlay.standing_usd_per_hour),
                "usd_per_working_hour": str(cost.outlay.working_usd_per_hour),
                "busy": str(cost.outlay.busy),
                "price_notes": list(cost.outlay.words),
                "power_note": cost.draw_words,
                "power": None if cost.draw is None else _power(cost.draw),
                "host_note": cost.host_note or None,
                "in_ram_bytes": cost.in_ram_bytes,
                "speculation": None if cost.speculation is None else _speculation(cost, cost.speculation),
                "curve": [_point(cost, pace) for pace in cost.curve],
                "request": None if cost.request is None else _request(cost.request),
                "api": None if cost.buying is None else _api(cost.buying),
            },
        },
    )


def _plans(plans: Plans) -> dict[str, Any]:
    known = plans.chosen.usd.expected is not None
    return {
        "tried": plans.tried,
        "chosen": _priced(plans.chosen),
        "cheapest_at_ceiling": _priced(plans.at_ceiling or plans.chosen),
        "cheapest_as_expected": _priced(plans.as_expected or plans.chosen) if known else None,
    }


def _priced(found: Priced) -> dict[str, Any]:
    return {"plan": found.plan.words, "batch": found.batch, "usd": _plain(found.usd)}


def _power(draw: Draw) -> dict[str, Any]:
    return {
        "device_watts": str(draw.watts),
        "host_watts": str(draw.host_watts) if draw.host_watts else None,
        "pue": str(draw.pue),
        "site_watts": str(draw.site_watts),
    }


def _speculation(cost: Cost, told: Speculation) -> dict[str, Any]:
    return {
        "drafted": told.drafted,
        "acceptance": told.acceptance,
        "tokens_per_step": told.accepted,
        "draft": told.draft,
        "curve": [
            {
                "batch": gain.batch,
                "speedup": gain.speedup,
                "usd_per_million_tokens": cost.speculative_usd_per_million(gain),
            }
            for gain in told.gains
        ],
    }


def expectation_words(expectation: Expected | NoExpectation) -> str:
    """What stands behind an expectation, or why there is none."""
    if isinstance(expectation, NoExpectation):
        return f"no expectation: {expectation.reason}"
    return expectation.words


def at_ceiling(cost: Cost) -> str:
    """What the number rests on: of a mixture of experts, on how tokens are routed."""
    if not cost.is_sparse:
        return FLOOR
    if cost.routing_words == "uniform":
        return "at the ceiling of speed under this plan, tokens choosing experts uniformly"
    return f"at the ceiling of speed under this plan and {cost.routing_words} routing"


def _lines(cost: Cost) -> Iterator[Line]:
    deployment = f"{cost.fleet}, {cost.plan.words}, utilization {cost.outlay.busy:.0%}"
    yield from _costs(
        cost, "output", cost.output, f"batch {cost.batch:,}, {cost.context:,} keys, {deployment}"
    )
    served = cost.output.served_per_million
    if cost.output.served is not None:
        usd = None if served is None else served.map(cost.outlay.usd)
        yield Line(
            id="cost.output_served_expected_usd_per_million_tokens",
            label="output served, its prompts read in between, $ per M tokens, expected",
            value=usd.expected if usd else None,
            unit="USD",
            basis="estimate",
            low=usd.low if usd else None,
            high=usd.high if usd else None,
            note=f"as many tokens in as out; {expectation_words(cost.output.served)}",
        )
    if cost.speculation is not None and cost.gain is not None:
        yield _usd(
            "cost.output_speculative_usd_per_million_tokens",
            f"output, {cost.speculation.drafted} tokens drafted a step, $ per M tokens",
            cost.speculative_usd_per_million(cost.gain),
            f"{at_ceiling(cost)}; {cost.speculation.words}; {cost.speculation.draft}",
        )
    if cost.input is None:
        yield Line(
            id="cost.input_usd_per_million_tokens",
            label="input, $ per M tokens",
            value=None,
            unit="USD",
            basis="estimate",
            note="no dense peak is published: nothing bounds what a prompt takes",
        )
    else:
        yield from _costs(
            cost, "input", cost.input, f"{cost.batch:,} prompts of {cost.prompt:,} in a step, {deployment}"
        )
    if cost.request is not None:
        yield from _request_lines(cost, cost.request)
    yield from _energies(cost)


def _costs(cost: Cost, what: str, pace: Pace, note: str) -> Iterator[Line]:
    usd = cost.usd_per_million(pace)
    name, label = f"cost.{what}_usd_per_million_tokens", f"{what}, $ per M tokens"
    formula = "$ per hour of work x seconds of a step / 3,600 / its tokens x 10^6"
    yield _usd(name, label, usd.ceiling, f"{at_ceiling(cost)}; {note}", formula)
    if cost.is_sparse:
        yield _usd(
            name.replace(what, f"{what}_unconditional"),
            f"{label}, same experts",
            usd.least,
            f"{UNCONDITIONAL}; {note}",
            formula,
        )
    yield _expected(name.replace(what, f"{what}_expected"), label, usd, expectation_words(pace.expectation))


def _request_lines(cost: Cost, request: RequestCost) -> Iterator[Line]:
    mix = request.time.request
    pool = "one pool, continuous batching" if request.pools == 1 else "two pools"
    note = f"{mix.words}; {pool}; batch {request.time.batch:,}"
    behind = {what: expectation_words(found) for what, found in request.time.expectations.items()}
    apart = "; ".join(dict.fromkeys([behind["the request's input"], behind["the request's output"]]))
    words = behind[SERVED] if request.pools == 1 else apart
    for name, label, figure in (
        ("cost.request_usd", "a request, $", request.usd),
        ("cost.conversation_usd", f"a conversation of {mix.turns:,}, $", request.conversation_usd),
    ):
        yield _usd(name, label, figure.ceiling, f"{at_ceiling(cost)}; {note}")
        if cost.is_sparse:
            yield _usd(
                name.replace("_usd", "_unconditional_usd"),
                f"{label}, same experts",
                figure.least,
                f"{UNCONDITIONAL}; {note}",
            )
        yield _expected(name.replace("_usd", "_expected_usd"), label, figure, words)
    label = "a request, phases one after another, $"
    yield _usd(
        "cost.request_apart_usd",
        label,
        request.apart_usd.ceiling,
        f"each phase {at_ceiling(cost)}; {mix.words}",
    )
    yield _expected("cost.request_apart_expected_usd", label, request.apart_usd, apart)
    cached = request.cached_usd_per_million
    if cached is not None:
        yield _usd(
            "cost.cached_usd_per_million_tokens",
            "cached input, $ per M tokens",
            cached.ceiling,
            f"{at_ceiling(cost)}; state read and attended to, no prefill; held: cost.hold_usd_per_hour",
        )
    yield _usd(
        "cost.hold_usd_per_hour",
        "a conversation's state held, $ per hour",
        request.hold_usd_per_hour,
        f"1 of the {cost.capacity:,} sequences of {mix.longest:,} tokens that fit",
    )


def _energies(cost: Cost) -> Iterator[Line]:
    for what, pace in (("output", cost.output), ("input", cost.input)):
        if pace is None:
            continue
        used = cost.energy(pace)
        name, label = f"energy.{what}_watt_hours_per_million_tokens", f"{what}, Wh per M tokens"
        if used is None:
            yield Line(id=name, label=label, value=None, unit="Wh", basis="estimate", note=cost.draw_words)
            continue
        note = f"at the ceiling of speed under this plan; {cost.draw_words}; {_counted(cost)}"
        yield Line(
            id=name, label=label, value=used.watt_hours.ceiling, unit="Wh", basis="estimate", note=note
        )
        if used.grams_co2 is not None:
            yield Line(
                id=f"energy.{what}_grams_co2_per_million_tokens",
                label=f"{what}, g CO2 per M tokens",
                value=used.grams_co2.ceiling,
                unit="g",
                basis="estimate",
                note=f"{cost.grams_per_kwh:f} g per kWh, as given; {note}",
            )


def _counted(cost: Cost) -> str:
    """Whose power is in the energy."""
    assert cost.draw is not None
    host = "devices and hosts" if cost.draw.host_watts else "devices alone"
    return f"{host}, PUE {cost.draw.pue:f}"


def _usd(id_: str, label: str, value: Decimal, note: str, formula: str = "") -> Line:
    return Line(id=id_, label=label, value=value, unit="USD", basis="estimate", note=note, formula=formula)


def _expected(id_: str, label: str, figure: Figure[Decimal], words: str) -> Line:
    return Line(
        id=id_,
        label=f"{label}, expected",
        value=figure.expected,
        unit="USD",
        basis="estimate",
        low=figure.low,
        high=figure.high,
        note=words,
    )


def _point(cost: Cost, pace: Pace) -> dict[str, Any]:
    return {
        "batch": pace.tokens,
        "step_seconds": _plain(pace.seconds),
        "usd_per_million_tokens": _plain(cost.usd_per_million(pace)),
        "expectation": expectation_words(pace.expectation),
        "served_usd_per_million_tokens": None
        if pace.served_per_million is None
        else _plain(pace.served_per_million.map(cost.outlay.usd)),
    }


def _request(request: RequestCost) -> dict[str, Any]:
    mix = request.time.request
    return {
        "words": mix.words,
        "new_tokens": mix.new_tokens,
        "cached_tokens": mix.cached_tokens,
        "output_tokens": mix.output,
        "turns": mix.turns,
        "pools": request.pools,
        "new_usd": _plain(request.new_usd),
        "cached_usd": _plain(request.cached_usd),
        "output_usd": _plain(request.output_usd),
        "request_usd": _plain(request.usd),
        "conversation_usd": _plain(request.conversation_usd),
        "apart_usd": _plain(request.apart_usd),
        "hold_usd_per_hour": request.hold_usd_per_hour,
        "hold_usd": request.hold_usd,
        "moved_bytes": request.moved_bytes if request.pools == 2 else None,
        "moved_seconds": request.moved_seconds,
        "link_bytes_per_second": request.link_bytes_per_second,
        "split": None if request.splits is None else _splits(request.splits),
    }


def _splits(splits: Figure[Split]) -> dict[str, Any]:
    return {
        name: None
        if split is None
        else {
            "prefill": split.prefill,
            "decode": split.decode,
            "prefill_share": split.prefill_share,
            "idle_share": split.idle,
        }
        for name, split in (("ceiling", splits.ceiling), ("expected", splits.expected))
    }


def _api(buying: Buying) -> dict[str, Any]:
    found = buying.found
    return {
        "package": f"genai-prices {found.version}",
        "on": str(found.on),
        "newest": str(found.newest) if found.newest else None,
        "offers": [_offer(offer) for offer in buying.offers],
        "excluded": [
            {
                "provider": entry.provider,
                "model": entry.model,
                "reason": entry.reason,
                "source": entry.source,
            }
            for entry in found.excluded
        ],
    }


def _offer(offer: Offer) -> dict[str, Any]:
    price, even = offer.price, offer.break_even
    return {
        "provider": price.provider,
        "model": price.model,
        "matched": price.matched,
        "input_usd": str(price.input_usd),
        "cached_usd": None if price.cached_usd is None else str(price.cached_usd),
        "output_usd": str(price.output_usd),
        "since": str(price.since) if price.since else None,
        "hours": price.hours,
        "source": price.source,
        "output_ratio": _plain(offer.output_ratio),
        "input_ratio": None if offer.input_ratio is None else _plain(offer.input_ratio),
        "request_usd": offer.request_usd,
        "request_ratio": None if offer.request_ratio is None else _plain(offer.request_ratio),
        "break_even": None
        if even is None
        else {
            "requests_per_day": even.requests_per_day,
            "tokens_per_day": even.tokens_per_day,
            "load": _plain(even.load),
        },
    }


def _plain(figure: Figure[Any]) -> dict[str, Any]:
    return {
        "ceiling": figure.ceiling,
        "unconditional": figure.least,
        "expected": figure.expected,
        "low": figure.low,
        "high": figure.high,
    }
