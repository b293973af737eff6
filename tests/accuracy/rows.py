"""The measurements with the terms of their steps evaluated: what is fitted."""

from dataclasses import dataclass
from functools import cache

import moecalc
from moecalc.api.precision import precision_for
from moecalc.calc import memory
from moecalc.calc.deploy.ranks import Sharded
from moecalc.calc.speed.expectation import LOADED, decode_terms, loaded_terms, prefill_terms
from moecalc.calc.speed.machine import machine
from moecalc.calc.speed.roofline import Roofline, operand_formats
from moecalc.calc.speed.traffic import Routing
from moecalc.specs.expectations import EXPECTED_AS, EngineClass, Hardware, Term, class_of, hardware_of
from moecalc.specs.formats import Precision
from moecalc.specs.hardware import accelerator
from moecalc.specs.kv_formats import kv_format
from moecalc.specs.measurements import Measurement, folds
from moecalc.specs.plan import Plan

OVERLAPS = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Of which the share of a token that counts as a new draw of experts is chosen."""

RESIDENT_SHARE = 0.9
"""Of a device's memory, for weights and state together: vLLM's default."""

NO_CONTEXT = 64
"""Keys where a source states no lengths: next to nothing, as in its short runs."""

MODEL_GROUP = {name: group for group, names in folds().models.items() for name in names}
DEVICE_GROUP = {name: group for group, names in folds().devices.items() for name in names}

load = cache(moecalc.load)


@dataclass(frozen=True)
class Row:
    """One measurement: its groups, its seconds, and the terms of its step for each overlap that is tried."""

    id: str
    regime: str
    source: str
    model: str
    device: str
    devices: int
    past: int
    hardware: Hardware
    engine_class: EngineClass
    seconds: float
    batch: int
    tokens: int
    terms: dict[float, dict[Term, float]]


@cache
def roofline(measured: Measurement) -> Roofline:
    """The roofline of what was measured; layers split over devices are a pipeline."""
    model, roles = load(measured.model), measured.formats_by_role
    precision = Precision(measured.weights, roles) if roles else precision_for(model, measured.weights)
    kv = kv_format(measured.kv, model.ledger).name if measured.kv else model.kv_name(None)
    plan = Plan(
        tensor=measured.tp, pipeline=measured.pp * measured.split, data=measured.dp, expert=measured.ep
    )
    formats = tuple(dict.fromkeys((*operand_formats(model.ledger, precision, kv), "fp16")))
    return Roofline(
        sharded=Sharded(ledger=model.ledger, plan=plan),
        precision=precision,
        kv_dtype=kv,
        machines=(machine(accelerator(measured.device), formats),),
    )


def resident(measured: Measurement) -> int:
    """How many of the concurrent sequences of `served` requests memory holds at their full length; the rest queue."""
    bound = roofline(measured)
    stored = sum(size for _, size in bound.sharded.weight_groups(0, bound.precision))
    tokens = measured.prompt + measured.output
    one = memory.state_bytes(bound.sharded.stages[0], tokens, bound.kv_dtype, 1)
    free = RESIDENT_SHARE * accelerator(measured.device).usable_bytes().bytes - float(stored)
    return min(measured.batch, max(1, int(free / float(one))) * bound.plan.replicas)


def is_decode(measured: Measurement) -> bool:
    """Whether it times decode steps of a known batch."""
    return measured.step_seconds is not None and measured.batch is not None


def is_prefill(measured: Measurement) -> bool:
    """Whether it times a prefill of known lengths."""
    return measured.prefill_seconds is not None and None not in (measured.prompt, measured.batch)


def is_loaded(measured: Measurement) -> bool:
    """Whether it times first tokens of requests among others, of known lengths."""
    known = None not in (measured.batch, measured.prompt, measured.output)
    return measured.regime == "served" and measured.metric == "ttft" and known


@cache
def row(measured: Measurement) -> Row:
    """The measurement as the fit sees it. `served` decoding runs at the batch that memory holds."""
    bound = roofline(measured)
    if is_decode(measured):
        batch = resident(measured) if measured.regime == "served" else measured.batch
        tokens = measured.context or NO_CONTEXT
        lengths = (measured.prompt, measured.output) if measured.regime == "served" else None
        terms = {
            overlap: decode_terms(bound, batch, tokens, Routing(overlap), lengths) for overlap in OVERLAPS
        }
        seconds = measured.step_seconds
    elif is_loaded(measured):
        batch, tokens = measured.batch, measured.prompt
        at = loaded_terms(bound, batch, resident(measured), tokens, measured.output)
        terms, seconds = dict.fromkeys(OVERLAPS, at), measured.value / 1000
    else:
        batch, tokens = measured.batch, measured.prompt
        at = prefill_terms(bound, tokens, batch, measured.past, Routing())
        terms, seconds = dict.fromkeys(OVERLAPS, at), measured.prefill_seconds
    return Row(
        id=measured.id,
        regime=LOADED if is_loaded(measured) else EXPECTED_AS.get(measured.regime, measured.regime),
        source=measured.source,
        model=MODEL_GROUP[measured.model],
        device=DEVICE_GROUP[measured.device],
        devices=measured.devices,
        past=0 if is_decode(measured) or is_loaded(measured) else measured.past,
        hardware=hardware_of(accelerator(measured.device)),
        engine_class=class_of(measured.engine),
        seconds=seconds,
        batch=batch,
        tokens=tokens,
        terms={overlap: {term: float(value) for term, value in at.items()} for overlap, at in terms.items()},
    )
