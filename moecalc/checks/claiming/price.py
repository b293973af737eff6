"""Prices per million tokens, held against GPU-hours at the ceiling and the cheapest price listed of a device.

A price below that floor is inconsistent and not impossible: whoever owns the devices, or sells below cost, can ask
for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction

from moecalc.calc.speed.reads import SHARED, UNIFORM
from moecalc.checks.claiming.bound import Bound, Work, least_work
from moecalc.checks.claiming.claim import Claim
from moecalc.checks.claiming.figure import Figure
from moecalc.checks.claiming.finding import Finding, times_text
from moecalc.checks.claiming.memory import most_bytes
from moecalc.checks.claiming.subject import FEWEST_BITS, Shaped, Subject
from moecalc.errors import UndeterminedError
from moecalc.specs.fleet import Fleet, Group
from moecalc.specs.hardware import Accelerator, Price, priced_accelerators

BATCH = "a batch"

PROMPT = 4096
"""Tokens of a prompt whose length nobody said: an assumption, printed as one."""


def judge_price(claim: Claim, subject: Subject, fleet: Fleet | None) -> Iterator[Finding]:
    """What a million output (or input) tokens cost."""
    figure = claim.price
    if figure is None:
        return
    try:
        yield _price(claim, figure, subject, fleet)
    except UndeterminedError as error:
        yield Finding(part="price", stated=figure.text, verdict="undetermined", arithmetic=error.message)


def cheapest(device: Accelerator) -> Price | None:
    """The lowest price listed, spot prices too."""
    return min(device.prices, key=lambda price: price.usd_per_gpu_hour, default=None)


def usd_per_hour(fleet: Fleet) -> Decimal:
    """What all devices cost at their cheapest. Raises UndeterminedError where one has no listed price."""
    total = Decimal(0)
    for group in fleet.groups:
        price = cheapest(group.device)
        if price is None:
            raise UndeterminedError(f"`{group.device.name}` has no listed price")
        total += group.count * price.usd_per_gpu_hour
    return total


def _price(claim: Claim, figure: Figure, subject: Subject, fleet: Fleet | None) -> Finding:
    work = Work(subject=subject, context=claim.context or 1)
    fleets = [fleet] if fleet is not None else _candidates(subject)
    if not fleets:
        raise UndeterminedError("no device with a listed price is known to hold the model")
    bounds = [Bound(work=work, fleet=each) for each in fleets]
    if fleet is None or claim.priced == "input":
        # where no peak is published, nothing bounds what many sequences or a prompt take
        bounds = [bound for bound in bounds if bound.compute_seconds]
        if not bounds:
            raise UndeterminedError("no dense peak is published that bounds the arithmetic")
    if claim.priced == "input":
        return _input(figure, subject, claim, bounds)
    stated = figure.high
    alone = min(bounds, key=lambda bound: _usd(bound, 1))
    at_one = _usd(alone, 1)
    if claim.batch is not None:
        best = min(bounds, key=lambda bound: _usd(bound, claim.batch or 1))
        return _at(figure, best, claim.batch, _usd(best, claim.batch))
    if stated >= at_one:
        return _finding(figure, "holds", at_one, _words(alone, 1, at_one))
    for bound in sorted(bounds, key=_floor):
        for routing in (UNIFORM, SHARED):
            rate = float(usd_per_hour(bound.fleet)) / 3600 / (float(stated) / 1e6)
            batch = bound.first_batch(rate, routing)
            if batch is not None:
                assumed = (
                    "tokens that choose experts uniformly"
                    if routing is UNIFORM
                    else "tokens that share experts"
                )
                sparse = (
                    subject.active is not None
                    and subject.total is not None
                    and subject.active < subject.total
                )
                return _finding(
                    figure,
                    "holds under",
                    at_one,
                    f"{_words(alone, 1, at_one)}; plausible only from batch {batch:,} on ({bound.fleet.describe()}"
                    f"{', ' + assumed if sparse else ''})",
                    convention=BATCH,
                )
    best = min(bounds, key=_floor)
    floor, batch = _floor(best), best.most_sequences
    return _below(figure, subject, best, floor, f"{_words(best, batch, floor)}", _floor)


def _input(figure: Figure, subject: Subject, claim: Claim, bounds: list[Bound]) -> Finding:
    """Prompts are bound by arithmetic: one as long as was said, else as the context."""
    prompt = claim.prompt or claim.context or PROMPT
    assumed = "" if claim.prompt or claim.context else " (assumed)"

    def usd(bound: Bound) -> float:
        shaped = isinstance(subject, Shaped)
        seconds = bound.prefill_seconds(prompt) / prompt if shaped else bound.compute_seconds
        return float(usd_per_hour(bound.fleet)) / 3600 * seconds * 1e6

    best = min(bounds, key=usd)
    floor = usd(best)
    words = f"a prompt of {prompt:,} tokens{assumed} on {best.fleet.describe()} costs at least ${floor:.3g}/M"
    if float(figure.high) >= floor:
        return _finding(figure, "holds", floor, words)
    return _below(figure, subject, best, floor, words, _input_floor)


def _input_floor(bound: Bound) -> float:
    """USD per million prompt tokens for their FLOPs without attention's."""
    return float(usd_per_hour(bound.fleet)) / 3600 * bound.compute_seconds * 1e6


def _below(
    figure: Figure,
    subject: Subject,
    bound: Bound,
    floor: float,
    words: str,
    floor_of: Callable[[Bound], float],
) -> Finding:
    if subject.quant is None:
        least = Bound(work=least_work(subject, FEWEST_BITS), fleet=bound.fleet)
        if float(figure.high) >= floor_of(least):
            return _finding(
                figure,
                "undetermined",
                floor,
                f"{words}; no quantization was named, and with fewer bits it could be met",
            )
    at_any = " at any batch" if floor_of is _floor else ""
    return _finding(
        figure,
        "inconsistent",
        floor,
        f"{words}: the price is below the floor{at_any}, {times_text(float(figure.value) / floor)} of it",
        remarks=("a price can be below cost, or the devices cheaper than any listed price",),
    )


def _at(figure: Figure, bound: Bound, batch: int, floor: float) -> Finding:
    words = _words(bound, batch, floor)
    verdict = "holds" if float(figure.high) >= floor else "inconsistent"
    return _finding(figure, verdict, floor, words)


def _candidates(subject: Subject) -> list[Fleet]:
    """For each device with a price, as many as hold the weights."""
    held = subject.held_bytes if isinstance(subject, Shaped) else subject.weight_bytes
    if held is None:
        raise UndeterminedError("how much memory the weights take was not said: name a quantization")
    found = []
    for device in priced_accelerators():
        size = most_bytes(device)
        if size is None or device.bandwidth is None or not device.prices:
            continue
        found.append(Fleet((Group(device, max(1, -(-int(held) // size))),)))
    return found


def _usd(bound: Bound, batch: int) -> float:
    """USD per million output tokens of that many sequences, all sharing their experts."""
    return float(usd_per_hour(bound.fleet)) / 3600 * bound.decode_seconds(batch) / batch * 1e6


def _floor(bound: Bound) -> float:
    return _usd(bound, bound.most_sequences)


def _words(bound: Bound, batch: int, usd: float) -> str:
    group = bound.fleet.groups[0]
    price = cheapest(group.device)
    listed = f" at ${price.usd_per_gpu_hour}/h ({_who(price)})" if price else ""
    sequences = "one sequence" if batch == 1 else f"{batch:,} sequences"
    return f"{sequences} on {bound.fleet.describe()}{listed}: at least ${usd:.3g}/M"


def _who(price: Price) -> str:
    return f"{price.provider}{' spot' if price.spot else ''}, {price.date or 'undated'}"


def _finding(
    figure: Figure,
    verdict: str,
    floor: float,
    arithmetic: str,
    *,
    convention: str = "",
    remarks: tuple[str, ...] = (),
) -> Finding:
    return Finding(
        part="price",
        stated=figure.text,
        verdict=verdict,  # type: ignore[arg-type] # the literals above
        convention=convention,
        computed=floor,
        margin=float(figure.value / Fraction(floor)) if floor else None,
        arithmetic=arithmetic,
        remarks=remarks,
    )
