"""The answers of `speed` over many batches, plans and devices as a report."""

from collections.abc import Iterable
from typing import Any

from moecalc.calc.speed.expectation import Expected
from moecalc.calc.speed.speed_lines import expectation
from moecalc.calc.speed.sweep import Choice, Point, Sweep
from moecalc.report import Line, ModelReport, Report


def sweep_report(sweep: Sweep) -> Report:
    """`moecalc speed MODEL`, or `cost`, with several batches or devices, or limits."""
    return Report(
        command="speed" if sweep.busy is None else "cost",
        models=(ModelReport(name=sweep.model, source=sweep.source, lines=tuple(_lines(sweep))),),
        defaults=sweep.defaults,
        warnings=sweep.warnings,
        extra={"sweep": _beside(sweep)},
    )


def _beside(sweep: Sweep) -> dict[str, Any]:
    """What JSON has beside the lines."""
    return {
        "context": sweep.context,
        "prompt": sweep.prompt,
        "routing": sweep.routing.words,
        "slo": None
        if sweep.slo is None
        else {
            "text": sweep.slo.text,
            "ttft_seconds": sweep.slo.ttft_seconds,
            "tpot_seconds": sweep.slo.tpot_seconds,
            "held": "high" if sweep.slo.high else "middle",
            "met": sweep.meets,
            "at_ceiling": _choice(sweep.at_ceiling),
            "as_expected": _choice(sweep.as_expected),
            "left_out": [{"devices": kind, "reason": why} for kind, why in sweep.left_out.items()],
        },
        "batches": None if sweep.batch_range is None else list(sweep.batch_range),
        "frontier": [point_dict(point) for point in sweep.frontier],
        "expected_frontier": [point_dict(point) for point in sweep.expected_frontier],
        "points": [point_dict(point) for point in sweep.points],
        "prices": list(sweep.prices),
        "busy": None if sweep.busy is None else str(sweep.busy),
        "notes": list(sweep.notes),
    }


def point_dict(point: Point) -> dict[str, Any]:
    """A point as JSON has it."""
    made = {
        "fleet": point.on.fleet,
        "devices": point.on.devices,
        "plan": point.on.plan.words,
        "batch": point.batch,
        "max_sequences": point.on.max_sequences,
        "binds": point.bound,
        "step_seconds": point.seconds,
        "ttft_seconds": point.on.ttft_seconds,
        "tokens_per_second_per_user": point.per_user,
        "tokens_per_second_per_device": point.per_device,
        "usd_per_hour": point.on.usd_per_hour,
        "decode_usd_per_million_tokens": point.usd_per_million,
        "expected_decode_usd_per_million_tokens": point.expected_usd_per_million,
        "expected_tokens_per_second_per_user": point.expected_per_user,
        "expected_tokens_per_second_per_device": point.expected_per_device,
    }
    if point.latency_seconds is not None:
        made |= {"expected_binds": point.expected_bound, "expected_latency_seconds": point.latency_seconds}
    if point.expected is not None:
        made["expected"] = expectation(point.expected)
    if point.expected_ttft is not None:
        made["expected_ttft"] = expectation(point.expected_ttft)
    return made


def _choice(choice: Choice | None) -> dict[str, Any] | None:
    if choice is None:
        return None
    made = {**point_dict(choice.point), "misses": choice.misses, "considered": choice.considered}
    if choice.loaded is not None:
        made["loaded_ttft"] = expectation(choice.loaded)
    return made


def _lines(sweep: Sweep) -> Iterable[Line]:
    command = "speed" if sweep.busy is None else "cost"
    for choice, name, label in (
        (sweep.at_ceiling, f"{command}.slo.ceiling", "at the ceiling"),
        (sweep.as_expected, f"{command}.slo.expected", "as expected"),
    ):
        if choice is None:
            continue
        point, seconds = choice.point, choice.point.seconds
        if choice.expected and isinstance(point.expected, Expected):
            seconds = point.expected.seconds
        kept = "cheapest that keeps the limits" if not choice.misses else "nearest to the limits"
        yield Line(
            id=f"{name}_tokens_per_second",
            label=f"{kept}, {label}",
            value=point.batch / seconds,
            unit="tokens/s",
            basis="estimate",
            note=f"{point.on.fleet}, {point.on.plan.words}, batch {point.batch:,}",
        )
        yield Line(
            id=f"{name}_decode_usd_per_million_tokens",
            label=f"decoding on it, {label}",
            value=point.cost(seconds),
            unit="USD",
            basis="estimate",
            note="; ".join(sweep.prices),
        )
