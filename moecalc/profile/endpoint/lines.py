"""A measured endpoint as a report: public lines with stable ids, and what JSON carries beside them."""

from collections.abc import Iterable
from typing import Any

import msgspec

from moecalc.report import Line, ModelReport, Report
from moecalc.specs.endpoint_run import Bound, EndpointRun, Level, Spread


def endpoint_report(run: EndpointRun) -> Report:
    """`moecalc profile --endpoint`."""
    return Report(
        command="profile",
        models=(ModelReport(name=run.model, source=run.url, lines=tuple(_lines(run))),),
        warnings=() if run.stopped is None else (f"stopped {run.stopped}",),
        extra={"endpoint": _beside(run)},
    )


def _lines(run: EndpointRun) -> Iterable[Line]:
    found = [level for level in run.levels if level.ttft is not None]
    if not found:
        return
    first, fullest = found[0], max(found, key=lambda level: level.tokens_per_second or 0)
    at = f"concurrency {first.concurrency}; median of requests; {run.date}"
    for id_, label, spread in (
        ("endpoint.ttft_seconds", "time to first token", first.ttft),
        ("endpoint.tpot_seconds", "time per output token", first.tpot),
    ):
        if spread is not None:
            yield Line(
                id=id_,
                label=label,
                value=spread.median,
                unit="s",
                basis="measured",
                note=at,
                low=spread.low,
                high=spread.high,
            )
    if fullest.tokens_per_second is None:
        return
    yield Line(
        id="endpoint.tokens_per_second",
        label="output tokens per second, the most of all levels",
        value=fullest.tokens_per_second,
        unit="tokens/s",
        basis="measured",
        note=f"concurrency {fullest.concurrency}; all requests together; {run.date}",
    )


def _beside(run: EndpointRun) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.to_builtins(run)
    made["levels"] = [_level(level) for level in run.levels]
    return made


def _level(level: Level) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.to_builtins(level)
    against = level.against
    return {
        **made,
        "tokens_per_second": level.tokens_per_second,
        "prompt_tokens": level.prompt_length,
        "output_tokens": level.output_length,
        "counted": level.counted,
        "done": level.count("done"),
        "cut": level.count("cut"),
        "failed": level.count("failed"),
        "ttft": _judged(level.ttft, None if against is None else against.ttft),
        "tpot": _judged(level.tpot, None if against is None else against.tpot),
    }


def _judged(spread: Spread | None, bound: Bound | None) -> dict[str, Any] | None:
    if spread is None:
        return None
    return {
        "median_seconds": spread.median,
        "low_seconds": spread.low,
        "high_seconds": spread.high,
        "verdict": None if bound is None else bound.verdict(spread.median),
    }
