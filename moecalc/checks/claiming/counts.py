"""Totals and active counts: which convention and which rounding reproduces a printed figure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction

from moecalc.calc import parameters
from moecalc.checks.claiming.claim import Claim
from moecalc.checks.claiming.figure import Figure
from moecalc.checks.claiming.finding import Finding, percent_off, ratio
from moecalc.checks.claiming.subject import READ_SHARE, Shaped, Subject
from moecalc.ir.roles import Component, Role
from moecalc.specs.statement import Statement
from moecalc.units import format_parameters, parse_parameters

Count = tuple[str, Fraction]

_MULTIPLIED = re.compile(r"(\d+)x(\d+(?:\.\d+)?)b", re.IGNORECASE)


def totals(subject: Shaped) -> list[Count]:
    """Every total that somebody counts, the default first; those that are the same are left out."""
    ledger = subject.ledger
    total = subject.total
    rows = parameters.parameter_rows(ledger)
    mtp = Fraction(parameters.component_total(ledger, Component.MTP))
    towers = sum(
        Fraction(parameters.tower_total(ledger, part)) for part in (Component.VISION, Component.AUDIO)
    )
    embedding = sum(Fraction(w.elements) for w in rows if w.role is Role.EMBEDDING_TOKENS)
    both = sum(
        Fraction(w.elements)
        for w in rows
        if w.role in (Role.EMBEDDING_TOKENS, Role.EMBEDDING_POSITIONS, Role.HEAD)
    )
    return _distinct(
        [
            ("language model", total),
            ("with MTP", total + mtp),
            ("with towers", total + towers),
            ("with MTP and towers", total + mtp + towers),
            # of a tied pair both names would mean the one tensor
            *([] if parameters.head_is_tied(rows) else [("no input embedding", total - embedding)]),
            ("no embeddings", total - both),
            ("with MTP, no embeddings", total + mtp - both),
            *(("as stored", Fraction(pin.parameters)) for pin in subject.pins if pin.includes),
        ]
    )


def actives(subject: Shaped) -> list[Count]:
    """The five active counts that somebody uses, the default first."""
    ledger = subject.ledger
    counts = {name: Fraction(parameters.active(ledger, name)) for name in parameters.ACTIVE_CONVENTIONS}
    rows = parameters.parameter_rows(ledger)
    modules = parameters.parameter_rows(ledger, Component.MTP)
    drafted = sum(Fraction(w.elements * parameters.active_share(w)) for w in modules)
    return _distinct(
        [
            ("all", counts["all"]),
            ("no input embedding", counts["no_input_embedding"]),
            ("no embeddings", counts["no_embeddings"]),
            ("with MTP", counts["all"] + drafted),
            ("shared only", sum((Fraction(w.elements) for w in rows if not w.pool), start=Fraction(0))),
        ]
    )


def match(figure: Figure, counts: list[Count]) -> tuple[str, Fraction, str] | None:
    """(convention, count, rounding) that reproduces a figure; None where nothing does.

    By any convention rounded; else by the first of them cut, or rounded to fewer digits.
    """
    place = 2 * figure.half
    for name, count in counts:
        if figure.covers(count):
            return name, count, ""
    digits = len(str(int(figure.value / place)))
    for name, count in counts:
        if figure.value <= count < figure.value + place:
            return name, count, "rounded down"
        for zeros in range(1, figure.trailing_zeros + 1):
            half = figure.half * 10**zeros
            if figure.value - half <= count <= figure.value + half:
                left = digits - zeros
                return name, count, f"to {left} digit{'s' if left > 1 else ''}"
    return None


def judge_counts(claim: Claim, subject: Subject) -> Iterator[Finding]:
    """The total and the active count."""
    if isinstance(subject, Shaped):
        if claim.total is not None:
            yield _held("total", claim.total, totals(subject), subject)
        if claim.active is not None:
            yield _held("active", claim.active, actives(subject), subject)
        return
    for part, figure in (("total", claim.total), ("active", claim.active)):
        if figure is None:
            continue
        said = next((s for s in subject.outline if s.what == part), None)
        if subject.is_undisclosed:
            yield against_outline(part, figure.text, (figure.low, figure.high), said)
        else:
            yield _alone(part, figure, claim)


def _held(part: str, figure: Figure, counts: list[Count], subject: Shaped) -> Finding:
    default, expected = counts[0]
    found = match(figure, counts)
    others = tuple(f"{name}: {format_parameters(count)}" for name, count in counts)
    if found is None:
        name, nearest = min(counts, key=lambda count: abs(count[1] - figure.value))
        return Finding(
            part=part,
            stated=figure.text,
            verdict="inconsistent",
            computed=float(nearest),
            margin=ratio(figure.value, nearest),
            arithmetic=f"{format_parameters(nearest)} ({name}) is nearest: {percent_off(figure.value, nearest)}",
            remarks=(
                *_multiplied(part, figure, subject),
                *_exchanged(part, figure, subject),
                ", ".join(others),
            ),
        )
    name, count, rounding = found
    plain = name == default and not rounding
    convention = "" if plain else ", ".join(filter(None, (name, rounding)))
    return Finding(
        part=part,
        stated=figure.text,
        verdict="holds" if plain else "holds under",
        convention=convention,
        computed=float(count),
        margin=ratio(figure.value, count),
        arithmetic=f"{format_parameters(count)} ({name})"
        + ("" if name == default else f"; {format_parameters(expected)} ({default})"),
        remarks=() if plain or not others[1:] else (", ".join(others),),
    )


def _multiplied(part: str, figure: Figure, subject: Shaped) -> Iterator[str]:
    found = _MULTIPLIED.search(subject.name)
    if part == "total" and found and figure.covers(int(found[1]) * Fraction(found[2]) * 10**9):
        yield f"{found[1]} x {found[2]}B is no total: only the feed-forward blocks exist {found[1]} times"


def _exchanged(part: str, figure: Figure, subject: Shaped) -> Iterator[str]:
    other = subject.active if part == "total" else subject.total
    if subject.active != subject.total and match(figure, [("other", other)]):
        yield f"that is the {'active count' if part == 'total' else 'total'}"


def against_outline(
    part: str,
    stated: str,
    span: tuple[Fraction, Fraction],
    said: Statement | None,
    words: Callable[[int | Fraction], str] = format_parameters,
) -> Finding:
    """A figure, from the least to the most it can stand for, held against what is said of an undisclosed model."""
    ends = (
        []
        if said is None
        else [parse_parameters(text) for text in (said.figure, said.low, said.high) if text]
    )
    if said is None or not ends:
        return Finding(
            part=part,
            stated=stated,
            verdict="undetermined",
            arithmetic="undisclosed: nobody who knows has said it",
        )
    low, high = min(ends), max(ends)
    within = span[0] <= high and low <= span[1]
    known = words(low) if low == high else f"{words(low)} to {words(high)}"
    if said.provenance == "rumoured":
        return Finding(
            part=part,
            stated=stated,
            verdict="undetermined",
            arithmetic=f"rumours only: {known}; the figure is {'within' if within else 'outside'} that",
        )
    return Finding(
        part=part,
        stated=stated,
        verdict="holds" if within else "inconsistent",
        computed=float(high),
        margin=ratio((span[0] + span[1]) / 2, high),
        arithmetic=f"{known}, {said.provenance} ({said.source})",
    )


def _alone(part: str, figure: Figure, claim: Claim) -> Finding:
    """A count of a model that nobody named, held against the other count."""
    total, active = claim.total, claim.active
    if part == "active" and total is not None and figure.low > total.high:
        return Finding(
            part=part,
            stated=figure.text,
            verdict="impossible",
            computed=float(total.value),
            margin=ratio(figure.value, total.value),
            arithmetic=f"a token cannot use more than the total, {total.text}",
        )
    if part == "active" and total is not None and claim.experts and claim.top_k:
        least = total.low * claim.top_k / claim.experts
        if figure.high < least:
            # the active count may leave out an embedding that the total has
            return Finding(
                part=part,
                stated=figure.text,
                verdict="impossible" if figure.high * READ_SHARE < least else "inconsistent",
                computed=float(least),
                margin=ratio(figure.value, least),
                arithmetic=f"{claim.top_k} of {claim.experts} experts use at least "
                f"{claim.top_k}/{claim.experts} of {total.text} = {format_parameters(least)}",
            )
    if part == "active" and total is not None and active is not None:
        share = float(active.value / total.value)
        return Finding(
            part=part,
            stated=figure.text,
            verdict="holds",
            arithmetic=f"{share:.1%} of the total: nothing forbids it",
        )
    return Finding(
        part=part, stated=figure.text, verdict="holds", arithmetic="no model was named: taken as given"
    )


def _distinct(counts: list[Count]) -> list[Count]:
    seen: dict[Fraction, str] = {}
    for name, count in counts:
        if count not in seen and count > 0:
            seen[count] = name
    return [(name, count) for count, name in seen.items()]
