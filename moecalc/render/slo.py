"""What limits were held against, what of the pick breaks them all the same, and which devices had no part in it."""

from collections.abc import Iterable

from moecalc.calc.speed.expectation import Expected, NoExpectation
from moecalc.calc.speed.slo import Slo
from moecalc.calc.speed.sweep import Choice, Sweep
from moecalc.render.rates import duration


def limit_remarks(sweep: Sweep) -> list[str]:
    """What stands under the pick as expected."""
    if sweep.slo is None:
        return []
    said = []
    if sweep.as_expected is not None:
        said.append(_held(sweep.slo))
        said += _loaded(sweep.slo, sweep.as_expected)
        said += _broken(sweep.slo, sweep.as_expected)
        said += _beyond(sweep.as_expected)
    said += [f"{kind} is left out of what is expected: {reason}" for kind, reason in sweep.left_out.items()]
    return said


def over(times: float) -> str:
    """By how much a limit is missed: `12%`, and from ten times on `a factor of 580`."""
    return f"{times - 1:.0%}" if times < 10 else f"a factor of {times:,.0f}"


def _held(slo: Slo) -> str:
    held = ["of a decode step"] if slo.tpot_seconds else []
    held += ["of the first token of a request alone, without a queue"] if slo.ttft_seconds else []
    which = "the high end of the interval" if slo.high else "the middle of what is expected"
    hint = "" if slo.high else "; `--slo high:...` holds the high end of the interval"
    return f"held against the limits: {which} {' and '.join(held)}{hint}"


def _loaded(slo: Slo, choice: Choice) -> Iterable[str]:
    """The first token of a request among the others of the batch."""
    found, batch = choice.loaded, choice.point.batch
    if found is None or slo.ttft_seconds is None:
        return
    where = f"first token under load, {batch:,} at once"
    if isinstance(found, NoExpectation):
        yield f"{where}: no expectation: {found.reason}"
        return
    said = f"{where}: expected {duration(found.seconds)} [{duration(found.low_seconds)} to "
    said += f"{duration(found.high_seconds)}]"
    limit = duration(slo.ttft_seconds)
    if found.seconds > slo.ttft_seconds:
        said += f", over the {limit} of ttft by {over(found.seconds / slo.ttft_seconds)}: not held under load"
    elif found.high_seconds > slo.ttft_seconds:
        said += f", whose high end is over the {limit} of ttft: it may not be held under load"
    yield f"{said}; half of such predictions were off by more than {found.median_error:.0%}"


def _beyond(choice: Choice) -> Iterable[str]:
    """That the pick is the largest batch of which anything is expected."""
    if choice.beyond is not None:
        yield (
            f"batch {choice.point.batch:,} is the largest of which anything is expected under this plan; a larger one "
            f"may cost less: {choice.beyond}"
        )


def _broken(slo: Slo, choice: Choice) -> Iterable[str]:
    """What keeps its limit in the middle of its interval, but not at the high end."""
    point = choice.point
    for name, expected, limit in (
        ("tpot", point.expected, slo.tpot_seconds),
        ("ttft", point.expected_ttft, slo.ttft_seconds),
    ):
        if limit is None or not isinstance(expected, Expected):
            continue
        if expected.seconds <= limit < expected.high_seconds:
            yield (
                f"{name} may be missed: the high end of its interval, {duration(expected.high_seconds)}, is over "
                f"{duration(limit)} by {over(expected.high_seconds / limit)}"
            )
