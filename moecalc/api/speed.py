"""`speed`: how fast a model decodes and reads prompts on given devices, at the ceiling and as expected."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from moecalc.api.fit_setting import LLAMA_CPP, Asked
from moecalc.api.fleets import fleet_from
from moecalc.api.model import Model
from moecalc.api.offloading import Host
from moecalc.api.peaks import with_peak
from moecalc.api.plans import plan_from
from moecalc.api.precision import RELEASED
from moecalc.api.rooflines import roofline
from moecalc.api.skews import routing_of
from moecalc.api.widening import widening_words
from moecalc.calc.deploy.budget import Holding, fullest
from moecalc.calc.deploy.case import Room
from moecalc.calc.deploy.fitted import Setting
from moecalc.calc.deploy.offload import Demand, Layers, Offload
from moecalc.calc.routing.experts import pools_of
from moecalc.calc.speed import measured as held_against
from moecalc.calc.speed import speculation
from moecalc.calc.speed.expectation import (
    Expected,
    NoExpectation,
    expect_decode,
    expect_loaded,
    expect_prefill,
    requests_of,
)
from moecalc.calc.speed.hybrid import Hybrid, Placement, hybrid, published_spread, ram_bandwidth
from moecalc.calc.speed.machine import fastest
from moecalc.calc.speed.measured import Measured
from moecalc.calc.speed.roofline import Roofline
from moecalc.calc.speed.speculation import Speculation
from moecalc.calc.speed.speed import Decode, Held, Prefill, Speed
from moecalc.calc.speed.traffic import SHARED, UNIFORM, Routing
from moecalc.errors import InputError
from moecalc.specs.engines import find_engine
from moecalc.specs.fleet import Fleet, with_network
from moecalc.specs.plan import Plan
from moecalc.specs.routing import UNIFORM_SKEW, Skew
from moecalc.specs.workload import Workload, check_length


def speed(
    model: Any,
    gpu: Fleet | str,
    *,
    plan: Plan | Mapping[str, Any] | None = None,
    quant: str | None = None,
    kv_dtype: str | None = None,
    batch: int = 1,
    context: int | None = None,
    prompt: int | None = None,
    past: int = 0,
    engine: str | None = None,
    overlap: float = 1.0,
    skew: str | Skew = UNIFORM_SKEW,
    gpu_memory_utilization: Fraction | float | None = None,
    served: bool = False,
    measured: str | None = None,
    speculate: int | None = None,
    accept: float | None = None,
    speculate_at: Sequence[int] | None = None,
    peak: str | None = None,
    network: str | None = None,
) -> Speed:
    """How fast a model is on a fleet.

    `batch` sequences, over all devices, decode with `context` keys each; a prompt has `prompt` tokens (None: the
    context) behind `past` cached ones. `plan` None is the one that `fit` would choose. `overlap` is the share of a
    token that counts as a new draw of experts: 1 uniform, 0 all tokens sharing theirs; `skew` a law of the experts'
    loads in its place (`zipf:1`, `dirichlet:0.5`, or a file of recorded routing). `served` asks for what is
    expected under continuous batching, where prompts disturb decoding. `measured` is a decode speed to hold against
    the ceiling; `speculate` tokens drafted, accepted with the rate `accept`, are speculative decoding, shown at the
    batches `speculate_at` (None: powers of four that fit). `peak` (`28TFLOP/s`) is the dense 16-bit peak of devices
    without a published one: where none is known, decoding is answered by bandwidth alone, and `prefill` is None.
    `network` (`50GB/s`, in bits `400Gb/s`) is what each device sends to other domains; None: the catalogue's. Where
    the model does not fit and the fleet's host has RAM, part of it lies there; where it does not fit at all, the
    ceiling holds for devices with more memory, and `held` says what is missing. Raises InputError for values that
    cannot be, UndeterminedError where a bandwidth or the architecture is not known.
    """
    fleet, plan = fleet_from(gpu), plan_from(plan)
    fleet = fleet if peak is None else with_peak(fleet, peak)
    fleet = fleet if network is None else with_network(fleet, network)
    speculation.check(speculate, accept)
    for each in speculate_at or ():
        check_length("batch", each)
    asked = Asked(
        model,
        context=context,
        sequences=batch,
        kv_dtype=kv_dtype,
        utilization=gpu_memory_utilization,
        engine=engine,
    )
    found = asked.model
    routing = routing_of(overlap, skew, sorts=len(pools_of(found.ledger)))
    workload = found.workload(context=context, prompt=prompt, past=past, batch=batch)
    name = quant or RELEASED
    setting = asked.setting(name, fleet.devices)
    room = setting.room(fleet)
    holding = asked.holding(setting, fleet, name, plan)
    held = _held(holding, setting, room)
    bound = roofline(found, fleet, holding.plan, quant, setting.case.kv_dtype)
    part = None
    if not held.fits and fleet.host.ram is not None:
        part = _hybrid(asked, name, fleet, setting, workload.prompt, routing)
        bound = part[0] if part else bound
    decode = Decode(
        batch=workload.batch,
        context=workload.context,
        ceiling=part[1].decode if part else bound.decode(batch, workload.context, routing),
        unconditional=part[1].unconditional if part else bound.decode(batch, workload.context, SHARED),
        expected=NoExpectation(published_spread("decoding"))
        if part
        else _expected(bound, workload, setting, prompt, served=served),
    )
    both = part is None and batch > 1 and not served
    first = whole = None
    if bound.is_bounded:
        copies = bound.plan.replicas
        first = _prefill(bound, part[1] if part else None, workload.prompt, 1, past, routing, setting)
        whole = (
            first if copies == 1 else _prefill(bound, None, workload.prompt, copies, past, routing, setting)
        )
    told = _speculation(
        bound,
        asked,
        decode,
        speculate,
        accept,
        routing,
        speculate_at or speculation.shown_batches(held.max_sequences, batch),
        hybrid_=bool(part),
    )
    return Speed(
        model=found.name,
        source=found.source,
        fleet=fleet,
        quant=name,
        precision=bound.precision.label,
        kv_dtype=bound.kv_dtype,
        engine=setting.engine.name,
        workload=workload,
        routing=routing,
        roofline=bound,
        decode=decode,
        prefill=whole,
        first=first,
        served=_expected(bound, workload, setting, prompt, served=True) if both else None,
        loaded=_loaded(bound, workload, setting, prompt, held)
        if part is None and batch > 1 and bound.is_bounded
        else None,
        requests=requests_of(workload.context, prompt),
        held=held,
        arithmetic=_arithmetic(bound, fleet),
        hybrid=part[1] if part else None,
        speculation=told,
        measured=_measured(measured, decode, bound, told, hybrid_=bool(part)),
        plan_chosen=plan is None,
        warnings=(*found.warnings, *workload.warnings, *widening_words(bound.ops, fleet)),
    )


def offload_ceiling(
    bound: Roofline,
    layers: Layers,
    demand: Demand,
    placed: Offload,
    fleet: Fleet,
    *,
    prompt: int | None = None,
    routing: Routing = UNIFORM,
) -> Hybrid:
    """The ceilings of an offload placement; a prompt is as long as the context unless said.

    `bound` is the roofline of the whole model on the same devices, whole layers to each. Raises UndeterminedError
    where the bandwidth of the RAM was not said.
    """
    placement = Placement(
        roofline=bound,
        layers=layers,
        demand=demand,
        offload=placed,
        ram_bandwidth=ram_bandwidth(fleet.host),
    )
    return hybrid(
        placement,
        host_link_of(fleet),
        batch=demand.sequences,
        context=demand.context,
        prompt=prompt or demand.context,
        routing=routing,
    )


def host_link_of(fleet: Fleet) -> int | None:
    """Bytes per second that the slowest device can be sent by the host; None where that of any is not known."""
    links = [group.device.host_link for group in fleet.groups]
    known = [link.bytes_per_second for link in links if link is not None]
    return min(known) if len(known) == len(links) else None


def _expected(
    bound: Roofline, workload: Workload, setting: Setting, prompt: int | None, *, served: bool
) -> Expected | NoExpectation:
    return expect_decode(
        bound,
        workload.batch,
        workload.context,
        engine=setting.engine.name,
        served=served,
        prompt=prompt,
    )


def _loaded(
    bound: Roofline, workload: Workload, setting: Setting, prompt: int | None, held: Held
) -> Expected | NoExpectation:
    """Of requests of which the context is the middle of decoding, as for `served`; what does not fit waits."""
    if held.max_sequences is None:
        return NoExpectation("not even one sequence of that context fits")
    return first_under_load(
        bound, workload.batch, held.max_sequences, workload.context, prompt, setting.engine.name
    )


def first_under_load(
    bound: Roofline, batch: int, resident: int, context: int, prompt: int | None, engine: str
) -> Expected | NoExpectation:
    """Of requests of which the context is the middle of decoding; `resident` fit into memory, the others wait."""
    return expect_loaded(bound, batch, resident, *requests_of(context, prompt), engine=engine)


def _held(holding: Holding, setting: Setting, room: Room) -> Held:
    ranks = setting.case.ranks(holding, room)
    stages = room.of_stages(holding.plan)
    return Held(
        free_bytes=float(fullest(ranks).free_bytes),
        max_sequences=holding.most_sequences(stages, room.overhead_bytes, setting.case.context),
    )


def _prefill(
    bound: Roofline,
    part: Hybrid | None,
    prompt: int,
    prompts: int,
    past: int,
    routing: Routing,
    setting: Setting,
) -> Prefill:
    expected = (
        expect_prefill(bound, prompt, prompts, past, engine=setting.engine.name)
        if part is None
        else NoExpectation(published_spread("prefill"))
    )
    return Prefill(
        prompt=prompt,
        prompts=prompts,
        past=past,
        ceiling=part.prefill if part else bound.prefill(prompt, prompts, past, routing),
        expected=expected,
    )


def _hybrid(
    asked: Asked, quant: str, fleet: Fleet, setting: Setting, prompt: int, routing: Routing
) -> tuple[Roofline, Hybrid] | None:
    """The offload placement that `fit` finds, and the roofline of the whole model on the same GPUs, layer by layer."""
    host = Host(
        asked.model,
        fleet,
        asked.setting(quant, fleet.devices, find_engine(LLAMA_CPP)),
        asked.precision(quant),
    )
    placed = host.place() if host.is_read else None
    if placed is None:
        return None
    plan = Plan(pipeline=fleet.count)
    bound = roofline(asked.model, fleet, plan, quant, setting.case.kv_dtype)
    return bound, offload_ceiling(
        bound, host.layers, host.demand(), placed, fleet, prompt=prompt, routing=routing
    )


def _arithmetic(bound: Roofline, fleet: Fleet) -> dict[str, str | None]:
    return {format_: fastest(fleet.devices[0], format_) for format_ in bound.ops}


def _speculation(
    bound: Roofline,
    asked: Asked,
    decode: Decode,
    drafted: int | None,
    acceptance: float | None,
    routing: Routing,
    batches: Sequence[int],
    *,
    hybrid_: bool,
) -> Speculation | None:
    if drafted is None or acceptance is None:
        return None
    if hybrid_:
        raise InputError(
            "speculative decoding of a model that lies partly in RAM is not computed",
            hint="leave `--speculate` out, or name devices that hold the model",
        )
    return speculative(asked.model, bound, batches, decode.context, drafted, acceptance, routing)


def speculative(
    model: Model,
    bound: Roofline,
    batches: Sequence[int],
    context: int,
    drafted: int,
    acceptance: float,
    routing: Routing,
) -> Speculation:
    """What drafting so many tokens a step yields at those batches, with what of the model drafts them."""
    architecture = model.architecture
    modules = int(architecture.mtp.modules) if architecture.mtp else 1
    # A semi-autoregressive drafter proposes all tokens in one pass of its stages.
    drafter = speculation.drafter_of(bound, modules, 1 if architecture.drafter else None)
    words = "the draft's own cost is not known and left out: this model has no prediction modules"
    if drafter is not None:
        words = (
            f"{modules} prediction module{'s' if modules > 1 else ''} of the model, with its head"
            if architecture.drafter is None
            else "the model's own drafter, one pass for all tokens"
        )
    return Speculation(
        drafted=drafted,
        acceptance=float(acceptance),
        accepted=speculation.accepted_tokens(drafted, acceptance),
        draft=words,
        gains=speculation.speculate(bound, drafter, batches, context, drafted, float(acceptance), routing),
    )


def _measured(
    text: str | None, decode: Decode, bound: Roofline, told: Speculation | None, *, hybrid_: bool
) -> Measured | None:
    if text is None:
        return None
    gains = [] if told is None else [gain for gain in told.gains if gain.batch == decode.batch]
    return held_against.against(
        text,
        held_against.step_seconds(text, decode.batch, bound.plan.devices),
        decode.ceiling,
        decode.unconditional,
        bounded=bound.is_bounded and not hybrid_,
        stages=1 if hybrid_ else bound.plan.pipeline,
        speculative=gains[0].seconds_per_token if gains else None,
    )
