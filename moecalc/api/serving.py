"""`serve`: a model on devices as an engine runs it: what each device holds, and how many requests that leaves."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import msgspec

from moecalc.api.engine_rules import (
    by_layers,
    cache_of,
    check_formats,
    check_plan,
    context_warnings,
    cut_warnings,
    format_warnings,
    has_cells,
    is_mixture,
    is_paged,
    known_model,
    lookups_in_ram,
    share_of,
)
from moecalc.api.fit_setting import LLAMA_CPP
from moecalc.api.fleets import fleet_from
from moecalc.api.model import Model
from moecalc.api.plans import plan_from
from moecalc.api.precision import RELEASED, precision_for
from moecalc.api.skews import fullest_rank, skew_of
from moecalc.api.widening import widening_words
from moecalc.calc.deploy.budget import usable
from moecalc.calc.deploy.case import Case, Room
from moecalc.calc.deploy.fitted import capacity_of
from moecalc.calc.deploy.fitting import balanced, deal_layers
from moecalc.calc.deploy.ranks import LOADED, Sharded, kv_copies
from moecalc.calc.deploy.sharding import layer_count
from moecalc.calc.deploy.shards import Shards
from moecalc.calc.routing.experts import pools_of
from moecalc.calc.serving.reservation import logical_bytes, naive_bytes
from moecalc.calc.serving.rules import EngineRules
from moecalc.calc.serving.served import Serving
from moecalc.calc.serving.serving import RankBudget, Scheduler, rank_budgets
from moecalc.calc.serving.serving_state import ReservedState, reserved_state
from moecalc.calc.speed.roofline import ops_by_format
from moecalc.errors import InputError
from moecalc.ir.roles import Component, Role
from moecalc.specs.engines import Engine, find_engine
from moecalc.specs.fleet import Fleet
from moecalc.specs.formats import Precision, find_format
from moecalc.specs.kv_formats import served_apart
from moecalc.specs.machines import MACHINE
from moecalc.specs.plan import Plan
from moecalc.specs.routing import UNIFORM_SKEW, Skew
from moecalc.specs.workload import check_length

DEFAULT_ENGINE = "vllm"


def serve(
    model: Any,
    gpu: Fleet | str,
    *,
    engine: str | None = None,
    plan: Plan | Mapping[str, Any] | None = None,
    context: int | None = None,
    sequences: int | None = None,
    batched_tokens: int | None = None,
    gpu_memory_utilization: Fraction | float | None = None,
    quant: str | None = None,
    kv_dtype: str | None = None,
    speculate: bool = False,
    full_windows: bool = False,
    skew: str | Skew = UNIFORM_SKEW,
) -> Serving:
    """Serve a model on a fleet.

    `engine` None is llama.cpp for one of its mixtures, else vLLM; what else is None is the engine's own default
    (the context: the trained length). `plan` None is tensor parallelism over all devices, or whole layers each where
    the engine has no other split. `sequences` and `batched_tokens` are those of one copy of the engine. With
    `full_windows` windowed layers keep every token (vLLM without its hybrid cache, llama.cpp's --swa-full). `skew` is
    how tokens choose experts, and makes the buffers of the fullest expert-parallel rank larger. Raises
    InputError for a plan that matches neither model nor devices nor engine, UndeterminedError where a device's
    memory, the architecture or the engine's layout of its state is not known.
    """
    fleet, plan = fleet_from(gpu), plan_from(plan)
    found = known_model(model)
    chosen = find_engine(engine or (LLAMA_CPP if is_mixture(quant) else DEFAULT_ENGINE)).on(fleet.devices)
    if plan is not None:
        check_plan(found, chosen, plan, fleet)
    precision = precision_for(found, quant or RELEASED)
    check_formats(found, chosen, precision, quant)
    scheduler, assumed = _scheduler(
        found, chosen, fleet, context, sequences, batched_tokens, gpu_memory_utilization
    )
    if full_windows:
        scheduler = msgspec.structs.replace(scheduler, full_windows=_full_windows(chosen))
    cache = cache_of(found, chosen, kv_dtype)
    if speculate:
        _check_speculation(found, chosen)
    towers = () if has_cells(chosen) else LOADED[1:]
    predicted = (Component.MTP,) if speculate else ()
    components = (Component.LANGUAGE, *towers, *predicted)
    multiple = chosen.vocabulary_multiple.value if chosen.vocabulary_multiple else 1
    shards = Shards(found.ledger, components, multiple)
    sharded = shards.sharded(plan or _dealt(chosen, fleet, shards, precision, scheduler, cache))
    own = sharded.plan
    chosen_skew = skew_of(skew)
    load = fullest_rank(found.ledger, chosen_skew, own.expert)
    if load != 1:
        sharded = msgspec.structs.replace(sharded, expert_load=load)
    stages = Room(tuple(map(capacity_of, fleet.devices)), 0).of_stages(own)
    budgets = rank_budgets(
        sharded,
        precision,
        chosen,
        scheduler,
        stages,
        lookups_in_ram=lookups_in_ram(chosen, fleet.devices),
    )
    state = reserved_state(sharded, chosen, scheduler, cache, budgets)
    element = Fraction(find_format(cache).bits, 8)
    refusals = tuple(_refusals(chosen, sharded, precision, budgets))
    if plan is None:
        assumed["plan"] = own.words
    if kv_dtype is None:
        assumed["kv_dtype"] = cache
    if chosen.reservation.rule != "cells":
        assumed |= served_apart(found.ledger)
    if chosen_skew.law == "uniform" and pools_of(found.ledger):
        assumed["routing"] = "uniform"
    return Serving(
        model=found.name,
        title=found.title,
        source=found.source,
        checkpoint=_checkpoint(found.name),
        engine=chosen,
        fleet=fleet,
        plan=own,
        scheduler=scheduler,
        quant=None if quant is None or quant.strip().lower() == RELEASED else quant,
        precision=precision.label,
        kv_dtype=cache,
        speculate=speculate,
        stage_layers=tuple(len(layers) for layers in own.layers_of_stages(layer_count(found.ledger))),
        budgets=budgets,
        state=state,
        logical_bytes=logical_bytes(found.ledger, scheduler.context, cache, components),
        naive_bytes=naive_bytes(found.ledger, scheduler.context, element),
        trained_length=found.context_length,
        float32=precision.default == "fp32" and not is_mixture(quant),
        recurrent_float32=any(
            row.role.group == "recurrent" and row.stored_as == "fp32" for row in found.ledger.states
        ),
        refusals=refusals,
        defaults=assumed,
        notes=(
            *_notes(found, chosen, own, precision, state, quant, speculate),
            *widening_words(ops_by_format(found.ledger, precision, cache), fleet),
        ),
        warnings=(
            *found.warnings,
            *found.workload(context=scheduler.context).warnings,
            *refusals,
            *_warnings(found, chosen, quant),
            *_skew_words(chosen_skew, load, own),
        ),
    )


def _skew_words(skew: Skew, load: float, plan: Plan) -> Iterator[str]:
    """What a skew changes here, where it was asked for."""
    if skew.law == "uniform":
        return
    if plan.expert == 1:
        yield f"{skew.words} routing: without expert parallelism (`--ep`) every rank gets as many tokens"
    else:
        yield (
            f"{skew.words} routing: the fullest of {plan.expert:,} expert-parallel ranks gets {load:.3g} times the "
            "mean load where experts stand in order, and its activations are counted so"
        )


def _dealt(
    engine: Engine,
    fleet: Fleet,
    shards: Shards,
    precision: Precision,
    scheduler: Scheduler,
    cache: str,
) -> Plan:
    """All devices as one tensor-parallel group, or whole layers on each where the engine splits nothing else.

    Unequal devices get layers by their memory, and equal ones that do not hold equally many as many as fit, as `fit`
    deals them.
    """
    capacities = tuple(usable(capacity_of(device), scheduler.utilization) for device in fleet.devices)
    room = Room(capacities, engine.overheads.inside_bytes(fleet.count))
    if room.is_uniform and not by_layers(engine):
        return Plan(tensor=fleet.count)
    logical = engine.reservation.rule == "logical"
    case = Case(
        kv_dtype=cache,
        context=scheduler.context,
        sequences=1 if is_paged(engine) else scheduler.sequences,
        prefill_chunk=scheduler.batched_tokens,
        lookups_in_ram=lookups_in_ram(engine, fleet.devices),
        rules=None if logical else EngineRules(engine, scheduler),
    )
    if not room.is_uniform:
        return deal_layers(shards, precision, room, case)
    even = case.holding(shards.sharded(Plan(pipeline=fleet.count)), precision)
    if all(rank.free_bytes >= 0 for rank in case.ranks(even, room)):
        return even.plan
    return (balanced(shards, precision, room, case, even) or even).plan


def _check_speculation(found: Model, engine: Engine) -> None:
    if has_cells(engine):
        raise InputError(
            f"{engine.name} does not load multi-token-prediction modules here", hint="leave `--speculate` out"
        )
    if not any(weight.component is Component.MTP for weight in found.ledger.weights):
        raise InputError(
            f"`{found.name}` has no multi-token-prediction module to speculate with",
            hint="leave `--speculate` out",
        )


def _scheduler(
    found: Model,
    engine: Engine,
    fleet: Fleet,
    context: int | None,
    sequences: int | None,
    batched_tokens: int | None,
    utilization: Fraction | float | None,
) -> tuple[Scheduler, dict[str, Any]]:
    """The scheduler's settings, and those of them that nobody chose."""
    for name, value in (("context", context), ("sequences", sequences), ("batched_tokens", batched_tokens)):
        if value is not None:
            check_length(name, value)
    least = min(fleet.devices, key=capacity_of)
    tier = engine.tier(capacity_of(least), least.name)
    batched = batched_tokens or tier.batched_tokens
    running = sequences or min(tier.sequences, batched)
    if batched < running and is_paged(engine):
        raise InputError(
            f"`--max-num-batched-tokens {batched}` is less than `--max-num-seqs {running}`",
            hint="every running sequence takes a token of each step",
        )
    share = share_of(utilization, engine)
    length = context or found.context_length or found.workload().context
    chosen = {
        "context": context,
        "sequences": sequences,
        "batched_tokens": batched_tokens,
        "utilization": utilization if engine.utilization is not None else share,
    }
    scheduler = Scheduler(context=length, sequences=running, batched_tokens=batched, utilization=share)
    return scheduler, {name: getattr(scheduler, name) for name, value in chosen.items() if value is None} | {
        "engine": engine.name
    }


def _full_windows(engine: Engine) -> bool:
    if engine.reservation.rule == "logical":
        raise InputError(
            f"{engine.name} counts what the architecture needs, and that is no more than the windows",
            hint="choose an engine that reserves more: `--engine vllm` or `--engine llama.cpp`",
        )
    return True


def _checkpoint(name: str) -> str:
    from moecalc.sources import catalog

    path = catalog.find(name)
    hub = catalog.load(path).hub if path is not None else ()
    return hub[0] if hub else name


def _notes(
    found: Model,
    engine: Engine,
    plan: Plan,
    precision: Precision,
    state: ReservedState,
    quant: str | None,
    speculate: bool,
) -> Iterator[str]:
    if engine.note:
        yield engine.note
    copies = kv_copies(found.ledger, plan)
    if copies > 1:
        latent = any(row.role is Role.ATTENTION_LATENT_STATE for row in found.ledger.states)
        why = "a latent has no heads to split" if latent else "there are fewer key-value heads than ranks"
        yield f"state is stored {copies} times within each copy of the model: {why}"
    if state.pool is not None and state.pool.grown:
        yield f"the block is {state.pool.block_tokens:,} tokens, so that its page holds a recurrent state"
    if state.pool is not None and len(state.pool.groups) > 1:
        groups = state.pool.groups
        largest = max(len(group.layers) for group in groups)
        yield (
            f"layers that differ (windows, recurrent states) make {len(groups)} groups of up to {largest} layers, and "
            "every group takes blocks of its own from one pool"
        )
    if any(buffer.what == "SWA" for buffers in state.buffers for buffer in buffers):
        yield "windowed layers have cells for the window and one ubatch (for the whole context with `--swa-full`)"
    predicting = [weight for weight in found.ledger.weights if weight.component is Component.MTP]
    if predicting and not speculate and not has_cells(engine):
        size = sum(precision.bytes_of(weight) for weight in predicting)
        yield f"multi-token-prediction modules ({float(size) / 2**30:.2f} GiB) are loaded with `--speculate` only"
    if quant is not None and precision is not found.precision and is_paged(engine):
        yield f"the checkpoint to load has to be stored in `{quant}`: put its id in the command"
    nodes = engine.launch.nodes if engine.launch is not None else None
    if plan.devices > MACHINE and nodes is not None:
        yield f"{plan.devices} GPUs stand in several machines: the command names no nodes; {engine.name} needs {nodes}"
    if plan.redundant_experts:
        yield f"{plan.redundant_experts} more copies of experts in each layer (EPLB) are among the weights"


def _refusals(
    engine: Engine, sharded: Sharded, precision: Precision, budgets: tuple[RankBudget, ...]
) -> Iterator[str]:
    least = min(budgets, key=lambda budget: budget.capacity_bytes)
    yield from context_warnings(engine, least.capacity_bytes, least.granted_bytes)
    if not by_layers(engine):
        yield from cut_warnings(sharded.shares, precision, sharded.plan)


def _warnings(found: Model, engine: Engine, quant: str | None) -> Iterator[str]:
    yield from format_warnings(engine, quant)
    towers = {weight.component for weight in found.ledger.weights} & {Component.VISION, Component.AUDIO}
    if is_paged(engine) and towers:
        yield "images and sound take memory of their own while they are encoded, which is not counted"
