"""`serve`: a model on devices as a serving engine runs it: what each GPU holds, and how many requests that leaves."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import msgspec

from moecalc.api.loading import load
from moecalc.api.model import Model, StatedModel
from moecalc.api.precision import RELEASED, precision_for
from moecalc.calc.deploy.fitted import capacity_of
from moecalc.calc.deploy.fitting import Room
from moecalc.calc.deploy.ranks import LOADED, Sharded, kv_copies
from moecalc.calc.deploy.sharding import layer_count
from moecalc.calc.serving.reservation import logical_bytes, naive_bytes
from moecalc.calc.serving.served import Serving
from moecalc.calc.serving.serving import RankBudget, Scheduler, rank_budgets
from moecalc.calc.serving.serving_state import ReservedState, reserved_state
from moecalc.errors import InputError, UndeterminedError
from moecalc.ir.roles import Component, Role
from moecalc.specs.engines import Engine, find_engine
from moecalc.specs.fleet import Fleet
from moecalc.specs.formats import Precision, find_format
from moecalc.specs.gguf_mixtures import find_mixture
from moecalc.specs.kv_formats import kv_format
from moecalc.specs.plan import Plan
from moecalc.specs.recipes import find_recipe
from moecalc.specs.workload import check_length

DEFAULT_ENGINE = "vllm"

_SIZES = {
    "tensor": "--tp",
    "pipeline": "--pp",
    "expert": "--ep",
    "data": "--dp",
    "attention_data": "--attention-dp",
    "decode_context": "--dcp",
}


def serve(
    model: Any,
    fleet: Fleet,
    *,
    engine: str | None = None,
    plan: Plan | None = None,
    context: int | None = None,
    sequences: int | None = None,
    batched_tokens: int | None = None,
    utilization: Fraction | float | None = None,
    quant: str | None = None,
    kv_dtype: str | None = None,
    speculate: bool = False,
    full_windows: bool = False,
) -> Serving:
    """Serve a model on a fleet.

    `engine` None is llama.cpp for one of its mixtures, else vLLM; what else is None is the engine's own default
    (the context: the trained length). `plan` None is tensor parallelism over all devices, or whole layers each where
    the engine has no other split. `sequences` and `batched_tokens` are those of one copy of the engine. With
    `full_windows` windowed layers keep every token (vLLM without its hybrid cache, llama.cpp's --swa-full). Raises
    InputError for a plan that matches neither model nor devices nor engine, UndeterminedError where a device's
    memory, the architecture or the engine's layout of its state is not known.
    """
    found = _known(model)
    chosen = find_engine(engine or ("llama.cpp" if _is_mixture(quant) else DEFAULT_ENGINE))
    own = _plan(found, chosen, fleet, plan)
    precision = precision_for(found, quant or RELEASED)
    _check_formats(found, chosen, precision)
    scheduler, assumed = _scheduler(found, chosen, fleet, context, sequences, batched_tokens, utilization)
    if full_windows:
        scheduler = msgspec.structs.replace(scheduler, full_windows=_full_windows(chosen))
    cache = _cache(found, chosen, kv_dtype)
    if speculate:
        _check_speculation(found, chosen)
    towers = () if chosen.reservation.rule == "cells" else LOADED[1:]
    predicted = (Component.MTP,) if speculate else ()
    components = (Component.LANGUAGE, *towers, *predicted)
    sharded = Sharded(ledger=found.ledger, plan=own, components=components)
    stages = Room(tuple(map(capacity_of, fleet.devices)), 0).of_stages(own)
    budgets = rank_budgets(sharded, precision, chosen, scheduler, stages)
    state = reserved_state(sharded, chosen, scheduler, cache, budgets)
    element = Fraction(find_format(cache).bits, 8)
    if plan is None:
        assumed["plan"] = own.words
    if kv_dtype is None:
        assumed["kv_dtype"] = cache
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
        float32=precision.default == "fp32" and not _is_mixture(quant),
        recurrent_float32=any(
            row.role.group == "recurrent" and row.stored_as == "fp32" for row in found.ledger.states
        ),
        defaults=assumed,
        notes=tuple(_notes(found, chosen, own, precision, state, quant, speculate)),
        warnings=(
            *found.warnings,
            *found.workload(context=scheduler.context).warnings,
            *_warnings(found, chosen, budgets, quant),
        ),
    )


def _known(model: Any) -> Model:
    found = model if isinstance(model, Model | StatedModel) else load(model)
    if not isinstance(found, Model):
        raise UndeterminedError(
            f"`{found.name}` has no known architecture: what a GPU holds cannot be said",
            hint=f"`moecalc show {found.name}` prints what follows from its figures",
        )
    return found


def _is_mixture(quant: str | None) -> bool:
    return quant is not None and find_recipe(quant) is None and find_mixture(quant) is not None


def _plan(found: Model, engine: Engine, fleet: Fleet, plan: Plan | None) -> Plan:
    if plan is None:
        by_tensor = "tensor" in engine.splits
        plan = Plan(tensor=fleet.count) if by_tensor else Plan(pipeline=fleet.count)
    for name, option in _SIZES.items():
        if getattr(plan, name) > 1 and name not in engine.splits:
            has = ", ".join(f"`{_SIZES[split]}`" for split in engine.splits)
            raise InputError(
                f"{engine.name} has no `{option}` that its logs back", hint=f"{engine.name} has {has}"
            )
    if plan.devices != fleet.count:
        raise InputError(
            f"`{plan.words}` makes {plan.devices} devices, and `--gpu` names {fleet.count}",
            hint="`--tp` x `--pp` x `--dp` is the number of devices",
        )
    if "data" in engine.splits and engine.reservation.rule == "paged":
        _check_experts(found, engine, plan)
    multiple = engine.vocabulary_multiple
    return msgspec.structs.replace(plan, vocabulary_multiple=multiple.value if multiple else 1)


def _check_experts(found: Model, engine: Engine, plan: Plan) -> None:
    """VLLM deals experts over all ranks of a stage or over none (FusedMoEParallelConfig)."""
    ranks = plan.stage_devices
    if plan.expert not in {1, ranks}:
        raise InputError(
            f"{engine.name} deals whole experts over `--tp` x `--dp` = {ranks} ranks, not {plan.expert}",
            hint=f"type `--ep {ranks}`",
        )
    mixture = any(weight.pool is not None for weight in found.ledger.weights)
    if plan.data > 1 and plan.expert == 1 and mixture:
        raise InputError(
            f"with `--dp {plan.data}` {engine.name} copies attention, and spreads the experts over all ranks",
            hint=f"type `--ep {ranks}`; copies that share nothing are {plan.data} deployments of their own",
        )


def _check_formats(found: Model, engine: Engine, precision: Precision) -> None:
    if engine.reservation.rule != "cells":
        return
    foreign = [
        name for name in precision.formats if name.startswith(("fp8", "nvfp4", "int")) and "ggml" not in name
    ]
    if foreign:
        raise InputError(
            f"{engine.name} has no `{foreign[0]}`, in which `{found.name}` is stored",
            hint="choose one of its mixtures: `--quant q8_0`, `--quant q4_k_m`",
        )


def _check_speculation(found: Model, engine: Engine) -> None:
    if engine.reservation.rule == "cells":
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
    first = fleet.devices[0]
    tier = engine.tier(min(map(capacity_of, fleet.devices)), first.name)
    batched = batched_tokens or tier.batched_tokens
    running = sequences or min(tier.sequences, batched)
    if batched < running and engine.reservation.rule == "paged":
        raise InputError(
            f"`--max-num-batched-tokens {batched}` is less than `--max-num-seqs {running}`",
            hint="every running sequence takes a token of each step",
        )
    share = _share(utilization, engine)
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


def _share(utilization: Fraction | float | None, engine: Engine) -> Fraction:
    if engine.utilization is None:
        if utilization is not None:
            raise InputError(
                f"{engine.name} has no share of memory that it may fill: it takes what it needs",
                hint="leave `--gpu-memory-utilization` out",
            )
        return Fraction(1)
    if utilization is None:
        return Fraction(engine.utilization.value)
    if isinstance(utilization, bool) or not 0 < utilization <= 1:  # nan is refused too
        raise InputError(
            f"`--gpu-memory-utilization` is {utilization!r}", hint="a share above 0 and at most 1, e.g. 0.9"
        )
    return Fraction(utilization).limit_denominator(10_000)


def _cache(found: Model, engine: Engine, kv_dtype: str | None) -> str:
    if kv_dtype is None:
        return kv_format(engine.kv_dtype or found.kv_name()).name
    name = found.kv_name(kv_dtype)
    if engine.kv_dtypes and name not in engine.kv_dtypes:
        raise InputError(
            f"{engine.name} has no cache in `{kv_dtype}`",
            hint=f"{engine.name} has {', '.join(word for word in engine.kv_dtypes)}".replace("ggml-", ""),
        )
    return name


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
    if predicting and not speculate and engine.reservation.rule != "cells":
        size = sum(precision.bytes_of(weight) for weight in predicting)
        yield f"multi-token-prediction modules ({float(size) / 2**30:.2f} GiB) are loaded with `--speculate` only"
    if quant is not None and precision is not found.precision and engine.reservation.rule == "paged":
        yield f"the checkpoint to load has to be stored in `{quant}`: put its id in the command"
    if plan.redundant_experts:
        yield f"{plan.redundant_experts} more copies of experts in each layer (EPLB) are among the weights"


def _warnings(
    found: Model, engine: Engine, budgets: tuple[RankBudget, ...], quant: str | None
) -> Iterator[str]:
    for budget in budgets:
        spare = budget.capacity_bytes - budget.granted_bytes
        if budget.context_outside and spare < budget.context_bytes:
            yield (
                "the share of memory leaves too little for the CUDA context beside it "
                f"({float(spare) / 2**30:.2f} of {float(budget.context_bytes) / 2**30:.2f} GiB): {engine.name} refuses "
                "to start"
            )
            break
    if engine.reservation.rule == "paged" and _is_mixture(quant):
        yield f"{engine.name} reads GGUF files by way of an experiment; no log of it backs these figures"
    towers = {weight.component for weight in found.ledger.weights} & {Component.VISION, Component.AUDIO}
    if engine.reservation.rule == "paged" and towers:
        yield "images and sound take memory of their own while they are encoded, which is not counted"
