"""`--skew` and `--overlap` as the calculators take them: how the tokens of a batch spread over the experts."""

from __future__ import annotations

from pathlib import Path

from moecalc.calc.routing.experts import pools_of
from moecalc.calc.routing.inclusion import hottest_rank, layers_of
from moecalc.calc.routing.skewed import routing_under
from moecalc.calc.speed.traffic import SHARED, UNIFORM, Routing
from moecalc.errors import InputError
from moecalc.ir.rows import Ledger
from moecalc.specs.routing import HINT, UNIFORM_SKEW, Loads, Skew, is_law, parse_law


def skew_of(text: str | Skew) -> Skew:
    """A skew as typed: a law, or a file with a recording of real routing.

    Raises InputError for a law that is none and for a file that cannot be read.
    """
    if isinstance(text, Skew):
        return text
    if not isinstance(text, str):
        raise InputError(f"`skew` is {text!r}", hint=HINT)
    if is_law(text):
        return parse_law(text)
    from moecalc.sources.routing_records import SUFFIXES, read_recording

    if not text.strip() or (Path(text).suffix.lower() not in SUFFIXES and not Path(text).exists()):
        return parse_law(text)  # says which laws there are
    from moecalc.calc.routing.reuse import counts_of

    recording = read_recording(text)
    counts = recording.counts or counts_of(recording.array, recording.experts)
    return Skew(
        law="loads", loads=Loads(source=recording.source, counts=tuple(row for row in counts if any(row)))
    )


def routing_of(overlap: float = 1.0, skew: str | Skew = UNIFORM_SKEW, *, sorts: int | None = None) -> Routing:
    """How tokens are taken to choose their experts.

    `sorts` is how many sorts of experts the model has, where it is known: a skew needs a router, and a recording says
    of one. Raises InputError for an overlap outside [0, 1] or beside a skew, and as `skew_of` does.
    """
    if isinstance(overlap, bool) or not 0 <= overlap <= 1:  # nan is refused too
        raise InputError(
            f"`overlap` is {overlap!r}",
            hint="the share of a token that counts as a new draw of experts: 1 uniform, 0 all tokens on the same",
        )
    chosen = skew_of(skew)
    if chosen.law != "uniform":
        if overlap != 1:
            raise InputError(
                "`--skew` and `--overlap` both say how tokens share experts", hint="leave one of them out"
            )
        if sorts is not None:
            check_router(chosen, sorts)
        return routing_under(chosen)
    if overlap == 1:
        return UNIFORM
    return SHARED if overlap == 0 else Routing(overlap, f"overlap {overlap:g}")


def check_router(skew: Skew, sorts: int, option: str = "--skew") -> None:
    """Raise InputError where a skew, typed as that option, is of no use to a model with so many sorts of experts."""
    if sorts == 0:
        raise InputError(
            f"a dense model has no router that `{option} {skew.words}` could be of",
            hint=f"leave `{option}` out",
        )
    if skew.loads is not None and sorts > 1:
        raise InputError(
            f"the model has {sorts} sorts of experts, and a recording says of one",
            hint=f"name a law: `{option} zipf:1`",
        )


def fullest_rank(ledger: Ledger, skew: Skew, ranks: int) -> float:
    """The most loaded expert-parallel rank over the mean of an endless stream: 1 for a uniform law, or one rank.

    Raises InputError for a skew of a dense model, and loads that are not of this model.
    """
    if skew.law == "uniform":
        return 1.0
    pools = pools_of(ledger)
    check_router(skew, len(pools))
    if ranks == 1:
        return 1.0
    return max(hottest_rank(layers_of(skew, pool), ranks) for pool in pools)
