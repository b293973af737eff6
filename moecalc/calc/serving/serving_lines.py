"""The answer of `serve` as a report: public lines with stable ids, and what JSON carries beside them."""

from typing import Any

import msgspec

from moecalc.calc.deploy.budget import MOST_SEQUENCES
from moecalc.calc.deploy.fit_lines import bounded
from moecalc.calc.serving.served import Serving
from moecalc.calc.serving.serving import RankBudget, peak_bytes
from moecalc.calc.serving.serving_words import launch_command, log_lines
from moecalc.ir.numeric import Number
from moecalc.report import Basis, Line, ModelReport, Report
from moecalc.specs.hardware import Capacity
from moecalc.specs.workload import LONGEST

PADDING = "kernels' padding"
"""The name of what kernels add to the experts."""


def serving_report(serving: Serving) -> Report:
    """`moecalc serve MODEL`."""
    return Report(
        command="serve",
        models=(ModelReport(name=serving.model, source=serving.source, lines=tuple(_lines(serving))),),
        defaults=serving.defaults,
        warnings=serving.warnings,
        extra={
            "engine": serving.engine.name,
            "fleet": serving.fleet.describe(),
            "plan": serving.plan.words,
            "ranks": [
                {
                    "stage": budget.stage,
                    "layers": layers,
                    "capacity_bytes": budget.capacity_bytes,
                    "granted_bytes": budget.granted_bytes,
                    "weights_bytes": budget.weight_bytes,
                    "activation_bytes": budget.activation_bytes,
                    "context_bytes": budget.context_bytes,
                    "communication_bytes": budget.communication_bytes,
                    "graphs_bytes": budget.graphs_bytes,
                    "padding_bytes": budget.padding_bytes,
                    "available_bytes": budget.available_bytes,
                    "state_bytes": state,
                }
                for budget, layers, state in zip(
                    serving.budgets, serving.stage_layers, serving.state.rank_bytes, strict=True
                )
            ],
            "assumed": {
                part.name: {"bytes": part.bytes, "low": part.low, "high": part.high, "source": part.source}
                for part in overheads(serving)
            }
            | _copies(serving),
            "log": list(log_lines(serving)),
            "launch": launch_command(serving),
            "notes": list(serving.notes),
        },
    )


class Assumed(msgspec.Struct, frozen=True):
    """What was assumed of one GPU beside weights, state and activations, with the range that logs show."""

    name: str
    bytes: int
    low: int | None
    high: int | None
    source: str


def overheads(serving: Serving) -> list[Assumed]:
    """What was assumed, by name: of the GPU with the least left for state."""
    taken = serving.engine.overheads
    talking = taken.communication if serving.plan.devices == 1 else taken.communication_of_ranks
    named = (
        ("CUDA context", taken.context),
        ("communication", talking or taken.communication),
        ("CUDA graphs", taken.graphs),
    )
    found = [
        Assumed(name, size.bytes, *_range(size), size.source) for name, size in named if size is not None
    ]
    padded = serving.tightest.padding_bytes
    if padded:
        said = (words for rule in taken.padded_experts.values() for words in (rule.source, rule.note))
        sources = "; ".join(filter(None, said))
        found.insert(0, Assumed(PADDING, padded, 0, None, sources))
    return found


def peak_range(serving: Serving, budget: RankBudget) -> tuple[Number, Number] | None:
    """The least and the most that the activation peak is by the copies that logs show; None where one is certain."""
    copies = serving.engine.overheads.sampler_copies
    if copies is None or copies.low is None or copies.high is None:
        return None
    low, high = (peak_bytes(budget.activations, serving.engine, end) for end in (copies.low, copies.high))
    return None if low == high else (low, high)


def _copies(serving: Serving) -> dict[str, Any]:
    copies = serving.engine.overheads.sampler_copies
    if copies is None:
        return {}
    ends = {
        name: None if end is None else float(end)
        for name, end in (("low", copies.low), ("high", copies.high))
    }
    return {"copies of the logits": {"copies": float(copies.value), **ends, "source": copies.source}}


def _range(size: Capacity) -> tuple[int | None, int | None]:
    low = Capacity(value=size.low, source=size.source).bytes if size.low else None
    high = Capacity(value=size.high, source=size.source).bytes if size.high else None
    return low, high


def _lines(serving: Serving) -> list[Line]:
    state, plan, scheduler = serving.state, serving.plan, serving.scheduler
    budgets, each = serving.budgets, serving.plan.stage_devices
    totals = [
        budget.weight_bytes + budget.activation_bytes + budget.overhead_bytes + size
        for budget, size in zip(budgets, state.rank_bytes, strict=True)
    ]

    def line(id_: str, label: str, value: Any, unit: str, basis: Basis, note: str = "", **rest: Any) -> Line:
        return Line(id=id_, label=label, value=value, unit=unit, basis=basis, note=note, **rest)

    noun = serving.fleet.noun
    taken = overheads(serving)
    others = [part for part in taken if part.name != PADDING]
    padding = each * sum(budget.padding_bytes for budget in budgets)
    least = plan.devices * sum(part.bytes if part.low is None else part.low for part in others)
    most = padding + plan.devices * sum(part.bytes if part.high is None else part.high for part in others)
    request = f"one request of {scheduler.context:,} tokens"
    weights = each * sum(budget.weight_bytes for budget in budgets)
    activations = each * sum(budget.activation_bytes for budget in budgets)
    reserved = each * sum(state.rank_bytes)
    lines = [
        line("memory.weights_bytes", f"weights, all {noun}s", weights, "bytes", "exact", serving.precision),
        line(
            "memory.state_bytes",
            f"state set aside, all {noun}s",
            reserved,
            "bytes",
            "estimate",
            _set_aside(serving),
        ),
        line(
            "memory.activation_bytes",
            f"activation peak, all {noun}s",
            activations,
            "bytes",
            "estimate",
            f"a step of {scheduler.batched_tokens:,} tokens, {scheduler.sequences:,} sequences",
            **_activation_range(serving),
        ),
        line(
            "memory.overhead_bytes",
            f"runtime, all {noun}s",
            each * sum(budget.overhead_bytes for budget in budgets),
            "bytes",
            "assumed",
            "; ".join(f"{part.name}: {part.source}" for part in taken),
            low=least,
            high=most,
        ),
        line("memory.total_bytes", f"all of it, all {noun}s", each * sum(totals), "bytes", "estimate"),
        line("memory.rank_max_bytes", f"fullest {noun}", max(totals), "bytes", "estimate"),
        line(
            "serve.available_bytes",
            f"left for state, per {noun}",
            serving.tightest.available_bytes,
            "bytes",
            "estimate",
            f"stage {serving.tightest.stage + 1} of {len(budgets)}" if len(budgets) > 1 else "",
        ),
        line("serve.cache_tokens", "tokens of cache", serving.tokens, "tokens", "estimate"),
        line("serve.concurrency", "requests at once", serving.concurrency, "sequences", "estimate", request),
        line(
            "serve.request_logical_bytes", "state, logical", serving.logical_bytes, "bytes", "exact", request
        ),
        line(
            "serve.request_reserved_bytes",
            "state, reserved",
            state.request_bytes,
            "bytes",
            "convention",
            f"{request}, all {noun}s of a copy; {rule_words(serving)}",
        ),
        line(
            "serve.request_naive_bytes",
            "state, naive",
            serving.naive_bytes,
            "bytes",
            "convention",
            "2 x hidden size x layers x context: what other tools print",
        ),
        line("fit.fits", "fits", state.fits, "boolean", "estimate", serving.fleet.describe()),
        line(
            "fit.max_context",
            "longest context",
            bounded(state.max_context or None, LONGEST),
            "tokens",
            "estimate",
        ),
        line(
            "fit.max_sequences",
            "most requests at once",
            bounded(state.max_sequences * plan.data or None, MOST_SEQUENCES),
            "sequences",
            "estimate",
            f"of {scheduler.context:,} tokens",
        ),
        line("fit.gpus", "devices", serving.fleet.count, "devices", "exact", "as asked"),
    ]
    return [entry for entry in lines if entry.id != "serve.request_naive_bytes" or entry.value is not None]


def _activation_range(serving: Serving) -> dict[str, Number]:
    each = [
        peak_range(serving, budget) or (budget.activation_bytes, budget.activation_bytes)
        for budget in serving.budgets
    ]
    if all(low == high for low, high in each):
        return {}
    devices = serving.plan.stage_devices
    return {"low": devices * sum(low for low, _ in each), "high": devices * sum(high for _, high in each)}


def rule_words(serving: Serving) -> str:
    """The engine's rule of reservation, in words."""
    rule, pool = serving.engine.reservation, serving.state.pool
    return rule.words.format(
        block=pool.block_tokens if pool is not None else "",
        padding=rule.cell_padding.value if rule.cell_padding is not None else "",
    )


def _set_aside(serving: Serving) -> str:
    if serving.state.blocks is not None:
        return f"{serving.state.blocks:,} blocks on each {serving.fleet.noun}: all that is left"
    return f"{serving.scheduler.sequences:,} x {serving.scheduler.context:,} tokens"
