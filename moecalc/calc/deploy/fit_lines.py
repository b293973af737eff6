"""The answers of `fit` as reports: public lines with stable ids, and what JSON carries beside them."""

from typing import Any

import msgspec

from moecalc.calc.deploy.budget import MOST_SEQUENCES
from moecalc.calc.deploy.fitted import Fit, Offers, Setting
from moecalc.ir.numeric import Number
from moecalc.report import Basis, Line, ModelReport, Report
from moecalc.specs.kv_formats import served_apart
from moecalc.specs.workload import LONGEST


def fit_report(fit: Fit) -> Report:
    """`moecalc fit MODEL` with devices."""
    return Report(
        command="fit",
        models=(ModelReport(name=fit.model, source=fit.source, lines=tuple(_lines(fit))),),
        defaults=assumed(fit),
        warnings=fit.warnings,
        extra={
            "fleet": fit.devices,
            "quant": fit.quant,
            "engine": fit.setting_in_force.engine.name,
            "plan": fit.holding.plan.words,
            "stages": [len(layers) for layers in fit.holding.sharded.stage_layers],
            "trained_length": fit.trained_length,
            "ranks": [
                {
                    "stage": rank.stage,
                    "device": fit.stage_device(rank.stage),
                    "weights_bytes": rank.weight_bytes,
                    "weights_by_group": dict(rank.by_group),
                    "state_bytes": rank.state_bytes,
                    "activation_bytes": rank.activation_bytes,
                    "overhead_bytes": rank.overhead_bytes,
                    "total_bytes": rank.total_bytes,
                    "capacity_bytes": rank.capacity_bytes,
                    "free_bytes": rank.free_bytes,
                }
                for rank in fit.ranks
            ],
            "surplus": [{"what": part.what, "bytes": part.bytes, "why": part.why} for part in fit.surplus],
            "quantizations": [
                {
                    "quant": option.quant,
                    "engine": option.engine,
                    "weights_bytes": option.weight_bytes,
                    "plan": option.plan,
                    "stages": list(option.stages) or None,
                    "fits": option.fits,
                    "free_bytes": option.free_bytes,
                    "max_context": bounded(option.max_context, LONGEST),
                    "max_sequences": bounded(option.max_sequences, MOST_SEQUENCES),
                    "offload_flags": list(option.offload.flags) if option.offload else None,
                }
                for option in fit.options
            ],
            "launch_options": fit.launch,
            "roomier_plan": msgspec.to_builtins(fit.roomier),
            "fitting_stages": list(fit.evener.stages) if fit.evener else None,
            "offload": _offload(fit),
            "ktransformers": _ktransformers(fit),
            "left_out_bytes": dict(fit.left_out),
        },
    )


def offers_report(offers: Offers) -> Report:
    """`moecalc fit MODEL` without devices."""
    asked = next(iter(offers.settings))
    fewest = offers.fewest(asked)
    line = Line(
        id="fit.gpus",
        label="fewest devices that hold it",
        value=fewest.count if fewest else None,
        unit="devices",
        basis="estimate",
        note=f"{fewest.count}x {fewest.device}, {asked}" if fewest else f"no listed device, {asked}",
    )
    return Report(
        command="fit",
        models=(ModelReport(name=offers.model, source=offers.source, lines=(line,)),),
        defaults=_defaults(offers.setting),
        warnings=offers.warnings,
        extra={
            "offers": [
                {
                    "quant": offer.quant,
                    "weights_bytes": offers.weight_bytes[offer.quant],
                    "device": offer.device,
                    "kind": offer.kind,
                    "count": offer.count,
                    "plan": offer.plan,
                    "usd_per_hour": None if offer.usd_per_hour is None else str(offer.usd_per_hour),
                    "price": offer.price_note,
                    "rank_max_bytes": offer.rank.total_bytes,
                    "capacity_bytes": offer.rank.capacity_bytes,
                }
                for offer in offers.offers
            ]
        },
    )


def assumed(fit: Fit) -> dict[str, Any]:
    """The defaults in force, for the report."""
    setting = fit.setting_in_force
    made = {**_defaults(setting), "kv_dtype": setting.case.kv_dtype, "plan": fit.holding.plan.words}
    if setting.engine.reservation.rule != "cells":
        made |= served_apart(fit.holding.sharded.ledger)
    return made


def _defaults(setting: Setting) -> dict[str, Any]:
    return {
        **setting.workload.assumed,
        "engine": setting.engine.name,
        "utilization": float(setting.utilization),
        "prefill_chunk": setting.case.prefill_chunk,
        **({"routing": "uniform"} if setting.mixture else {}),
    }


def bounded(value: int | None, limit: int) -> int | str | None:
    """A number that a search found, `unbounded` where it ended at its limit, None where nothing fits."""
    return "unbounded" if value is not None and value >= limit else value


def _offload(fit: Fit) -> dict[str, Any] | None:
    found = fit.offload or fit.unlimited
    if found is None:
        return None
    return {
        "engine": "llama.cpp",
        "needs_more_ram": not fit.holds,
        "flags": list(found.flags),
        "override_tensor": found.override_tensor,
        "decode_ceiling_tokens_per_second": fit.offload_ceiling and fit.offload_ceiling.tokens_per_second,
        "gpu_layers": found.gpu_layers,
        "cpu_expert_layers": len(found.expert_layers),
        "layers_per_gpu": [gpu.layers for gpu in found.gpus],
        "gpu_bytes": [gpu.bytes + found.overhead_bytes + found.compute_bytes for gpu in found.gpus],
        "ram_bytes": found.ram.bytes,
    }


def _ktransformers(fit: Fit) -> dict[str, Any] | None:
    found = fit.ktransformers
    if found is None:
        return None
    return {
        "flags": list(found.flags),
        "gpu_experts": found.gpu_experts,
        "experts": found.experts,
        "gpu_bytes": found.gpu_bytes,
        "ram_bytes": found.ram_bytes,
    }


def _lines(fit: Fit) -> list[Line]:
    held = _held(fit)
    case, ranks = fit.setting_in_force.case, fit.ranks
    where = "all ranks" if fit.placed is None else "GPUs and RAM"

    def line(id_: str, label: str, value: Any, unit: str, basis: Basis, note: str = "") -> Line:
        return Line(id=id_, label=label, value=value, unit=unit, basis=basis, note=note)

    def part(name: str, label: str, basis: Basis, note: str = "") -> Line:
        return line(f"memory.{name}_bytes", f"{label}, {where}", held[name], "bytes", basis, note)

    staged = fit.placed is None and len(ranks) > 1
    lines = [
        part("weights", "weights", "exact", fit.precision),
        part("state", "state", "exact", _state_note(fit)),
        part("activation", "activation peak", "estimate", f"a chunk of {case.prefill_chunk:,} tokens"),
        part("overhead", "runtime", "assumed", fit.setting_in_force.engine.label),
        part("total", "all of it", "estimate"),
        line(
            "memory.rank_max_bytes",
            "fullest rank",
            held["rank_max"],
            "bytes",
            "estimate",
            f"stage {fit.fullest.stage + 1} of {len(ranks)}" if staged else "",
        ),
        line("fit.fits", "fits", fit.holds, "boolean", "estimate", fit.how),
        line(
            "fit.max_context",
            "longest context",
            bounded(fit.max_context, LONGEST),
            "tokens",
            "estimate",
            f"with {fit.setting.case.sequences:,} sequences",
        ),
        line(
            "fit.max_sequences",
            "most sequences",
            bounded(fit.max_sequences, MOST_SEQUENCES),
            "sequences",
            "estimate",
            f"of {fit.setting.case.context:,} tokens",
        ),
        line("fit.gpus", "devices", fit.fleet.count, "devices", "exact", "as asked"),
    ]
    if fit.offload is not None:
        lines.append(
            line(
                "offload.cpu_expert_layers",
                "layers whose experts stay in RAM",
                len(fit.offload.expert_layers),
                "layers",
                "estimate",
                " ".join(fit.offload.flags),
            )
        )
    return lines


def _held(fit: Fit) -> dict[str, Number]:
    """Bytes of all devices by what holds them, of an offload with the RAM; and the fullest device's."""
    placed, size = fit.placed, fit.holding.plan.stage_devices
    if placed is None:
        names = ("weight", "state", "activation", "overhead", "total")
        sums = [size * sum(getattr(rank, f"{name}_bytes") for rank in fit.ranks) for name in names]
        held = dict(zip(("weights", *names[1:]), sums, strict=True))
        outside = fit.setting.engine.overheads.outside_bytes
        held["overhead"] += outside * fit.fleet.count
        held["total"] += outside * fit.fleet.count
        return {**held, "rank_max": fit.fullest.total_bytes + outside}
    everywhere, gpus = (*placed.gpus, placed.ram), len(placed.gpus)
    parts = {
        "weights": sum(held.experts + held.rest for held in everywhere),
        "state": sum(held.state for held in everywhere),
        "activation": gpus * placed.compute_bytes,
        "overhead": gpus * placed.overhead_bytes,
    }
    taken = placed.compute_bytes + placed.overhead_bytes
    return {
        **parts,
        "total": sum(parts.values()),
        "rank_max": max(gpu.bytes for gpu in placed.gpus) + taken,
    }


def _state_note(fit: Fit) -> str:
    case = fit.setting_in_force.case
    return f"{case.sequences:,} x {case.context:,} tokens, {case.kv_dtype}"
