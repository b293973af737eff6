"""What good engines reach, with the error it showed on published measurements; or why nothing is expected.

A step is a sum of terms, each a time that physics or an engine adds: bytes over bandwidth, a latency for each
operation, arithmetic over a peak, prompts that are read in between. What each is multiplied by was fitted on published
measurements (`specs.expectations`, `docs/accuracy.md`). The interval is not a bound: it holds from the 10th to the 90th
percentile of measured over predicted, of the measurements of the same regime and class of hardware, each predicted by
fits that had not seen its model, or its device; where a regime has too few of them on a class of hardware, the wider
of that of the regime and that of the class. Terms are evaluated over ints and arrays alike.
"""

from collections.abc import Iterable

import msgspec

from moecalc.calc.deploy.sharding import layer_count
from moecalc.calc.speed.evidence import Evidence, evidence
from moecalc.calc.speed.queueing import closed_queue
from moecalc.calc.speed.roofline import Roofline
from moecalc.calc.speed.traffic import SHARED, Routing
from moecalc.ir.numeric import Number, maximum
from moecalc.ir.roles import Component
from moecalc.ir.step import Choices, Form, Logits, Pairs
from moecalc.specs.expectations import (
    HARDWARE,
    Coefficient,
    Hardware,
    Term,
    class_of,
    known,
)

_DECODE = Choices(Pairs.CAUSAL, Logits.LAST, frozenset({Form.ABSORBED, Form.STEP}))
_PREFILL = Choices(Pairs.CAUSAL, Logits.LAST, frozenset({Form.NAIVE, Form.CHUNK}))


LOADED = "ttft-loaded"
"""The regime of times to the first token under load."""


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds that a step is expected to take, and how far such expectations were off."""

    seconds: float
    low_seconds: float
    """10% of the left-out measurements were faster, relative to what was expected of them."""
    high_seconds: float
    """10% of them were slower."""
    regime: str
    engine_class: str
    rows: int
    """Measurements of the regime on this class of hardware."""
    devices: int
    """Groups of devices among them."""
    median_error: float
    p90_error: float
    words: str
    follows_routing: bool = False
    """Whether it takes the routing that was asked about: fits of published measurements keep what they were fitted
    with, for nobody published the routing of a measurement."""


class NoExpectation(msgspec.Struct, frozen=True):
    """Why nothing is expected."""

    reason: str


def expect_decode(
    roofline: Roofline,
    batch: int,
    context: int,
    *,
    engine: str = "generic",
    served: bool = False,
    prompt: int | None = None,
    output: int | None = None,
) -> Expected | NoExpectation:
    """Seconds of one decode step of `batch` sequences with `context` keys each.

    `served` means continuous batching: prompts of `prompt` tokens are read between the steps, one for every `output`
    tokens of a sequence. Where they are not given, they are those of `requests_of`.
    """
    plan, class_ = roofline.plan, class_of(engine)
    if plan.pipeline > 1 and (batch > 1 or served or plan.stage_devices > 1):
        return NoExpectation("of a pipeline only one sequence over single devices was measured")
    if served:
        regime = "served"
    elif batch > 1:
        regime = "decode-static-batch"
    elif plan.pipeline > 1:
        regime = "decode-b1-layer-split"
    else:
        regime = "decode-b1-tp" if plan.devices > 1 else "decode-b1-single"
    if class_ == "any" and regime != "decode-b1-single":
        class_ = "llama.cpp" if regime == "decode-b1-layer-split" else "serving"
    found = evidence(roofline, "decode", regime, class_, batch, context)
    if isinstance(found, str):
        return NoExpectation(found)
    routing = Routing(found.fit.overlap)
    usual = requests_of(context, prompt)
    lengths = (usual[0], output or usual[1]) if served else None
    least = roofline.decode(batch, context, SHARED).seconds
    return _expected(found, decode_terms(roofline, batch, context, routing, lengths), least)


def requests_of(context: int, prompt: int | None = None) -> tuple[int, int]:
    """Prompt and output tokens of a request that is decoded at this context on average: as many of both unless said.

    Halfway through its output, what a sequence sees is its prompt and half of its output.
    """
    half = -(-2 * context // 3)
    return prompt or half, half


def expect_prefill(
    roofline: Roofline, prompt: int, batch: int = 1, past: int = 0, *, engine: str = "generic"
) -> Expected | NoExpectation:
    """Seconds to read `batch` prompts behind `past` cached tokens each, nothing else running."""
    class_ = class_of(engine)
    class_ = "serving" if class_ == "any" else class_
    if roofline.plan.pipeline > 1:
        return NoExpectation("how chunks of a prompt overlap in a pipeline of layers is not modelled")
    regime = "prefill-b1" if batch == 1 else "prefill-static-batch"
    found = evidence(roofline, "prefill", regime, class_, batch, prompt)
    if isinstance(found, str):
        return NoExpectation(found)
    if past > 2 * found.past:
        measured = f"0 to {found.past:,}" if found.past else "none"
        return NoExpectation(
            f"{past:,} cached tokens before the prompt are far from what was measured in `{regime}` on "
            f"{HARDWARE[found.hardware]} ({measured})"
        )
    least = roofline.prefill(prompt, batch, past, SHARED).seconds
    terms = prefill_terms(roofline, prompt, batch, past, Routing(found.fit.overlap))
    return _expected(found, terms, least)


def expect_loaded(
    roofline: Roofline, batch: int, resident: int, prompt: int, output: int, *, engine: str = "generic"
) -> Expected | NoExpectation:
    """Seconds to the first token of a request, while `batch` of them are under way and each is replaced as it ends.

    `resident` of them fit into memory at their full length; the others wait for room.
    """
    class_ = class_of(engine)
    class_ = "serving" if class_ == "any" else class_
    if roofline.plan.pipeline > 1:
        return NoExpectation("how chunks of a prompt overlap in a pipeline of layers is not modelled")
    found = evidence(roofline, "loaded", LOADED, class_, batch, prompt)
    if isinstance(found, str):
        return NoExpectation(found)
    least = roofline.prefill(prompt, 1, 0, SHARED).seconds
    return _expected(found, loaded_terms(roofline, batch, resident, prompt, output), least)


def decode_terms(
    roofline: Roofline,
    batch: Number,
    context: Number,
    routing: Routing,
    served: tuple[Number, Number] | None = None,
) -> dict[Term, Number]:
    """The terms of a decode step, without `arithmetic` where the device has no published fp32 peak.

    `served` are the tokens of prompt and output of a request under continuous batching.
    """
    plan, bandwidth = roofline.plan, roofline.machines[0].bandwidth
    step, latencies = roofline.decode(batch, context, routing), _latencies(roofline, _DECODE)
    between: dict[Term, Number] = {"prompts": 0, "passes": 0, "sequences": 0, "scheduling": 0}
    if served is not None:
        prompt, output = served
        # Of every copy of attention one prompt: what each device of the plan has to do for it.
        prompts = roofline.prefill(prompt, plan.replicas, 0, routing).compute_seconds
        own = batch / plan.replicas
        per_step = own / output
        between = {
            "prompts": prompts * per_step,
            # A prompt is a pass of its own, of the same operations, however short it is.
            "passes": latencies["operations"] * per_step,
            "sequences": own,
            "scheduling": 1,
        }
    return {
        "weights": step.weight_bytes / bandwidth,
        "state": step.state_bytes / bandwidth,
        "compute": step.compute_seconds,
        **between,
        **latencies,
        **_arithmetic(roofline, step.flops),
    }


def prefill_terms(
    roofline: Roofline, prompt: Number, batch: Number, past: Number, routing: Routing
) -> dict[Term, Number]:
    """The terms of reading prompts, without `arithmetic` where the device has no published fp32 peak."""
    bandwidth = roofline.machines[0].bandwidth
    step = roofline.prefill(prompt, batch, past, routing)
    return {
        "weights": step.weight_bytes / bandwidth,
        "state": step.state_bytes / bandwidth,
        "compute": step.compute_seconds,
        **_latencies(roofline, _PREFILL),
        **_arithmetic(roofline, step.flops),
    }


def loaded_terms(
    roofline: Roofline, batch: int, resident: int, prompt: int, output: int
) -> dict[Term, Number]:
    """The terms of a first token among `batch` requests, `resident` of which memory holds (`calc.speed.queueing`)."""
    plan = roofline.plan
    held = min(batch, resident)
    # Each copy of attention reads one prompt at a time, and has its share of the requests.
    own = -(-held // plan.replicas)
    reading = float(roofline.prefill(prompt, plan.replicas, 0).compute_seconds)
    step = float(roofline.decode(held, prompt + output // 2).seconds)
    queue = closed_queue(reading, output * step, own)
    return {
        "compute": reading,
        "queue": queue.wait_seconds,
        "room": (batch - held) / (queue.per_second * plan.replicas),
        "step": step,
        "scheduling": 1,
        **_latencies(roofline, _PREFILL),
    }


def seconds_of(coefficients: Iterable[Coefficient], hardware: Hardware, terms: dict[Term, Number]) -> Number:
    """The sum of the terms, each by its coefficient. Raises KeyError for a term that could not be evaluated."""
    return sum(entry.value * terms[entry.term] for entry in coefficients if entry.holds_on(hardware))


def _latencies(roofline: Roofline, choices: Choices) -> dict[Term, Number]:
    """Layers, and operations of one step in the form that engines run: roughly the kernels that it launches."""
    plan, ledger = roofline.plan, roofline.sharded.ledger
    operations = sum(
        op.layers * op.applications
        for op in ledger.ops
        if op.component is Component.LANGUAGE and op.counts_under(choices)
    )
    return {
        "layers": layer_count(ledger),
        "operations": operations,
        "exchanges": operations if plan.tensor > 1 or plan.expert > 1 else 0,
        "dispatches": operations if plan.expert > 1 else 0,
    }


def _arithmetic(roofline: Roofline, flops: Number) -> dict[Term, Number]:
    each = flops / roofline.plan.stage_devices
    device = known(roofline.machines[0].name)
    peak = device.peak("fp32") if device else None
    terms: dict[Term, Number] = {"streams": each / roofline.machines[0].bandwidth}
    return {**terms, "arithmetic": each / peak.per_second} if peak else terms


def _expected(found: Evidence, terms: dict[Term, Number], least: Number) -> Expected:
    """Never faster than the ceiling that holds whatever the routing."""
    seconds = seconds_of(found.fit.coefficients, found.hardware, terms)
    behind = found.behind
    return Expected(
        seconds=maximum(seconds, least),
        low_seconds=maximum(seconds * found.low, least),
        high_seconds=maximum(seconds * found.high, least),
        regime=found.regime,
        engine_class=found.fit.engine_class,
        rows=behind.rows,
        devices=len(behind.devices),
        median_error=behind.median_error,
        p90_error=behind.p90_error,
        words=found.words,
    )
