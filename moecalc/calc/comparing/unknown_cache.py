"""A verdict where one model is known by two numbers: what holds whatever its cache, and what its cache decides.

A cache can only make a decode step dearer. Where the model of two numbers is dearer without one, it is dearer with
any; where it is cheaper without, it stays so up to a break-even cache, which is solved for.
"""

from moecalc.calc.comparing.curve import Ratio, ratios
from moecalc.calc.comparing.deployment import Deployment
from moecalc.calc.comparing.ranges import SAME, at_batch, batch_runs
from moecalc.units import format_bytes_binary


def whatever_the_cache(
    stated: str, without: Deployment, known: str, known_deployment: Deployment, known_state: float | None
) -> str | None:
    """One sentence on the model `stated`, whose cache nobody knows, against a known one; None where none can be said.

    `known_state` are the bytes that the known model keeps per token.
    """
    curve = ratios(without, known_deployment)
    dearer = [point for point in curve if point.ratio > SAME]
    cheaper = [point for point in curve if point.ratio < 1]
    parts = []
    if dearer:
        worst = max(dearer, key=lambda point: point.ratio)
        parts.append(
            f"{stated} is dearer per token than {known} at batch {batch_runs(dearer, curve)} whatever its cache, "
            f"which nobody stated: by about {worst.ratio:.1f}x or more{at_batch(worst, dearer)}, where "
            f"{_cause(worst, stated)}"
        )
    if cheaper and not _is_least(without):
        least = min(_break_even(point, without, known_deployment) for point in cheaper)
        subject = "it is cheaper" if dearer else f"{stated} is cheaper per token than {known}"
        own = "" if known_state is None else f" (that of {known}: {format_bytes_binary(known_state)})"
        parts.append(
            f"{subject} at batch {batch_runs(cheaper, curve)} as long as its cache is below about "
            f"{format_bytes_binary(least)} per token{own}"
        )
    if not parts and _is_least(without):
        return (
            f"{stated} and {known}: no verdict, for neither the cache of {stated} is known nor which experts a batch "
            "touches; `TOTAL-ACTIVE:EXPERTSxCHOSEN` (`70B-A12B:128x8`) states the latter."
        )
    return "; ".join(parts) + "." if parts else None


def _is_least(deployment: Deployment) -> bool:
    """Whether its cost is a lower bound beside the cache too: which experts a batch touches is not known."""
    demand = deployment.demand
    return demand.experts_touched(1) is None and demand.weight_bytes_read(1) < demand.weight_bytes


def _break_even(point: Ratio, without: Deployment, known: Deployment) -> float:
    """Bytes per token of context that the cache of the first may have before it costs what the second does.

    From (weights + batch x context x cache) / (GPUs x bandwidth) x GPUs / batch = cost of the second.
    """
    step = known.gpu_seconds_per_token(point.batch) * point.batch / without.gpus
    left = step - without.weight_seconds(point.batch)
    return left * without.gpus * without.device.bandwidth / (point.batch * without.context)


def _cause(point: Ratio, stated: str) -> str:
    if point.compute_bound[0]:
        return f"{stated} is compute-bound"
    touched = point.touched[0]
    return f"{stated} reads " + (
        "more weights per step" if touched is None else f"{touched:.0%} of its experts"
    )
