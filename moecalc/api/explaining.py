"""The working behind a model's figures, section by section."""

from typing import Literal, get_args

from moecalc.api.model import Model
from moecalc.calc import explanation, flops, memory
from moecalc.calc.comparing.demand import LedgerDemand
from moecalc.calc.explanation import Section, Working
from moecalc.calc.lines import counting_of
from moecalc.errors import InputError
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component
from moecalc.ir.step import Step
from moecalc.specs.kv_formats import served_sources
from moecalc.specs.workload import Workload

Topic = Literal["params", "active", "memory", "flops"]

BESIDE = {
    Component.MTP: "MTP modules",
    Component.VISION: "vision tower and projector",
    Component.AUDIO: "audio tower and projector",
}
"""Components that stand beside the language model."""


def explain(
    model: Model,
    topic: Topic,
    workload: Workload,
    *,
    dtype: str | None = None,
    quant: str | None = None,
    kv_dtype: str | None = None,
    prefill: bool = False,
) -> list[Section]:
    """The rows behind a topic, with their numbers put in and their sums.

    `flops` explains one decoded token at the workload's context, or with `prefill` its prompt. Raises InputError
    for a topic that does not exist.
    """
    if topic == "params":
        return _parameters(model)
    if topic == "active":
        rows = explanation.active_working(model.ledger)
        heading = f"{model.name}: active per token (all)"
        return [Section(heading, rows, model.params.active(), "convention: all")]
    if topic == "memory":
        stored = model.weight_bytes(dtype, quant)
        return _memory(model, workload.context, model.demand(dtype, kv_dtype, quant), stored)
    if topic == "flops":
        return [_flops(model, workload, prefill)]
    raise InputError(f"unknown topic `{topic}`", hint=f"topics: {', '.join(get_args(Topic))}")


def _parameters(model: Model) -> list[Section]:
    ledger = model.ledger
    rows = explanation.parameters_working(ledger)
    sections = [Section(f"{model.name}: parameters", rows, model.params.total, "exact")]
    if model.params.buffers:
        rows = explanation.buffers_working(ledger)
        sections.append(Section("buffers: stored, no parameters", rows, model.params.buffers))
    for component, heading in BESIDE.items():
        rows = explanation.parameters_working(ledger, component)
        if rows:
            sections.append(Section(f"{heading}, beside the total", rows, sum(row.value for row in rows)))
    return sections


def _memory(model: Model, context: int, demand: LedgerDemand, stored: Number) -> list[Section]:
    weights = explanation.weights_working(model.ledger, demand.precision)
    if stored != demand.weight_bytes:
        beyond = stored - demand.weight_bytes
        weights.append(Working("checkpoint", "what its files store beyond these formats", beyond))
    state = explanation.state_working(model.ledger, context, demand.kv_dtype)
    held = memory.state_bytes(model.ledger, context, demand.kv_dtype)
    heading = f"bytes of state of one sequence at {context:,} tokens"
    return [
        Section(f"{model.name}: bytes of weights", weights, stored, "exact"),
        Section(
            heading, state, held, "; ".join(filter(None, ("exact, logical", served_sources(model.ledger))))
        ),
    ]


def _flops(model: Model, workload: Workload, prefill: bool) -> Section:
    how = counting_of(workload, model.ledger)
    step, what = Step.decode(workload.context), f"one decoded token, {workload.context:,} keys"
    if prefill:
        behind = f" behind {workload.past:,}" if workload.past else ""
        step, what = Step(workload.prompt, workload.past), f"a prompt of {workload.prompt:,} tokens{behind}"
    rows = explanation.flops_working(model.ledger, step, how)
    total = flops.step_flops(model.ledger, step, how)
    return Section(f"{model.name}: FLOPs of {what}", rows, total, f"convention: {how.words}")
