"""Speculative decoding: k drafted tokens are checked in one step of the model that takes k + 1 positions per sequence.

With an acceptance rate a, the same at every position and independent, a step yields (1 - a^(k+1)) / (1 - a) tokens
(Leviathan, Kalman and Matias 2023, arXiv 2211.17192, equation 1). The draft costs what the model's own prediction
modules read and multiply, and the model's head for each drafted token. Positions choose their experts like tokens of
other sequences do, so a step touches more of them: that, and the arithmetic of positions thrown away, is what larger
batches lose by it.
"""

from collections.abc import Sequence

import msgspec

from moecalc.calc.deploy.ranks import Sharded
from moecalc.calc.speed.roofline import Roofline
from moecalc.calc.speed.traffic import UNIFORM, Routing
from moecalc.errors import InputError
from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger
from moecalc.specs.formats import Precision

MOST_DRAFTED = 64
"""More tokens than any published drafter proposes at once."""

BATCHES = (1, 4, 16, 64, 256, 1024, 4096)
"""Batches that are shown where none are named, as far as they fit; the largest that fits beside them."""

UNMEASURED = (
    "no published measurement with speculative decoding stands behind the fits, and checking drafted positions is not "
    "decoding so many sequences"
)
"""Why nothing is expected of it (docs/measurements.md: such rows are excluded)."""


class Gain(msgspec.Struct, frozen=True, kw_only=True):
    """Plain and speculative decoding at one batch, at the ceiling."""

    batch: int
    plain_seconds: float
    """Of a step, which yields one token per sequence."""
    verify_seconds: float
    draft_seconds: float
    accepted: float
    """Tokens per sequence that a speculative step yields."""

    @property
    def seconds_per_token(self) -> float:
        """Between two tokens of one sequence, in the mean."""
        return (self.verify_seconds + self.draft_seconds) / self.accepted

    @property
    def speedup(self) -> float:
        """How many times faster than plain decoding; below 1 is slower."""
        return self.plain_seconds / self.seconds_per_token


class Speculation(msgspec.Struct, frozen=True, kw_only=True):
    """What speculation yields over batch sizes."""

    drafted: int
    acceptance: float
    accepted: float
    draft: str
    """What drafts, in words."""
    gains: tuple[Gain, ...]

    @property
    def share(self) -> float:
        """Of all drafted tokens, those that are accepted: what engines report as their rate; at most `acceptance`."""
        return (self.accepted - 1) / self.drafted

    @property
    def words(self) -> str:
        """What is assumed of drafted tokens, and what that comes to."""
        each = f"each accepted with probability {self.acceptance:g} where those before it are"
        return f"{self.drafted} drafted a step, {each}: {self.share:.0%} of all, and {self.accepted:.2f} tokens a step"


class Drafter(msgspec.Struct, frozen=True, kw_only=True):
    """Prediction modules as a roofline of their own, on the devices of the last stage."""

    roofline: Roofline
    modules: int
    """Modules that draft one token each; a single one is run again for each further token."""
    passes: int | None = None
    """How often the whole drafter runs for all tokens; None: once for each token."""

    def seconds(self, batch: int, context: int, drafted: int, routing: Routing = UNIFORM) -> float:
        """The least that drafting takes."""
        one = self.roofline.decode(batch, context, routing).seconds
        times = drafted / self.modules if self.passes is None else self.passes
        return float(one * times)


def accepted_tokens(drafted: int, acceptance: float) -> float:
    """Expected tokens of a speculative step: the accepted ones, and the model's own behind them."""
    if acceptance == 1:
        return drafted + 1.0
    return (1 - acceptance ** (drafted + 1)) / (1 - acceptance)


def check(drafted: int | None, acceptance: float | None) -> None:
    """Raise InputError for one without the other, and for values that cannot be."""
    if drafted is None and acceptance is None:
        return
    if drafted is None:
        raise InputError(
            f"`--accept {acceptance}` without a number of drafted tokens", hint="add `--speculate 3`"
        )
    if acceptance is None:
        raise InputError(
            f"`--speculate {drafted}` without an acceptance rate: it decides whether anything is gained",
            hint="add `--accept 0.7`: how likely a drafted token is accepted where those before it were",
        )
    if isinstance(drafted, bool) or not 1 <= drafted <= MOST_DRAFTED:
        raise InputError(f"`--speculate` is {drafted!r}", hint=f"a whole number from 1 to {MOST_DRAFTED}")
    if isinstance(acceptance, bool) or not 0 <= acceptance <= 1:
        raise InputError(f"`--accept` is {acceptance!r}", hint="a probability from 0 to 1, e.g. 0.7")


def shown_batches(most: int | None, asked: int) -> tuple[int, ...]:
    """The batches of the table: those that fit, the largest of them, and the one that was asked about."""
    fitting = {batch for batch in BATCHES if most is not None and batch <= most}
    largest = {most} if most is not None and most <= BATCHES[-1] else set()
    return tuple(sorted({*fitting, *largest, asked}))


def speculate(
    roofline: Roofline,
    drafter: Drafter | None,
    batches: Sequence[int],
    context: int,
    drafted: int,
    acceptance: float,
    routing: Routing = UNIFORM,
) -> tuple[Gain, ...]:
    """Plain and speculative decoding over batch sizes; without a drafter its cost is left out."""
    accepted = accepted_tokens(drafted, acceptance)
    return tuple(
        Gain(
            batch=batch,
            plain_seconds=float(roofline.decode(batch, context, routing).seconds),
            verify_seconds=float(roofline.verify(batch, context, drafted + 1, routing).seconds),
            draft_seconds=drafter.seconds(batch, context, drafted, routing) if drafter else 0.0,
            accepted=accepted,
        )
        for batch in batches
    )


def drafter_of(roofline: Roofline, modules: int, passes: int | None = None) -> Drafter | None:
    """The model's own prediction modules with its head; None where it has none."""
    ledger = roofline.sharded.ledger
    own = ledger.part(Component.MTP)
    if not own.weights:
        return None
    precision = roofline.precision
    # Each drafted token is chosen by the model's head.
    head = [
        msgspec.structs.replace(
            weight, tied_to=None, stored_as=precision.format_of(weight).name, applications=modules
        )
        for weight in ledger.weights
        if weight.component is Component.LANGUAGE and weight.role.group == "head"
    ]
    multiplied = [
        msgspec.structs.replace(op, applications=modules)
        for op in ledger.ops
        if op.component is Component.LANGUAGE and op.role.group == "head"
    ]
    # Rows of the modules as those of a model of their own, each in the format that it has beside the language model.
    weights = [
        msgspec.structs.replace(
            weight, component=Component.LANGUAGE, stored_as=precision.format_of(weight).name
        )
        for weight in own.weights
    ]
    rows = Ledger(
        (*weights, *head),
        (*(msgspec.structs.replace(op, component=Component.LANGUAGE) for op in own.ops), *multiplied),
        tuple(msgspec.structs.replace(state, component=Component.LANGUAGE) for state in own.states),
    )
    plan = msgspec.structs.replace(roofline.plan, pipeline=1, stages=())
    return Drafter(
        roofline=Roofline(
            sharded=Sharded(ledger=rows, plan=plan),
            precision=Precision(precision.default),
            kv_dtype=roofline.kv_dtype,
            machines=roofline.machines[-1:],
        ),
        modules=modules,
        passes=passes,
    )
