"""What `moecalc speed` says under its figures: what binds, what is sent, whence the expectations, what was measured."""

from moecalc.calc.speed.expectation import Expected, NoExpectation
from moecalc.calc.speed.measured import Measured
from moecalc.calc.speed.speed import Speed
from moecalc.calc.speed.traffic import UNIFORM
from moecalc.render.rates import duration
from moecalc.units import format_bytes_decimal, format_percent

WHAT_BINDS = {
    "weights": "reading weights",
    "state": "reading state",
    "compute": "arithmetic",
}
DISTURBED = ("served", "ttft-loaded")
"""Regimes in which requests are under way at different stages."""


def remarks(speed: Speed) -> list[str]:
    """What binds and from where on, experts touched, what ranks send each other, whence the expectation."""
    said = [_binds(speed), *_turns(speed)]
    if speed.touched_share is not None:
        said.append(
            f"experts: a step reads {format_percent(speed.touched_share)} of the routed weights "
            f"({speed.routing.words} routing){_kept_routing(speed)}"
        )
    communication = _communication(speed)
    if communication:
        said.append(communication)
    if speed.hybrid is not None:
        said.append(f"placed as llama.cpp does: {' '.join(speed.hybrid.offload.flags)}")
        if speed.hybrid.host_link_seconds is not None:
            said.append(
                "prefill: multiplied where it lies, at the bandwidth of the RAM; sending it to the GPU once takes "
                f"{duration(speed.hybrid.host_link_seconds)} more per chunk of the prompt"
            )
    said += [*_requests(speed), *_sources(speed)]
    if speed.measured is not None:
        said.append(measured_words(speed.measured, speed))
    return said


def _kept_routing(speed: Speed) -> str:
    """What does not follow the routing that was asked for, where one was."""
    if speed.routing is UNIFORM:
        return ""
    expected = [speed.decode.expected, speed.served, speed.loaded]
    expected += [part.expected for part in (speed.prefill, speed.first) if part is not None]
    fitted = any(isinstance(one, Expected) and not one.follows_routing for one in expected)
    return "; what is expected keeps the routing that was measured" if fitted else ""


def _requests(speed: Speed) -> list[str]:
    """Of which requests the figures are that other requests disturb: a prompt of one alone is as long as was said."""
    found = (speed.decode.expected, speed.served, speed.loaded)
    if not any(isinstance(one, Expected) and one.regime in DISTURBED for one in found):
        return []
    prompt, output = speed.requests
    said = f"served and under load: prompts of {prompt:,} tokens"
    if prompt != output:
        return [f"{said}, answers of {output:,}"]
    middle = f"so that {speed.decode.context:,} is the middle of an answer"
    return [f"{said} and answers of as many, {middle}; `--prompt` says another length"]


def _sources(speed: Speed) -> list[str]:
    """Whence each expectation comes, or why there is none."""
    sources = [_source("decode", speed.decode.expected)]
    if speed.served is not None:
        sources.append(_source("served (continuous batching)", speed.served))
    if speed.prefill is not None:
        sources.append(_source("prefill", speed.prefill.expected))
    if speed.loaded is not None:
        wide = ""
        if isinstance(speed.loaded, Expected):  # far wider than the others: never shown without
            low, high = (
                duration(seconds) for seconds in (speed.loaded.low_seconds, speed.loaded.high_seconds)
            )
            wide = f" ({low} to {high})"
        sources.append(_source(f"first token under load{wide}", speed.loaded))
    return sources


def measured_words(found: Measured, speed: Speed) -> str:
    """What a measured figure says: possible or not, and how much of the devices it uses."""
    used = f"{format_percent(found.mbu)} of the bandwidth (MBU"
    if found.mbu_same_experts < found.mbu:
        used += f" under {speed.routing.words} routing; {format_percent(found.mbu_same_experts)} if all share experts"
    used += ")"
    if found.mfu is not None:
        used += f", {format_percent(found.mfu)} of the dense peak (MFU)"
    step = f"measured {found.text}: a step of {duration(found.step_seconds)}"
    if found.verdict == "with speculation":
        return f"{step} for each token is faster than one token a step can be, and possible with this speculation"
    if found.verdict == "impossible":
        ratio = float(speed.decode.unconditional.seconds) / found.step_seconds
        more = "several" if speed.speculation is None else "more"
        return (
            f"{step} is impossible under this ceiling, {ratio:.2f}x above it whatever the routing: another batch, "
            f"context, quantization or device was measured, or {more} tokens came of a step (speculative decoding)"
        )
    if found.verdict == "above routing":
        return f"{step} is above the ceiling of {speed.routing.words} routing, and possible where tokens share experts"
    return f"{step} uses {used}"


def _binds(speed: Speed) -> str:
    if speed.hybrid is not None:
        return f"binds: {speed.hybrid.bound}"
    step = speed.decode.ceiling if speed.turns is None else speed.turns.step
    memory, compute = float(step.memory_seconds), float(step.compute_seconds)
    said = f"binds: {WHAT_BINDS[speed.bound]}"
    if compute:
        said += f" (memory {duration(memory)}, arithmetic {duration(compute)} a step)"
    later = [f"{WHAT_BINDS[word]} from batch {batch:,} on" for batch, word in speed.changes[1:]]
    most = speed.held.max_sequences
    if later:
        said += f"; {', '.join(later)}"
        if most is not None:
            said += f" ({most:,} fit)"
    floor = speed.latency_seconds
    if floor is not None:
        said += f"; of the step as expected {duration(floor)} are latency"
        if floor > float(speed.decode.ceiling.seconds):
            said += ", more than the ceiling: that binds engines here"
    sent = speed.communication.seconds
    if sent is not None and sent > float(speed.decode.ceiling.seconds):
        said += f"; but what the ranks send takes longer than either: {duration(sent)}"
    return said


def _turns(speed: Speed) -> list[str]:
    """How the sequences of a pipeline take turns, and of what the step is."""
    found = speed.turns
    if found is None:
        return []
    stages = speed.plan.pipeline
    sizes = " or ".join(f"{size:,}" for size in sorted(set(found.sizes)))
    each = f"{sizes} sequence{'' if sizes == '1' else 's'}"
    if found.stage is None:
        step = "that one has passed all stages"
    else:
        step = f"the slowest stage, {found.stage + 1} of {stages}, has done all {found.parts}"
    words = f"{found.parts} micro-batches of {each} take turns on {stages} stages, and each reads the weights anew"
    return [
        f"pipeline: {words}; a step is the time until {step}: memory, arithmetic and the table are of that"
    ]


def _communication(speed: Speed) -> str:
    found = speed.communication
    if not found.transfers:
        return ""
    parts = [
        f"{t.name} over {t.ranks} {'stages' if t.name == 'pipeline send' else 'ranks'}, {t.times:g} times, "
        f"{format_bytes_decimal(t.sent_bytes)}"
        for t in found.transfers
    ]
    said = f"communication, not in the ceiling: {'; '.join(parts)} sent by each"
    link = "at a link that is not known" if found.link is None else f"at the link's {_per_second(found.link)}"
    if not found.network_bytes:
        if found.seconds is None:
            return f"{said}; the link between the devices is not known"
        return f"{said}: {duration(found.seconds)} {link}"
    said += f", of it {format_bytes_decimal(found.network_bytes)} between domains; {speed.plan.devices:,} devices: "
    said += f"{found.domains:,} domains of {found.domain:,} "
    said += "(assumed) " if found.assumed else ""
    if found.network is None:
        return f"{said}over a network that is not known, so its time is not either; add `--network 400Gb/s`"
    said += f"over {_per_second(found.network)} per device"
    return said if found.seconds is None else f"{said}: at least {duration(found.seconds)}, {link} inside"


def _per_second(rate: int) -> str:
    return f"{format_bytes_decimal(rate)}/s"


def _source(what: str, expected: Expected | NoExpectation) -> str:
    if isinstance(expected, NoExpectation):
        return f"{what}: no expectation: {expected.reason}"
    return f"{what} as expected: {expected.words}"
