"""Whether a memory holds the weights, and the state that was claimed beside them."""

from __future__ import annotations

from fractions import Fraction

import msgspec

from moecalc.checks.claiming.claim import Claim
from moecalc.checks.claiming.figure import Figure
from moecalc.checks.claiming.finding import Finding, ratio
from moecalc.checks.claiming.stored import active_only, both, held, least, stored, unknown
from moecalc.checks.claiming.subject import FEWEST_BITS, Shaped, Subject
from moecalc.units import format_bytes_decimal


class Cache(msgspec.Struct, frozen=True):
    """State that has to lie beside the weights, in the model's own format; none where no context was said."""

    size: Fraction = Fraction(0)
    words: str = ""


def cache_of(claim: Claim, subject: Subject) -> Cache:
    """The state of all sequences that a claim speaks of."""
    if claim.context is None or not isinstance(subject, Shaped):
        return Cache()
    sequences = claim.batch or 1
    size = sequences * Fraction(subject.state_bytes(claim.context))
    counted = f"{sequences:,} x " if sequences > 1 else ""
    return Cache(size, f"state {both(size)} of {counted}{claim.context:,} tokens in {subject.kv_dtype}")


def room_for(
    part: str,
    stated: str,
    readings: list[tuple[str, Fraction]],
    figure: Figure | None,
    subject: Subject,
    *,
    with_ram: bool = False,
    cache: Cache,
) -> Finding:
    """Hold weights and state against a memory, which `readings` give in bytes by convention (`GB read as GiB`).

    Weights that exceed every reading are impossible where their least does; state that exceeds what they leave is
    inconsistent, for a cache can take fewer bits or lie elsewhere.
    """
    most = max(room for _, room in readings)
    if subject.total is None:
        return unknown(part, figure, "how many parameters there are is undisclosed", stated)
    if subject.weight_bytes is None or (subject.quant is None and held(subject) + cache.size > most):
        return _unnamed(part, stated, most, subject, subject.total, cache)
    need = held(subject)
    words = f"weights {both(need)} {stored(subject)}"
    for convention, room in readings:
        if need + cache.size <= room:
            left = format_bytes_decimal(room - need - cache.size)
            where = " of devices and RAM" if with_ram else ""
            beside, rest = (f", {cache.words}", "the runtime") if cache.size else ("", "state and runtime")
            return Finding(
                part=part,
                stated=stated,
                verdict="holds under" if convention else "holds",
                convention=convention,
                computed=float(need + cache.size),
                margin=ratio(room, need + cache.size),
                arithmetic=f"{words}{beside}, {both(room)}{where}: {left} left for {rest}",
            )
    if need <= most:
        return _no_room_for(cache, part, stated, most, need, words)
    return Finding(
        part=part,
        stated=stated,
        verdict="impossible" if most < least(subject, looked_up=True) else "inconsistent",
        computed=float(need),
        margin=ratio(most, need),
        arithmetic=f"{words} alone exceed {both(most)} by {format_bytes_decimal(need - most)}",
        remarks=(
            *active_only(figure, subject, most),
            *(() if with_ram else ("where part of it lies in the host's memory, say so: `with 64 GB RAM`",)),
        ),
    )


def _unnamed(
    part: str, stated: str, most: Fraction, subject: Subject, total: Fraction, cache: Cache
) -> Finding:
    """No quantization was named: how many bits per parameter the memory leaves, and whether any format has so few."""
    fewest = total * FEWEST_BITS / 8
    if most < fewest:
        return Finding(
            part=part,
            stated=stated,
            verdict="impossible",
            computed=float(fewest),
            margin=ratio(most, fewest),
            arithmetic=f"{float(most * 8 / total):.2f} bits for each parameter; the smallest format in use has "
            f"{float(FEWEST_BITS):.2f}",
        )
    if most - cache.size < fewest:
        return _no_room_for(cache, part, stated, most, fewest, f"weights of at least {both(fewest)}")
    known = subject.weight_bytes
    released = "" if known is None else f"; as released it takes {both(Fraction(known))}"
    beside = f", beside {cache.words}" if cache.size else ""
    bits = float((most - cache.size) * 8 / total)
    return Finding(
        part=part,
        stated=stated,
        verdict="undetermined",
        arithmetic=f"no quantization was named: it fits below {bits:.2f} bits per parameter{beside}{released}",
    )


def _no_room_for(
    cache: Cache, part: str, stated: str, most: Fraction, need: Fraction, weights: str
) -> Finding:
    """The weights would fit, and the state that was claimed beside them does not."""
    return Finding(
        part=part,
        stated=stated,
        verdict="inconsistent",
        computed=float(need + cache.size),
        margin=ratio(most, need + cache.size),
        arithmetic=f"{weights} and {cache.words} exceed {both(most)} by "
        f"{format_bytes_decimal(need + cache.size - most)}",
        remarks=("a cache in fewer bits, or one that lies in the host's memory, takes less of it",),
    )
