"""An engine's own words with computed values: the lines of its log, and the command that starts it."""

import shlex
from collections.abc import Iterator

from moecalc.calc.deploy.offload import stage_slots, tensor_split
from moecalc.calc.serving.served import Serving

_GIB, _MIB = 2**30, 2**20


def log_lines(serving: Serving) -> tuple[str, ...]:
    """What the engine will print of memory, as it prints it; empty for `generic`."""
    rules = {"paged": _paged_log, "cells": _cells_log}
    lines = rules.get(serving.engine.reservation.rule)
    return tuple(lines(serving)) if lines and serving.engine.log else ()


def _paged_log(serving: Serving) -> Iterator[str]:
    log, state, tightest = serving.engine.log, serving.state, serving.tightest
    yield log["weights"].format(gib=float(max(budget.loaded_bytes for budget in serving.budgets)) / _GIB)
    if state.pool is not None and state.pool.grown:
        yield log["block"].format(block=state.pool.block_tokens)
    yield log["available"].format(gib=float(tightest.available_bytes) / _GIB)
    if state.fits:
        yield log["tokens"].format(tokens=state.tokens)
        yield log["concurrency"].format(
            context=serving.scheduler.context, concurrency=float(state.concurrency)
        )


def _cells_log(serving: Serving) -> Iterator[str]:
    log = serving.engine.log
    for budget, buffers in zip(serving.budgets, serving.state.buffers, strict=True):
        device = f"CUDA{budget.stage}"
        yield log["weights"].format(device=device, mib=float(budget.weight_bytes) / _MIB)
        for buffer in buffers:
            kind = "recurrent" if buffer.what == "RS" else "state"
            yield log[kind].format(device=device, mib=float(buffer.bytes) / _MIB)
        yield log["compute"].format(device=device, mib=float(budget.activation_bytes) / _MIB)


def launch_command(serving: Serving) -> str | None:
    """The command to paste; None for `generic`, and where the engine would not start."""
    launch = serving.engine.launch
    if launch is None or not serving.starts:
        return None
    cells = serving.engine.reservation.rule == "cells"
    checkpoint = _file(serving) if cells else serving.checkpoint
    chosen = list(_chosen(serving))

    def said(words: dict[str, str]) -> list[str]:
        return [words[key].format(*values) for key, values in chosen if key in words]

    command = launch.command.format(model=shlex.quote(checkpoint))
    return " ".join([*said(launch.environment), command, *said(launch.options)])


def _chosen(serving: Serving) -> Iterator[tuple[str, tuple[object, ...]]]:
    """What is said on the command line, by its key in the engine's file."""
    plan, scheduler = serving.plan, serving.scheduler
    for name in ("tensor", "pipeline", "data", "expert", "decode_context"):
        if getattr(plan, name) > 1:
            yield name, (getattr(plan, name),)
    if plan.redundant_experts:
        yield "redundant", (plan.redundant_experts,)
    if plan.pipeline > 1:
        yield "split", (tensor_split(stage_slots(serving.stage_layers)),)
    if plan.stages:
        yield "stages", (",".join(map(str, plan.stages)),)
    yield "context", (scheduler.context,)
    yield "total_context", (scheduler.context * scheduler.sequences,)
    yield "sequences", (scheduler.sequences,)
    if "batched_tokens" not in serving.defaults:
        yield "batched_tokens", (scheduler.batched_tokens,)
    yield "utilization", (f"{float(scheduler.utilization):g}",)
    if "kv_dtype" not in serving.defaults:
        word = serving.engine.kv_dtypes.get(serving.kv_dtype, serving.kv_dtype)
        yield "kv_dtype", (word, word)
    for name, told in (
        ("full_windows", scheduler.full_windows),
        ("beyond_trained", serving.beyond_trained),
        ("float32", serving.float32),
        ("recurrent", serving.recurrent_float32),
        ("speculate", serving.speculate),
    ):
        if told:
            yield name, ()


def _file(serving: Serving) -> str:
    name = serving.model.rpartition("/")[2]
    return f"{name}-{serving.quant.upper()}" if serving.quant else name
