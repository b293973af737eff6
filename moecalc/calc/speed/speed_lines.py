"""The answers of `speed` as a report: public lines with stable ids, and what JSON carries beside them."""

from collections.abc import Iterable
from typing import Any

from moecalc.calc.speed.expectation import Expected, NoExpectation
from moecalc.calc.speed.speculation import UNMEASURED, Speculation
from moecalc.calc.speed.speed import Prefill, Speed
from moecalc.report import Line, ModelReport, Report
from moecalc.specs.kv_formats import served_apart

CEILING = (
    "no engine is faster under the same plan, a token per sequence and step, no state shared: bytes / bandwidth or "
    "FLOPs / dense peak, whichever takes longer"
)

CACHE_BYTES = 256 * 2**20
"""What a cache between memory and arithmetic may hold: 256 MB on the MI300X (AMD CDNA 3 white paper, 2023). Weights
that stay in it from step to step are not read from memory."""


def ceiling_words(speed: Speed) -> str:
    """What the ceiling holds for."""
    dealt_out = "; a pipeline's sequences in micro-batches of equal size, as many as are fastest"
    return CEILING + (dealt_out if speed.turns is not None else "")


def speed_report(speed: Speed) -> Report:
    """`moecalc speed MODEL` at one batch."""
    return Report(
        command="speed",
        models=(ModelReport(name=speed.model, source=speed.source, lines=tuple(_lines(speed))),),
        defaults=assumed(speed),
        warnings=(*warnings(speed), *speed.warnings),
        extra={"speed": _beside(speed)},
    )


def _beside(speed: Speed) -> dict[str, Any]:
    """What JSON has beside the lines."""
    return {
        "fleet": speed.fleet.describe(),
        "plan": speed.plan.words,
        "routing": speed.routing.words,
        "fits": speed.is_held,
        "free_bytes": speed.held.free_bytes,
        "max_sequences": speed.held.max_sequences,
        "binds": speed.bound,
        "binds_from_batch": [{"batch": batch, "binds": word} for batch, word in speed.changes],
        "latency_seconds": speed.latency_seconds,
        "requests": {"prompt": speed.requests[0], "output": speed.requests[1]},
        "expectations": {
            "decode": expectation(speed.decode.expected),
            "served": None if speed.served is None else expectation(speed.served),
            "ttft_loaded": None if speed.loaded is None else expectation(speed.loaded),
            "prefill": None if speed.prefill is None else expectation(speed.prefill.expected),
        },
        "groups": [
            {
                "component": group.name,
                "weight_bytes": group.weight_bytes,
                "state_bytes": group.state_bytes,
                "flops": group.flops,
                "memory_seconds": group.memory_seconds,
                "compute_seconds": group.compute_seconds,
                "formats": list(group.formats),
            }
            for group in speed.groups
        ],
        "peaks": [
            {
                "device": machine.name,
                "format": name,
                "arithmetic": speed.arithmetic.get(name),
                "flops_per_second": machine.peaks.get(name),
            }
            for machine in speed.roofline.machines
            for name in speed.roofline.ops
        ],
        "communication": {
            "seconds": speed.communication.seconds,
            "link_bytes_per_second": speed.communication.link,
            **_network(speed),
            "transfers": [
                {"name": t.name, "ranks": t.ranks, "times": t.times, "sent_bytes": t.sent_bytes}
                for t in speed.communication.transfers
            ],
        },
        "offload": _offload(speed),
        "speculation": _speculation(speed.speculation, speed.held.max_sequences),
        "measured": _measured(speed),
    }


def _network(speed: Speed) -> dict[str, Any]:
    """The network between domains, where there are several."""
    found = speed.communication
    if found.domains == 1:
        return {}
    return {
        "domain_devices": found.domain,
        "network_bytes_per_second": found.network,
        "network_bytes": found.network_bytes,
    }


def expectation(expected: Expected | NoExpectation) -> dict[str, Any]:
    """What is expected of a step and what that rests on, or why nothing is."""
    if isinstance(expected, NoExpectation):
        return {"seconds": None, "reason": expected.reason}
    return {
        "seconds": expected.seconds,
        "low_seconds": expected.low_seconds,
        "high_seconds": expected.high_seconds,
        "regime": expected.regime,
        "engine_class": expected.engine_class,
        "rows": expected.rows,
        "devices": expected.devices,
        "median_error": expected.median_error,
        "p90_error": expected.p90_error,
        "follows_routing": expected.follows_routing,
        "note": expected.words,
    }


def assumed(speed: Speed) -> dict[str, Any]:
    """The defaults in force."""
    made: dict[str, Any] = dict(speed.workload.assumed)
    if speed.plan_chosen:
        made["plan"] = speed.plan.words
    made |= {"kv_dtype": speed.kv_dtype, **served_apart(speed.roofline.sharded.ledger)}
    made |= {"engine": speed.engine, "routing": speed.routing.words}
    return made


def warnings(speed: Speed) -> Iterable[str]:
    """What must be known of these numbers."""
    if not speed.is_held:
        missing = -speed.held.free_bytes / 2**30
        yield (
            f"does not fit: the fullest rank lacks {missing:,.2f} GiB for {speed.decode.batch:,} x "
            f"{speed.decode.context:,} tokens; the ceiling is that of devices with more memory; `moecalc fit` "
            "says what would hold it"
        )
    if speed.is_bandwidth_only:
        yield (
            f"the decode ceiling is of bandwidth alone, and prefill has none: {no_peak(speed)}; `--peak 28TFLOP/s` "
            "gives its dense 16-bit peak"
        )
    held = max(reads.always + sum(part.stored for part in reads.routed) for reads in speed.roofline.traffics)
    if held < CACHE_BYTES and speed.hybrid is None:
        yield (
            f"a device multiplies {held / 10**6:,.0f} MB of weights, so few that its cache may hold them from step to "
            "step: then memory does not bound decoding as the ceiling has it"
        )


def no_peak(speed: Speed) -> str:
    """Which peaks are missing."""
    devices = dict.fromkeys(device for device, _ in speed.missing_peaks)
    formats = dict.fromkeys(name for _, name in speed.missing_peaks)
    return f"`peaks` of `{', '.join(devices)}` has no dense peak for {', '.join(formats)}"


def reason(expected: Expected | NoExpectation) -> str:
    """Whence an expectation comes, or why there is none."""
    if isinstance(expected, NoExpectation):
        return f"no expectation: {expected.reason}"
    return expected.words


def _lines(speed: Speed) -> Iterable[Line]:
    decode = speed.decode
    where = f"batch {decode.batch:,}, {decode.context:,} keys"
    rate = "tokens/s"

    def line(name: str, label: str, value: Any, unit: str, note: str = "", **more: Any) -> Line:
        return Line(
            id=f"speed.{name}",
            label=label,
            value=value,
            unit=unit,
            basis="estimate",
            note=note,
            **more,
        )

    ceiling = decode.ceiling_tokens_per_second
    under = f"ceiling; {speed.routing.words} routing" if speed.touched_share is not None else "ceiling"
    yield line(
        "decode.ceiling_tokens_per_second",
        f"decode ceiling, {where}",
        ceiling,
        rate,
        under,
        formula=ceiling_words(speed),
    )
    yield line(
        "decode.ceiling_tokens_per_second_per_user",
        "the same of one sequence",
        decode.ceiling_tokens_per_second_per_user,
        rate,
        under,
    )
    yield line(
        "decode.unconditional_tokens_per_second",
        "decode ceiling whatever the routing",
        decode.unconditional_tokens_per_second,
        rate,
        "ceiling; all tokens share their experts",
    )
    yield line("decode.step_seconds", "a decode step at the ceiling", decode.ceiling.seconds, "s", under)
    low, high = speed.expected_low, speed.expected_high
    disturbed = isinstance(speed.expected, Expected) and speed.expected.regime == "served"
    said = f"{_requests(speed) if disturbed else ''}{reason(speed.expected)}"
    yield line(
        "decode.expected_tokens_per_second",
        f"decode as expected, {where}{', under continuous batching' if disturbed else ''}",
        speed.expected_tokens_per_second,
        rate,
        said,
        low=low,
        high=high,
    )
    yield line("decode.expected_low", "lower end of its interval", low, rate, said)
    yield line("decode.expected_high", "upper end of its interval", high, rate, said)
    yield from _prefill_lines(speed, line)
    if speed.touched_share is not None:
        yield Line(
            id="experts.touched_share",
            label="share of the routed experts that a decode step reads",
            value=speed.touched_share,
            unit="share",
            basis="estimate",
            formula="1 - (1 - top_k / experts)^tokens",
            note=f"{speed.routing.words} routing",
        )


def _requests(speed: Speed) -> str:
    prompt, output = speed.requests
    return f"continuous batching, prompts of {prompt:,} tokens and answers of {output:,}; "


def _prefill_lines(speed: Speed, line: Any) -> Iterable[Line]:
    prefill, first = speed.prefill, speed.first
    missing = no_peak(speed) if prefill is None else ""

    def said(of: Prefill | None) -> str:
        return missing if of is None else reason(of.expected)

    at = f"{speed.workload.prompt:,} tokens" + (
        f" behind {speed.workload.past:,}" if speed.workload.past else ""
    )
    yield line(
        "prefill.ceiling_tokens_per_second",
        f"prefill ceiling, prompts of {at}",
        prefill.ceiling_tokens_per_second if prefill else None,
        "tokens/s",
        missing or f"ceiling; {prefill.prompts if prefill else 0} at once",
    )
    yield line(
        "prefill.expected_tokens_per_second",
        "prefill as expected",
        prefill.expected_tokens_per_second if prefill else None,
        "tokens/s",
        said(prefill),
    )
    yield line(
        "ttft_seconds",
        f"time to the first token, unloaded, at the ceiling, prompt of {at}",
        speed.ttft_seconds,
        "s",
        missing or "ceiling; one request alone, no queue",
    )
    known = first.expected if first is not None else None
    yield line(
        "expected_ttft_seconds",
        "time to the first token, unloaded, as expected",
        known.seconds if isinstance(known, Expected) else None,
        "s",
        said(first),
        low=known.low_seconds if isinstance(known, Expected) else None,
        high=known.high_seconds if isinstance(known, Expected) else None,
    )
    if speed.loaded is not None:
        yield line(
            "loaded_ttft_seconds",
            f"time to the first token, {speed.decode.batch:,} requests under way, as expected",
            speed.loaded.seconds if isinstance(speed.loaded, Expected) else None,
            "s",
            reason(speed.loaded),
            low=speed.loaded.low_seconds if isinstance(speed.loaded, Expected) else None,
            high=speed.loaded.high_seconds if isinstance(speed.loaded, Expected) else None,
        )


def _offload(speed: Speed) -> dict[str, Any] | None:
    part = speed.hybrid
    if part is None:
        return None
    return {
        "flags": list(part.offload.flags),
        "parts": [{"where": p.name, "bytes": p.bytes, "seconds": p.seconds} for p in part.parts],
        "host_link_seconds": part.host_link_seconds,
    }


def _speculation(found: Speculation | None, most: int | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "drafted": found.drafted,
        "acceptance": found.acceptance,
        "accepted_tokens_per_step": found.accepted,
        "accepted_share": found.share,
        "draft": found.draft,
        "expected": expectation(NoExpectation(UNMEASURED)),
        "gains": [
            {
                "batch": gain.batch,
                "fits": most is not None and gain.batch <= most,
                "plain_seconds_per_token": gain.plain_seconds,
                "seconds_per_token": gain.seconds_per_token,
                "verify_seconds": gain.verify_seconds,
                "draft_seconds": gain.draft_seconds,
                "speedup": gain.speedup,
            }
            for gain in found.gains
        ],
    }


def _measured(speed: Speed) -> dict[str, Any] | None:
    found = speed.measured
    if found is None:
        return None
    return {
        "text": found.text,
        "step_seconds": found.step_seconds,
        "mbu": found.mbu,
        "mbu_same_experts": found.mbu_same_experts,
        "mfu": found.mfu,
        "verdict": found.verdict,
    }
