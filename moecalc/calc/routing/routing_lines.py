"""The answer of `routing` as a report."""

from collections.abc import Iterable
from typing import Any

from moecalc.calc.routing.routed import PoolRouted, Routed, batch_dict
from moecalc.report import Line, ModelReport, Report

SAMPLING = "tokens choose independently of each other"
INCLUSION = "a token picks an expert with probability top-k x its share of the load, at most 1"
UNIFORM_GROUPS = (
    "uniform choice of both; a router that ranks groups by their best experts comes near the limit"
)
"""Of groups and of the experts within them, where tokens may use some groups only."""


def routing_report(routed: Routed) -> Report:
    """`moecalc routing MODEL`."""
    several = len(routed.pools) > 1
    lines = [
        line for at, pool in enumerate(routed.pools) for line in _lines(pool, f".{at}" if several else "")
    ]
    skewed = routed.skew.law != "uniform"
    return Report(
        command="routing",
        models=(ModelReport(name=routed.model, source=routed.source, lines=tuple(lines)),),
        defaults={"sampling": SAMPLING} | ({"inclusion": INCLUSION} if skewed else {"routing": "uniform"}),
        warnings=routed.warnings,
        extra={"routing": _beside(routed)},
    )


def _lines(pool: PoolRouted, suffix: str) -> Iterable[Line]:
    basis: Any = "estimate"
    for share, batch in pool.batch_for.items():
        percent = f"{share:.0%}"
        yield Line(
            id=f"routing{suffix}.batch_for_{percent.rstrip('%')}",
            label=f"batch that touches {percent} of the experts",
            value=batch,
            unit="tokens",
            basis=basis,
            formula="smallest T with 1 - mean (1 - pi)^T >= share",
            note="" if batch is not None else "never: too many experts get no load",
        )
    yield Line(
        id=f"routing{suffix}.hottest_expert",
        label="hottest expert over the mean, of an endless stream",
        value=pool.hottest_over_mean,
        unit="",
        basis=basis,
        formula="E max pi / k",
    )
    if pool.hottest_rank_over_mean is not None:
        yield Line(
            id=f"routing{suffix}.hottest_rank",
            label="hottest rank over the mean, of an endless stream",
            value=pool.hottest_rank_over_mean,
            unit="",
            basis=basis,
            formula="ranks x max over ranks of the sum of pi / k",
        )
    if pool.groups_reached is not None:
        yield Line(
            id=f"routing{suffix}.groups_reached",
            label="expert groups that a token reaches",
            value=pool.groups_reached,
            unit="",
            basis=basis,
            formula="L (1 - C(L m - m, k) / C(L m, k))",
            note="uniform choice" if pool.groups_without_limit is None else UNIFORM_GROUPS,
        )


def _beside(routed: Routed) -> dict[str, Any]:
    """What JSON has beside the lines."""
    loads = routed.skew.loads
    return {
        "skew": {
            "law": routed.skew.law,
            "parameter": routed.skew.parameter,
            "file": None if loads is None else loads.source,
        },
        "ranks": routed.ranks,
        "capacity_factor": routed.capacity_factor,
        "device": routed.device,
        "stored_weight_bytes": routed.stored_bytes,
        "peaks_simulated": routed.simulated,
        "pools": [_pool(pool) for pool in routed.pools],
    }


def _pool(pool: PoolRouted) -> dict[str, Any]:
    experts = pool.experts
    return {
        "experts": experts.pool.experts,
        "top_k": experts.pool.top_k,
        "null_experts": experts.pool.null_experts,
        "groups": experts.pool.groups,
        "group_limit": experts.pool.group_limit,
        "layers": experts.layers,
        "expert_bytes": experts.expert_bytes,
        "all_experts_bytes": experts.stored_bytes,
        "experts_bytes": experts.stored_bytes,
        "expert_format": experts.format_name,
        "live_share": pool.live_share,
        "batches": [batch_dict(row) for row in pool.batches],
    }
