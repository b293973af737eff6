"""The computed sentences of a comparison: what the ratio means, when it flips, and what causes it."""

from collections.abc import Sequence

import msgspec

from moecalc.calc.comparing.curve import Ratio, ratios
from moecalc.calc.comparing.deployment import Deployment
from moecalc.calc.comparing.ranges import SAME, at_batch, batch_runs
from moecalc.calc.comparing.unknown_cache import whatever_the_cache
from moecalc.ir.numeric import Number
from moecalc.units import format_bytes_binary, format_parameters


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a comparison, as far as it is known."""

    name: str
    total: Number | None
    active: Number | None
    state_per_token: Number | None
    attention: str
    """A few words on the cache: `GQA 8/32`, `MHA`, `MLA`."""
    smallest: Deployment | None
    """The fewest devices that hold it."""
    named: Deployment | None = None
    """The devices whose number was named, whether they hold it or not; None where none was."""

    @property
    def placed(self) -> Deployment | None:
        """The devices that it is compared on: those that were named, else the fewest."""
        return self.named or self.smallest

    @property
    def deployment(self) -> Deployment | None:
        """Those, if a cost can be stated on them: one without the cache would flatter."""
        known = self.placed is not None and self.placed.demand.state_bytes(1) is not None
        return self.placed if known else None


def sentences(subjects: Sequence[Subject], equal_kv: bool) -> list[str]:
    """What follows for each pair (first, other), in words."""
    first, *others = subjects
    said = [size_sentence(subject) for subject in subjects if is_sparse(subject)]
    for other in others:
        if first.deployment and other.deployment:
            said += cost_sentences(first, other, equal_kv)
        else:
            said += _one_unknown(first, other)
    return said


def _one_unknown(first: Subject, other: Subject) -> list[str]:
    """What can be said where the cache of one of the two is not known."""
    stated, known = (first, other) if other.deployment else (other, first)
    if stated.placed is None or known.deployment is None:
        return []
    state = known.state_per_token
    found = whatever_the_cache(
        stated.name, stated.placed, known.name, known.deployment, None if state is None else float(state)
    )
    return [] if found is None else [found]


def is_sparse(subject: Subject) -> bool:
    """Whether a token uses clearly fewer parameters than must be held."""
    return bool(subject.total and subject.active and subject.active * 10 < subject.total * 9)


def size_sentence(subject: Subject) -> str:
    """What a sparse model computes like and what memory it needs."""
    active, total = format_parameters(subject.active or 0), format_parameters(subject.total or 0)
    return (
        f"{subject.name} computes like a {_compact(active)} model per token "
        f"but needs the memory of {_compact(total)}."
    )


def cost_sentences(first: Subject, other: Subject, equal_kv: bool) -> list[str]:
    """When the first is cheaper or dearer per token, why, and what capacity adds."""
    assert first.deployment is not None
    assert other.deployment is not None
    curve = ratios(first.deployment, other.deployment)
    if not curve:
        return []
    said = [_where_it_flips(first, other, curve)]
    if not equal_kv:
        said += _capacity(first, other)
    return said


def _where_it_flips(first: Subject, other: Subject, curve: list[Ratio]) -> str:
    dearer = [point for point in curve if point.ratio > SAME]
    cheaper = [point for point in curve if point.ratio < 1 / SAME]
    last = curve[-1].batch
    if not dearer and not cheaper:
        return f"Per token the two cost the same at the ceiling at every batch both hold (1-{last:,})."
    parts = []
    if dearer:
        worst = max(dearer, key=lambda point: point.ratio)
        parts.append(
            f"{first.name} is dearer per token than {other.name} at batch {batch_runs(dearer, curve)}: "
            f"at most {worst.ratio:.1f}x{at_batch(worst, dearer)}, where {_cause(worst, first, other)}"
        )
    if cheaper:
        best = min(cheaper, key=lambda point: point.ratio)
        subject = "it is cheaper" if dearer else f"{first.name} is cheaper per token than {other.name}"
        parts.append(
            f"{subject} at batch {batch_runs(cheaper, curve)}: down to {best.ratio:.2f}x{at_batch(best, cheaper)}, "
            f"where {_cause(best, first, other)}"
        )
    return "; ".join(parts) + "."


def _cause(point: Ratio, first: Subject, other: Subject) -> str:
    """Why the dearer of the two is dearer at this batch: the largest of what it reads or computes more."""
    heavy_first = point.ratio > 1
    heavy = first if heavy_first else other
    own, others = (0, 1) if heavy_first else (1, 0)
    if point.compute_bound[own]:
        if point.compute_bound[others]:
            return f"both are compute-bound and {heavy.name} needs more FLOPs per token"
        return f"{heavy.name} is compute-bound"
    sign = 1 if heavy_first else -1
    if sign * point.state > sign * point.weights:
        return f"{heavy.name} reads the larger cache"
    touched = point.touched[own]
    if touched is not None:
        return f"{heavy.name} reads {touched:.0%} of its experts"
    return f"{heavy.name} reads more weights per step"


def _capacity(first: Subject, other: Subject) -> list[str]:
    a, b = first.deployment, other.deployment
    assert a is not None
    assert b is not None
    if not first.state_per_token or not other.state_per_token or a.capacity == b.capacity:
        return []
    ratio = float(other.state_per_token / first.state_per_token)
    small, large = (other, first) if ratio > 1 else (first, other)
    factor = max(ratio, 1 / ratio)
    context = a.context
    held = (
        f"At {context:,} tokens {first.name} holds {a.capacity:,} sequence{_s(a.capacity)} on {_gpus(a)}, "
        f"{other.name} {b.capacity:,} on {_gpus(b)}"
    )
    if factor < SAME:
        return [held + "."]
    return [
        held
        + f"; per token the cache of {small.name} is {factor:.3g}x larger ({_cache(small)} against {_cache(large)}): "
        "attention makes that difference, not the experts (`--equal-kv` removes it)."
    ]


def _cache(subject: Subject) -> str:
    return f"{subject.attention}, {format_bytes_binary(subject.state_per_token or 0)}"


def _gpus(deployment: Deployment) -> str:
    return f"{deployment.gpus}x {deployment.device.name}"


def _compact(text: str) -> str:
    return text.replace(" ", "")


def _s(count: int) -> str:
    return "" if count == 1 else "s"
