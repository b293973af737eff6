"""A verdict where one model is known by two numbers: what holds whatever its cache, and what its cache decides.

A cache can only make a decode step dearer. Where the model of two numbers is dearer without one, it is dearer with
any; where it is cheaper without, it stays so up to a break-even cache, which is solved for, and only as long as its
devices hold that cache.

Two numbers count the input embedding as well, which a step looks up and does not read. So `dearer` is said of a model
of which a quarter is one, `cheaper` of a model that reads all. That a weight is read more than once in a step (the
shared blocks of Zamba 2) two numbers do not tell either: such a model is dearer than it is taken to be.
"""

from msgspec.structs import replace

from moecalc.calc.comparing.curve import is_least, ratios
from moecalc.calc.comparing.demand import StatedDemand
from moecalc.calc.comparing.deployment import Deployment
from moecalc.calc.comparing.finding import Finding, cause_words, found
from moecalc.calc.comparing.ranges import at_batch, run_words
from moecalc.units import format_bytes_binary

MOST_FLOPS_PER_STATE_BYTE = 300
"""What attention computes for each byte of cache that a token reads, at most. The largest in the catalogue are 286 of
DeepSeek-V4-Pro and 242 of DeepSeek-V3, whose 128 heads multiply 576 + 512 values by a key of 576 (arXiv 2412.19437,
2.1.1); 4 of Llama 3.1 8B."""


def unknown_cache_findings(
    stated: str, without: Deployment, known: str, known_deployment: Deployment
) -> tuple[Finding, ...]:
    """What holds of the model `stated`, whose cache nobody knows, against a known one; empty where nothing does."""
    names = (stated, known)
    dearer = found("dearer", names, ratios(_lookup_apart(without), known_deployment))
    cheaper = None
    if not is_least(without):
        cheaper = found("cheaper", names, ratios(without, known_deployment))
    if cheaper is not None:
        cheaper = _as_far_as_its_cache(cheaper, without, known_deployment)
    return tuple(filter(None, (dearer, cheaper)))


def unknown_cache_sentence(
    said: tuple[Finding, ...], without: Deployment, known_state: float | None
) -> str | None:
    """Those findings as one sentence; None where there are none. `known_state`: the known model's bytes per token."""
    assert isinstance(without.demand, StatedDemand)
    parts: list[str] = []
    for finding in said:
        model, batches = finding.model, run_words(finding.runs)
        if finding.verdict == "dearer":
            assert finding.cause is not None
            parts.append(
                f"{model} is dearer per token than {finding.other} at batch {batches} whatever its cache, even if a "
                "quarter of its active parameters are an embedding that is looked up: by about "
                f"{finding.ratio:.1f}x or more{at_batch(finding.batch, finding.runs)}, where "
                f"{cause_words(finding.cause)}"
            )
            continue
        own = "" if known_state is None else f" (that of {finding.other}: {format_bytes_binary(known_state)})"
        limits = [
            f"at batch {run_words([run])} as long as its cache is below about {format_bytes_binary(below)} per token"
            + (f", of which its devices hold {run[1]:,} sequences" if filled else "")
            for run, below, filled in zip(finding.runs, finding.cache_below, finding.filled, strict=True)
        ]
        subject = "it is cheaper" if parts else f"{model} is cheaper per token than {finding.other}"
        parts.append(f"{subject} {' and '.join(limits)}{own}")
    return f"In {without.demand.dtype}, {'; '.join(parts)}." if parts else None


def no_verdict(stated: str, known: str) -> str:
    """Why nothing can be said of a model whose experts are not known either."""
    return (
        f"{stated} and {known}: no verdict, for neither the cache of {stated} is known nor which experts a batch "
        "touches; `TOTAL-ACTIVE:EXPERTSxCHOSEN` (`70B-A12B:128x8`) states the latter."
    )


def neither_known(first: str, first_on: Deployment, other: str, other_on: Deployment) -> str:
    """One sentence on two models of two numbers each: what their weights alone cost, which is no verdict."""
    unknown = f"{first} and {other}: no verdict, for the cache of neither is known"
    if is_least(first_on) or is_least(other_on):
        return unknown + ", nor which experts a batch touches."
    curve = ratios(first_on, other_on)
    if not curve:
        return unknown + "."
    low = min(curve, key=lambda point: point.ratio)
    high = max(curve, key=lambda point: point.ratio)
    between = f"{low.ratio:.2f}x"
    if low.batch != high.batch:
        between = (
            f"between {low.ratio:.2f}x (batch {low.batch:,}) and {high.ratio:.2f}x (batch {high.batch:,})"
        )
    return f"{unknown}; by weights and FLOPs alone {first} costs {between} of {other}."


def _lookup_apart(without: Deployment) -> Deployment:
    """The least that the model reads and computes, if part of it is looked up."""
    assert isinstance(without.demand, StatedDemand)
    return replace(without, demand=without.demand.with_lookup())


def _as_far_as_its_cache(cheaper: Finding, without: Deployment, known: Deployment) -> Finding:
    """The same with the largest cache at which each run of batches is still cheaper, and still held."""
    limits = [
        min(
            min((_break_even(batch, without, known), False), (_room(batch, without), True))
            for batch in _batches(run, without, known)
        )
        for run in cheaper.runs
    ]
    return replace(
        cheaper,
        cache_below=tuple(below for below, _ in limits),
        filled=tuple(is_filled for _, is_filled in limits),
    )


def _batches(run: tuple[int, int], without: Deployment, known: Deployment) -> list[int]:
    return [point.batch for point in ratios(without, known) if run[0] <= point.batch <= run[1]]


def _break_even(batch: int, without: Deployment, known: Deployment) -> float:
    """Bytes per token of context that the cache of the first may have before it costs what the second does.

    From (weights + batch x context x cache) / (GPUs x bandwidth) x GPUs / batch = cost of the second, and the same of
    FLOPs over the peak.
    """
    step = known.gpu_seconds_per_token(batch) * batch / without.gpus
    keys = batch * without.context
    device = without.device
    limit = (step - without.weight_seconds(batch)) * without.gpus * device.bandwidth / keys
    if device.peak is not None:
        spare = (step - without.compute_seconds(batch)) * without.gpus * device.peak / keys
        limit = min(limit, spare / MOST_FLOPS_PER_STATE_BYTE)
    return limit


def _room(batch: int, without: Deployment) -> float:
    """Bytes per token of context that are free for each sequence of a batch."""
    return float(without.free_bytes / (batch * without.context))
