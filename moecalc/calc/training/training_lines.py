"""The answer of `train` as a report: public lines with stable ids, and what JSON carries beside them."""

from collections.abc import Iterator
from typing import Any

from moecalc.calc.training.training import Training
from moecalc.calc.training.training_flops import CHINCHILLA_TOKENS_PER_PARAMETER
from moecalc.calc.training.training_memory import StageMemory
from moecalc.report import Basis, Line, ModelReport, Report

USEFUL = "useful: causal pairs, all logits, nothing computed twice"


def training_report(run: Training) -> Report:
    """`moecalc train MODEL`."""
    return Report(
        command="train",
        models=(ModelReport(name=run.name, source=run.source, lines=tuple(_lines(run))),),
        defaults=run.defaults,
        warnings=run.warnings,
        extra={"train": _details(run)},
    )


def _lines(run: Training) -> Iterator[Line]:
    yield _line(
        "flops",
        "training FLOPs",
        run.flops,
        "FLOPs",
        "convention",
        USEFUL,
        "useful FLOPs per sequence x sequences",
    )
    yield _line(
        "flops_per_token", "  per token", run.sequence_flops / run.sequence, "FLOPs", "convention", USEFUL
    )
    yield _line(
        "flops_6nd",
        "  by the rule 6 N D",
        run.rule_flops,
        "FLOPs",
        "estimate",
        "N: active parameters, both embeddings; no attention pairs",
        "6 x active x tokens",
    )
    yield _line("mfu", "MFU", run.mfu, "share", "estimate", run.mfu_words, low=_low(run), high=_high(run))
    formula = f"FLOPs / (devices x dense {run.peak_format} peak x MFU)"
    yield _line("gpu_hours", "GPU-hours", run.gpu_hours, "hours", "estimate", run.fleet, formula)
    yield _line("days", "days", run.days, "days", "estimate", "without interruptions", formula)
    yield _line("usd", "rent", run.usd, "USD", "estimate", run.price_words)
    yield _line(
        "energy_kwh", "energy", run.energy_kwh, "kWh", "estimate", f"{run.draw_words}; PUE {run.pue:f}"
    )
    yield _line("tokens_per_parameter", "tokens per parameter", run.tokens_per_parameter, "", "exact")
    yield _line(
        "tokens_per_active_parameter",
        "tokens per active parameter",
        run.tokens_per_active,
        "",
        "convention",
    )
    yield _line(
        "chinchilla_tokens",
        "tokens at 20 per active parameter",
        run.chinchilla_tokens,
        "tokens",
        "estimate",
        f"{CHINCHILLA_TOKENS_PER_PARAMETER} per parameter, of dense models (arXiv 2203.15556, table 3)",
    )
    yield _line("trainable", "trained parameters", run.memory.trainable, "parameters", "exact")
    yield _line(
        "checkpoint.bytes",
        "checkpoint to resume from",
        run.memory.checkpoint_bytes,
        "bytes",
        "convention",
        "weights in 16 bits, master weights, moments, each once",
    )
    yield from _memory(run)


def _memory(run: Training) -> Iterator[Line]:
    stage = run.memory.fullest
    where = f"a rank of stage {stage.stage + 1} of {len(run.memory.stages)}, the fullest"
    states = stage.states
    for name, label, value in (
        ("total", "memory of the fullest rank", stage.total),
        ("weights", "  weights", states.weights),
        ("gradients", "  gradients", states.gradients),
        ("master", "  master weights", states.master),
        ("optimizer", "  optimizer states", states.moments),
        ("activations", "  activations", stage.activation_bytes),
        ("logits", "  logits at their peak", stage.logits_bytes),
        ("working", "  a layer computed again", stage.working_bytes),
        ("gathered", "  a layer's gathered weights", stage.gathered_bytes),
    ):
        basis: Basis = "convention" if name in {"weights", "gradients", "master", "optimizer"} else "estimate"
        yield _line(f"memory.{name}", label, value, "bytes", basis, where)
    yield _line(
        "memory.stage_imbalance", "  fullest stage over the mean", run.stage_imbalance, "", "estimate"
    )


def _line(
    name: str,
    label: str,
    value: Any,
    unit: str,
    basis: Basis,
    note: str = "",
    formula: str = "",
    low: Any = None,
    high: Any = None,
) -> Line:
    return Line(
        id=f"train.{name}",
        label=label,
        value=value,
        unit=unit,
        basis=basis,
        note=note,
        formula=formula,
        low=low,
        high=high,
    )


def _low(run: Training) -> float | None:
    return None if run.prediction is None else run.prediction.mfu_low


def _high(run: Training) -> float | None:
    return None if run.prediction is None else run.prediction.mfu_high


def _details(run: Training) -> dict[str, Any]:
    memory, plan, saving = run.memory, run.memory.plan, run.memory.saving
    return {
        "fleet": run.fleet,
        "plan": plan.words,
        "sizes": {
            "tensor": plan.tensor,
            "pipeline": plan.pipeline,
            "virtual": plan.virtual,
            "context": plan.context,
            "data": plan.copies,
            "expert": plan.expert,
            "expert_tensor": plan.expert_tensor if plan.expert > 1 else 1,
            "expert_data": plan.expert_data,
            "zero": plan.zero,
            "sequence_parallel": plan.sequence_parallel,
        },
        "tokens": run.tokens,
        "peak_format": run.peak_format,
        "sequence": run.sequence,
        "global_batch_tokens": run.batch_tokens,
        "micro_batch": memory.micro_batch,
        "microbatches": memory.microbatches,
        "steps": run.steps,
        "precision": run.precision,
        "optimizer": run.optimizer,
        "recompute": saving.recompute.name,
        "attention": saving.attention,
        "kernels": saving.kernels,
        "imbalance": saving.imbalance,
        "lora": None if saving.lora is None else saving.lora.words,
        "quant": run.quant,
        "usable_bytes": None if run.usable is None else run.usable.bytes,
        "stages": [_stage(stage) for stage in memory.stages],
        "layers": [
            {
                "kind": kind.words,
                "layers": list(kind.indices),
                "none_bytes": kind.none_bytes,
                "kept_bytes": kind.kept_bytes,
                "full_bytes": kind.full_bytes,
            }
            for kind in memory.layer_kinds
        ],
        "prediction": None
        if run.prediction is None
        else [
            {"id": item.id, "label": item.label, "seconds": item.seconds, "note": item.words}
            for item in run.prediction.items
        ],
    }


def _stage(stage: StageMemory) -> dict[str, Any]:
    return {
        "stage": stage.stage,
        "layers": list(stage.layers),
        "parameters": stage.parameters,
        "weights_bytes": stage.states.weights,
        "gradients_bytes": stage.states.gradients,
        "master_bytes": stage.states.master,
        "optimizer_bytes": stage.states.moments,
        "microbatches_in_flight": stage.in_flight,
        "activation_bytes": stage.activation_bytes,
        "logits_bytes": stage.logits_bytes,
        "working_bytes": stage.working_bytes,
        "gathered_bytes": stage.gathered_bytes,
        "total_bytes": stage.total,
    }
