"""The answer of `scaling` as a report: public lines of each model, and what JSON carries of laws and axes."""

from collections.abc import Iterator
from typing import Any

import msgspec

from moecalc.calc.scaling.axes import AxisTable
from moecalc.calc.scaling.design import RATIOS, Trained
from moecalc.calc.scaling.optimum import Optimum
from moecalc.calc.scaling.scaling import Scaling
from moecalc.report import Basis, Line, ModelReport, Report

USEFUL = "useful: causal pairs, all logits, nothing computed twice"
RULE_NOTE = "N: active parameters, both embeddings; no attention pairs"


def scaling_report(answer: Scaling) -> Report:
    """`moecalc scaling`."""
    return Report(
        command="scaling",
        models=tuple(
            ModelReport(name=each.design.name, source=each.design.source, lines=tuple(_lines(answer, each)))
            for each in answer.trained
        ),
        defaults=answer.defaults,
        warnings=answer.warnings,
        extra={"scaling": _details(answer)},
    )


def _lines(answer: Scaling, trained: Trained) -> Iterator[Line]:
    design, mixture = trained.design, trained.design.mixture
    yield _line("parameters", "parameters, total", design.total, "parameters", "exact")
    yield _line("active", "  active per token", design.active, "parameters", "convention")
    yield _line(
        "flops_per_token",
        "training FLOPs per token",
        design.flops_per_token,
        "FLOPs",
        "convention",
        USEFUL,
    )
    yield _line("flops_per_token_6n", "  by 6 N", design.rule_flops_per_token, "FLOPs", "estimate", RULE_NOTE)
    yield _line("flops", "training FLOPs", trained.flops, "FLOPs", "convention", USEFUL)
    yield _line("tokens", "tokens", trained.tokens, "tokens", "convention", USEFUL)
    yield _line("tokens_6nd", "  by 6 N D", trained.rule_tokens, "tokens", "estimate", RULE_NOTE)
    yield _line(
        "tokens_per_parameter", "tokens per parameter", trained.tokens_per_parameter, "", "convention"
    )
    yield _line(
        "tokens_per_active_parameter",
        "tokens per active parameter",
        trained.tokens_per_active,
        "",
        "convention",
    )
    for ratio in RATIOS:
        yield _line(
            f"flops_at_{ratio}",
            f"FLOPs at {ratio:,} tokens per active parameter",
            design.flops_for(ratio),
            "FLOPs",
            "convention",
            USEFUL,
        )
    if mixture is not None:
        yield _line("granularity", "granularity, 4 x hidden / expert size", mixture.granularity, "", "exact")
        yield _line("sparsity", "idle share of the routed experts", mixture.sparsity, "", "exact")
        yield _line(
            "activation", "experts in use, shared ones among them", mixture.activation, "share", "exact"
        )
    for reading in trained.readings:
        unit = "nats/token" if reading.what == "loss" else ""
        note = answer.laws[reading.law].source
        if reading.outside:
            note += f"; outside its range in {', '.join(reading.outside)}"
        value = answer.shown(reading.value, reading.outside)
        yield _line(
            f"{reading.what}.{reading.law}", f"{reading.what} by {reading.law}", value, unit, "estimate", note
        )


def _line(name: str, label: str, value: Any, unit: str, basis: Basis, note: str = "") -> Line:
    return Line(id=f"scaling.{name}", label=label, value=value, unit=unit, basis=basis, note=note)


def _details(answer: Scaling) -> dict[str, Any]:
    budget = answer.budget
    return {
        "budget": None
        if budget is None
        else {"compute": budget.compute, "tokens": budget.tokens, "words": budget.words},
        "sequence": answer.sequence or None,
        "optima": [_optimum(answer, best) for best in answer.optima],
        "allocations": [msgspec.to_builtins(allocation) for allocation in answer.allocations],
        "axes": [_axis(answer, table) for table in answer.axes],
        "laws": [{"name": name, **msgspec.to_builtins(law)} for name, law in answer.laws.items()],
    }


def _optimum(answer: Scaling, best: Optimum) -> dict[str, Any]:
    return {
        "law": best.law,
        **{name: value for name, value in msgspec.to_builtins(best.shape).items() if value is not None},
        "compute": best.compute,
        "tokens": best.tokens,
        "active": best.active,
        "total": best.total,
        "flops_per_token": best.flops_per_token,
        "tokens_per_active_parameter": best.tokens_per_active,
        "tokens_per_parameter": best.tokens_per_parameter,
        "loss": answer.shown(best.loss, best.outside),
        "outside": list(best.outside),
    }


def _axis(answer: Scaling, table: AxisTable) -> dict[str, Any]:
    return {
        "axis": table.axis,
        "law": table.law,
        "at": table.at,
        "steps": [
            {
                "value": step.value,
                "best": None if step.best is None else _optimum(answer, step.best),
                "ratio": answer.shown(step.ratio, step.outside),
                "outside": list(step.outside),
            }
            for step in table.steps
        ],
    }
