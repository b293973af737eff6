"""The computed sentences of a comparison: what the ratio means, when it flips, and what causes it."""

from collections.abc import Sequence

import msgspec

from moecalc.calc.comparing.curve import is_least, ratios
from moecalc.calc.comparing.deployment import Deployment
from moecalc.calc.comparing.finding import Finding, cause_words, findings
from moecalc.calc.comparing.ranges import SAME, at_batch, run_words
from moecalc.calc.comparing.unknown_cache import (
    neither_known,
    no_verdict,
    unknown_cache_findings,
    unknown_cache_sentence,
)
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


def pair_findings(first: Subject, other: Subject) -> tuple[Finding, ...]:
    """Where which of the two is dearer, as far as is known; where one cache is not, of the model that lacks it."""
    if first.deployment and other.deployment:
        return findings((first.name, other.name), ratios(first.deployment, other.deployment))
    stated, known = (first, other) if other.deployment else (other, first)
    if stated.placed is None or known.deployment is None:
        return ()
    return unknown_cache_findings(stated.name, stated.placed, known.name, known.deployment)


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
    """What can be said where the cache of one of the two is not known, or of both."""
    if first.placed is None or other.placed is None:
        return []
    stated, known = (first, other) if other.deployment else (other, first)
    without = stated.placed
    if known.deployment is None or without is None:
        return [neither_known(first.name, first.placed, other.name, other.placed)]
    state = known.state_per_token
    sentence = unknown_cache_sentence(
        pair_findings(first, other), without, None if state is None else float(state)
    )
    if sentence is not None:
        return [sentence]
    return [no_verdict(stated.name, known.name)] if is_least(without) else []


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
    found = pair_findings(first, other)
    if not found:
        return []
    said = [_where_it_flips(found)]
    if not equal_kv:
        said += _capacity(first, other)
    return said


def _where_it_flips(found: Sequence[Finding]) -> str:
    parts: list[str] = []
    for finding in found:
        model, other, batches = finding.model, finding.other, run_words(finding.runs)
        if finding.cause is None:
            return f"Per token the two cost the same at the ceiling at every batch both hold ({batches})."
        subject = "it is" if parts else f"{model} is"
        than = "" if parts else f" per token than {other}"
        far = (
            f"at most {finding.ratio:.1f}x"
            if finding.verdict == "dearer"
            else f"down to {finding.ratio:.2f}x"
        )
        parts.append(
            f"{subject} {finding.verdict}{than} at batch {batches}: {far}{at_batch(finding.batch, finding.runs)}, "
            f"where {cause_words(finding.cause)}"
        )
    return "; ".join(parts) + "."


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
