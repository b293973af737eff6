"""How many experts there are and how many of them a token uses: read off the pools of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from moecalc.checks.claiming.claim import Claim
from moecalc.checks.claiming.counts import against_outline
from moecalc.checks.claiming.finding import Finding
from moecalc.checks.claiming.subject import Shaped, Subject
from moecalc.ir.rows import Pool
from moecalc.units import format_int

ZERO = "zero-compute experts counted"


def judge_experts(claim: Claim, subject: Subject) -> Iterator[Finding]:
    """The experts and the choices of a named model; of counts alone they are a condition, and nothing to judge."""
    for part, stated in (("experts", claim.experts), ("top_k", claim.top_k)):
        if stated is None:
            continue
        if isinstance(subject, Shaped):
            yield _held(part, stated, subject)
        elif subject.is_undisclosed:
            said = next((one for one in subject.outline if one.what == part), None)
            exactly = Fraction(stated), Fraction(stated)
            yield against_outline(part, f"{stated:,}", exactly, said, format_int)


def _held(part: str, stated: int, subject: Shaped) -> Finding:
    pools = list(dict.fromkeys(weight.pool for weight in subject.ledger.weights if weight.pool is not None))
    counts = [(pool.top_k if part == "top_k" else pool.experts, "") for pool in pools]
    if part == "experts":
        counts += [(pool.experts + pool.null_experts, ZERO) for pool in pools if pool.null_experts]
    words = ", ".join(map(_words, pools)) or "no experts: every token uses every weight"
    found = next((one for one in counts if one[0] == stated), None)
    nearest = found or min(counts, key=lambda one: abs(one[0] - stated), default=None)
    return Finding(
        part=part,
        stated=f"{stated:,}",
        verdict="inconsistent" if found is None else "holds under" if found[1] else "holds",
        convention="" if found is None else found[1],
        computed=None if nearest is None else float(nearest[0]),
        margin=None if nearest is None else float(Fraction(stated) / Fraction(nearest[0])),
        arithmetic=words,
        remarks=() if found else ("routed experts; shared ones are not counted",) if pools else (),
    )


def _words(pool: Pool) -> str:
    zero = f" and {pool.null_experts} zero-compute ones" if pool.null_experts else ""
    return f"top-{pool.top_k} of {pool.experts} routed experts{zero}"
