"""Of a model whose counts nobody said: the (total, active) that the statements allow."""

from __future__ import annotations

from fractions import Fraction

import msgspec

from moecalc.checks.claiming.bound import Bound, Work
from moecalc.checks.claiming.claim import Claim
from moecalc.checks.claiming.memory import most_bytes
from moecalc.checks.claiming.subject import FEWEST_BITS, Counted, Subject
from moecalc.errors import UndeterminedError
from moecalc.specs.fleet import Fleet
from moecalc.specs.statement import Statement
from moecalc.units import parse_parameters

CLAIMED = "as claimed"


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """One end of a range, and what sets it."""

    what: str
    at_most: bool
    value: Fraction
    why: str


class Region(msgspec.Struct, frozen=True):
    """Everything that bounds total and active parameters."""

    limits: tuple[Limit, ...]

    def ends(self, what: str) -> tuple[Fraction | None, Fraction | None]:
        """(least, most) of `total` or `active`; None where nothing sets it."""
        low = max(
            (limit.value for limit in self.limits if limit.what == what and not limit.at_most), default=None
        )
        high = min(
            (limit.value for limit in self.limits if limit.what == what and limit.at_most), default=None
        )
        return low, high

    @property
    def is_empty(self) -> bool:
        """Whether the statements contradict each other."""
        ranges = {what: self.ends(what) for what in ("total", "active")}
        if any(low is not None and high is not None and low > high for low, high in ranges.values()):
            return True
        least, most = ranges["active"][0], ranges["total"][1]
        return least is not None and most is not None and least > most

    def to_dict(self) -> dict[str, object]:
        """The region as JSON has it."""

        def number(value: Fraction | None) -> float | None:
            return None if value is None else float(value)

        return {
            **{
                what: {"low": number(self.ends(what)[0]), "high": number(self.ends(what)[1])}
                for what in ("total", "active")
            },
            "limits": [
                {"what": limit.what, "at_most": limit.at_most, "value": float(limit.value), "why": limit.why}
                for limit in self.limits
            ],
            "empty": self.is_empty,
        }


def region(claim: Claim, subject: Subject, fleet: Fleet | None) -> Region | None:
    """The region that a claim leaves; None where both counts are known."""
    if not isinstance(subject, Counted) or (subject.total is not None and subject.active is not None):
        return None
    limits = [limit for said in subject.outline for limit in _said(said)]
    bits = subject.bits if subject.bits is not None else FEWEST_BITS
    named = subject.quant or f"{float(FEWEST_BITS)} bits, the fewest in use"
    for what, count in (("total", subject.total), ("active", subject.active)):
        if count is not None:
            figure = claim.total if what == "total" else claim.active
            low, high = (figure.low, figure.high) if figure else (count, count)
            limits.append(Limit(what=what, at_most=False, value=low, why=CLAIMED))
            limits.append(Limit(what=what, at_most=True, value=high, why=CLAIMED))
    room = _room(claim, fleet)
    if room is not None:
        limits.append(Limit(what="total", at_most=True, value=room * 8 / bits, why=f"the memory, at {named}"))
    speed = _speed(claim, subject, fleet)
    if speed is not None:
        limits.append(
            Limit(what="active", at_most=True, value=speed * 8 / bits, why=f"the speed, at {named}")
        )
    if claim.experts and claim.top_k and subject.total is not None:
        least = subject.total * claim.top_k / claim.experts
        limits.append(
            Limit(what="active", at_most=False, value=least, why=f"top-{claim.top_k} of {claim.experts}")
        )
    if all(limit.why == CLAIMED for limit in limits):
        return None  # nothing follows from what was said alone
    made = Region(tuple(limits))
    most = made.ends("total")[1]
    if most is not None and made.ends("active")[1] is None:
        extra = Limit(what="active", at_most=True, value=most, why="no token uses more than the total")
        made = Region((*limits, extra))
    least_active = made.ends("active")[0]
    if least_active is not None and made.ends("total")[0] is None:
        extra = Limit(
            what="total", at_most=False, value=least_active, why="no token uses more than the total"
        )
        made = Region((*made.limits, extra))
    return made


def _said(said: Statement) -> list[Limit]:
    if said.what not in ("total", "active"):
        return []
    low, high = said.figure or said.low, said.figure or said.high
    limits = []
    for text, at_most in ((low, False), (high, True)):
        if text is not None:
            value = Fraction(parse_parameters(text))
            limits.append(Limit(what=said.what, at_most=at_most, value=value, why=said.provenance))
    return limits


def _room(claim: Claim, fleet: Fleet | None) -> Fraction | None:
    rooms = []
    if claim.vram is not None:
        rooms.append((claim.vram.as_binary() or claim.vram).high)
    if fleet is not None:
        sizes = [most_bytes(device) for device in fleet.devices]
        if None not in sizes:
            rooms.append(Fraction(sum(size for size in sizes if size is not None)))
    if not rooms:
        return None
    beside = (claim.ram.as_binary() or claim.ram).high if claim.ram else Fraction(0)
    return min(rooms) + beside


def _speed(claim: Claim, subject: Subject, fleet: Fleet | None) -> Fraction | None:
    """Bytes that a step may read where the stated speed is that of one user; None where it bounds nothing."""
    figure = claim.tokens_per_second
    if figure is None or fleet is None or claim.per != "user" or claim.speculative or claim.ram is not None:
        return None
    try:
        bandwidth = Bound(work=Work(subject=subject, context=1), fleet=fleet).bandwidth
    except UndeterminedError:
        return None
    return Fraction(bandwidth) / figure.low
