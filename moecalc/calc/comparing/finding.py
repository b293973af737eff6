"""What follows from two cost curves, as data: at which batches which model is dearer, by how much, and why."""

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import msgspec

from moecalc.calc.comparing.curve import Ratio
from moecalc.calc.comparing.ranges import SAME, Run, runs_of

Reason: TypeAlias = Literal["compute", "flops", "state", "experts", "weights"]
"""Why one is dearer: it alone is compute-bound; both are, and it needs more FLOPs; it reads the larger cache, more of
its experts, more weights."""


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Why the dearer of two models is dearer at one batch."""

    model: str
    """The dearer one."""
    reason: Reason
    touched: float | None = None
    """The share of its routed experts that the batch reads; None for a dense model."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Batches at which a model's cost per token differs from another's in one direction, at the ceiling."""

    model: str
    other: str
    verdict: Literal["dearer", "cheaper", "same"]
    runs: tuple[Run, ...]
    """The batches, as (first, last)."""
    ratio: float
    """Cost of the model over cost of the other, where it is furthest from 1."""
    batch: int
    """Where that is."""
    cause: Cause | None
    """What makes the difference there; None where the two cost the same."""
    cache_below: tuple[float, ...] = ()
    """Where the model's cache is not known: per run the bytes per token below which the verdict holds."""
    filled: tuple[bool, ...] = ()
    """Whether those bytes are what its devices have room for, rather than what makes it as dear."""


def found(
    verdict: Literal["dearer", "cheaper"], names: tuple[str, str], curve: Sequence[Ratio]
) -> Finding | None:
    """The batches at which the first of the two is dearer (or cheaper) by more than 5%; None where it never is."""
    if verdict == "dearer":
        points = [point for point in curve if point.ratio > SAME]
    else:
        points = [point for point in curve if point.ratio < 1 / SAME]
    if not points:
        return None
    furthest = (max if verdict == "dearer" else min)(points, key=lambda point: point.ratio)
    return Finding(
        model=names[0],
        other=names[1],
        verdict=verdict,
        runs=runs_of(points, curve),
        ratio=furthest.ratio,
        batch=furthest.batch,
        cause=cause(furthest, names),
    )


def findings(names: tuple[str, str], curve: Sequence[Ratio]) -> tuple[Finding, ...]:
    """Where the first is dearer than the second and where it is cheaper, or that they cost the same throughout."""
    if not curve:
        return ()
    both: Iterable[Finding | None] = (found("dearer", names, curve), found("cheaper", names, curve))
    differing = tuple(filter(None, both))
    if differing:
        return differing
    furthest = max(curve, key=lambda point: max(point.ratio, 1 / point.ratio))
    return (
        Finding(
            model=names[0],
            other=names[1],
            verdict="same",
            runs=runs_of(curve, curve),
            ratio=furthest.ratio,
            batch=furthest.batch,
            cause=None,
        ),
    )


def cause(point: Ratio, names: tuple[str, str]) -> Cause:
    """Why the dearer of the two is dearer at this batch: the largest of what it reads or computes more."""
    own, others = (0, 1) if point.ratio > 1 else (1, 0)
    reason: Reason
    if point.compute_bound[own]:
        reason = "flops" if point.compute_bound[others] else "compute"
    else:
        sign = 1 if own == 0 else -1
        if sign * point.state > sign * point.weights:
            reason = "state"
        else:
            reason = "weights" if point.touched[own] is None else "experts"
    return Cause(model=names[own], reason=reason, touched=point.touched[own])


def cause_words(why: Cause) -> str:
    """`mixtral-8x7b reads 82% of its experts`."""
    match why.reason:
        case "flops":
            return f"both are compute-bound and {why.model} needs more FLOPs per token"
        case "compute":
            return f"{why.model} is compute-bound"
        case "state":
            return f"{why.model} reads the larger cache"
        case "experts":
            return f"{why.model} reads {why.touched:.0%} of its experts"
        case "weights":
            return f"{why.model} reads more weights per step"
