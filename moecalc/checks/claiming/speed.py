"""Speeds and times to the first token, held against the ceiling of bandwidth and arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

from moecalc.checks.claiming.bound import Bound, Work, least_work
from moecalc.checks.claiming.claim import Claim, seconds_text
from moecalc.checks.claiming.figure import Figure
from moecalc.checks.claiming.finding import Finding, times_text
from moecalc.checks.claiming.memory import most_bytes
from moecalc.checks.claiming.subject import FEWEST_BITS, Shaped, Subject
from moecalc.errors import UndeterminedError
from moecalc.specs.fleet import Fleet
from moecalc.units import format_bytes_decimal, format_int

NODE = 8
"""GPUs of a node, unless the fleet has fewer."""

BATCH = "a batch"


def judge_speed(claim: Claim, subject: Subject, fleet: Fleet | None) -> Iterator[Finding]:
    """Decoded tokens per second."""
    figure = claim.tokens_per_second
    if figure is None:
        return
    if fleet is None:
        yield _unknown("tokens_per_second", figure, "no device was named")
        return
    try:
        yield _speed(claim, figure, subject, fleet)
    except UndeterminedError as error:
        yield _unknown("tokens_per_second", figure, error.message)


def judge_ttft(claim: Claim, subject: Subject, fleet: Fleet | None) -> Iterator[Finding]:
    """The time to the first token of one prompt of which nothing is cached."""
    figure = claim.ttft
    if figure is None:
        return
    prompt = claim.prompt or claim.context
    if fleet is None or prompt is None:
        missing = "no device was named" if fleet is None else "how long the prompt is was not said"
        yield _unknown("ttft", figure, missing)
        return
    try:
        bound = Bound(work=Work(subject=subject, context=prompt), fleet=fleet)
        least = bound.prefill_seconds(prompt)
    except UndeterminedError as error:
        yield _unknown("ttft", figure, error.message)
        return
    margin = float(figure.value) / least
    words = f"a prompt of {prompt:,} tokens takes at least {seconds_text(least)} on {fleet.describe()}"
    if float(figure.high) >= least:
        yield Finding(
            part="ttft",
            stated=figure.text,
            verdict="holds",
            computed=least,
            margin=margin,
            arithmetic=f"{words}: possible, {times_text(margin)} of that",
        )
        return
    fastest = bound.fastest_prefill_seconds(prompt)
    sure = claim.prompt is not None and subject.quant is not None and float(figure.high) < fastest
    remarks = [] if claim.prompt else ["that the prompt is as long as the context was not said"]
    if subject.quant is None:
        remarks.append("no quantization was named: as released")
    remarks.append("a prefix that is cached already takes no time")
    yield Finding(
        part="ttft",
        stated=figure.text,
        verdict="impossible" if sure else "inconsistent",
        computed=least,
        margin=margin,
        arithmetic=f"{words}: {times_text(1 / margin)} of what is stated",
        remarks=tuple(remarks),
    )


def _speed(claim: Claim, figure: Figure, subject: Subject, fleet: Fleet) -> Finding:
    user = claim.per == "user"
    stated = figure.low * _devices(claim, fleet)
    batch = claim.batch or 1
    work = Work(subject=subject, context=claim.context or 1)
    bound = Bound(work=work, fleet=fleet)

    def reached(by: Bound, size: int) -> float:
        return 1 / by.decode_seconds(size) if user else by.rate(size)

    ceiling = reached(bound, batch)
    of = "a user" if user else "one sequence" if batch == 1 else f"{batch:,} sequences together"
    binding = "bandwidth" if bound.memory_binds(batch) else "arithmetic"
    words = (
        f"{format_bytes_decimal(Fraction(work.bytes(batch)))} for each step in "
        f"{format_bytes_decimal(bound.bandwidth)}/s of {fleet.describe()} allow {_rate(ceiling)} tokens/s of {of}"
    )
    if binding == "arithmetic":
        words = f"the dense peak of {fleet.describe()} allows {_rate(ceiling)} tokens/s of {of}"
    margin = float(stated) / ceiling
    whole = _whole_text(claim, figure, fleet)
    if float(stated) <= ceiling:
        beside = (
            "; a part in RAM is read more slowly"
            if claim.ram is not None and not _fits(subject, fleet)
            else ""
        )
        return _finding(
            figure, "holds", f"{whole}{words}: possible, {margin:.1%} of the ceiling{beside}", ceiling, margin
        )
    if claim.ram is not None and not _fits(subject, fleet):
        return _finding(
            figure,
            "undetermined",
            f"{words}; what the RAM adds to that bandwidth was not said",
            ceiling,
            margin,
        )
    above = f"{whole}{words}: {times_text(margin)} the ceiling"
    if claim.speculative:
        return _finding(
            figure,
            "undetermined",
            f"{above} of one token per step",
            ceiling,
            margin,
            ("accepted drafts multiply it; how many are accepted was not said",),
        )
    several = claim.batch is None and not user
    if several and (first := bound.first_batch(float(stated))) is not None:
        return _finding(
            figure,
            "holds under",
            f"{above}; {first:,} sequences at once or more allow it",
            ceiling,
            margin,
            convention=BATCH if not _fewer_bits(subject, fleet, stated) else f"{BATCH}, or fewer bits",
        )
    return _above(claim, figure, subject, fleet, stated, above, ceiling, reached, several)


def _above(
    claim: Claim,
    figure: Figure,
    subject: Subject,
    fleet: Fleet,
    stated: Fraction,
    above: str,
    ceiling: float,
    reached: Callable[[Bound, int], float],
    several: bool,
) -> Finding:
    """Above the ceiling: of the model as stored, of the fewest bits of its format, or of every format in use?"""
    margin = float(stated) / ceiling

    def beaten(work: Work) -> bool:
        least = Bound(work=work, fleet=fleet)
        if several:
            return least.first_batch(float(stated)) is None
        return float(stated) > reached(least, claim.batch or 1)

    if subject.quant is None and isinstance(subject, Shaped):
        if beaten(least_work(subject, FEWEST_BITS)):
            return _finding(figure, "impossible", above, ceiling, margin, ("in no format in use",))
        read = subject.read_elements
        most = float(Bound(work=least_work(subject), fleet=fleet).bandwidth) * 8 / float(stated) / float(read)
        remark = "no quantization was named: the ceiling is that of the release"
        if not several:
            remark += f"; it takes at most {most:.2f} bits per weight"
        return _finding(figure, "undetermined", above, ceiling, margin, (remark,))
    if beaten(least_work(subject)):
        return _finding(figure, "impossible", above, ceiling, margin, _reads(subject))
    return _finding(
        figure,
        "inconsistent",
        above,
        ceiling,
        margin,
        ("a cache in fewer bits, or a recipe that quantizes more, could come nearer",),
    )


def _fewer_bits(subject: Subject, fleet: Fleet, stated: Fraction) -> bool:
    """Whether one sequence alone could be so fast in fewer bits than the release has, where none were named."""
    if subject.quant is not None:
        return False
    return float(stated) <= Bound(work=least_work(subject, FEWEST_BITS), fleet=fleet).rate(1)


def _reads(subject: Subject) -> tuple[str, ...]:
    if subject.active is None or subject.total is None or subject.active >= subject.total:
        return ()
    return ("though every token of the batch chose the same experts",)


def _devices(claim: Claim, fleet: Fleet) -> Fraction:
    """By what a stated speed is multiplied to be that of all devices."""
    if claim.per == "gpu":
        return Fraction(fleet.count)
    return Fraction(fleet.count, min(NODE, fleet.count)) if claim.per == "node" else Fraction(1)


def _whole_text(claim: Claim, figure: Figure, fleet: Fleet) -> str:
    times = _devices(claim, fleet)
    if times == 1:
        return ""
    return f"{format_int(figure.value * times)} tokens/s of all {fleet.count:,}; "


def _fits(subject: Subject, fleet: Fleet) -> bool:
    sizes = [most_bytes(device) for device in fleet.devices]
    held = subject.held_bytes if isinstance(subject, Shaped) else subject.weight_bytes
    return held is not None and None not in sizes and held <= sum(size for size in sizes if size is not None)


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _finding(
    figure: Figure,
    verdict: str,
    arithmetic: str,
    ceiling: float,
    margin: float,
    remarks: tuple[str, ...] = (),
    convention: str = "",
) -> Finding:
    return Finding(
        part="tokens_per_second",
        stated=figure.text,
        verdict=verdict,  # type: ignore[arg-type] # the literals above
        convention=convention,
        computed=ceiling,
        margin=margin,
        arithmetic=arithmetic,
        remarks=remarks,
    )


def _unknown(part: str, figure: Figure, why: str) -> Finding:
    return Finding(part=part, stated=figure.text, verdict="undetermined", arithmetic=why)
