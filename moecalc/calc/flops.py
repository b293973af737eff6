"""FLOPs of a step under named conventions: 2 per multiply-accumulate, look-ups 0.

Four choices are independent of each other, and a convention is a name for one of each:

            pairs    logits   latent attention   recurrences              elementwise recurrences
causal      causal   last     the cheaper form   chunk, one token: step   counted
useful      causal   all      the cheaper form   chunk, one token: step   counted
full        full     all      naive              chunk, one token: step   left out

`causal` is what serving a prompt or a token takes. `full` is what torch's FlopCounterMode counts in a plain forward
pass, which sees matmuls and convolutions only. `useful` is the numerator of model FLOPs utilization (MFU) in
training: all that the mathematics asks for and nothing twice; every position has a loss, so every position has
logits. PaLM (arXiv 2204.02311, appendix B), which coined MFU, left recomputation out but counted full pairs
(12 L H Q T per token), and torchtitan still does; Megatron-LM, verl and DeepSeek (arXiv 2505.09343, table 2) count
causal pairs, which no kernel can exceed by skipping the mask. For an MFU of PaLM's kind: `useful` with pairs full.

The form of latent attention: per layer, with n new tokens behind p cached ones, naive costs e (p + n) to expand every
key and a per pair, absorbed costs e n to fold every query and b per pair (a < b). So absorbed needs less where
e p > (b - a) x pairs: for DeepSeek-V3 (e = 33,554,432, b - a = 196,608) below 170.7 new tokens on a long cache,
in every cached decode, and never in a prompt with nothing behind it.
"""

from fractions import Fraction
from typing import Literal

import msgspec

from moecalc.errors import InputError, did_you_mean
from moecalc.ir.numeric import Number, minimum
from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger, Op, OpKind
from moecalc.ir.step import Choices, Form, Logits, Pairs, Step

Convention = Literal["causal", "full", "useful"]

LATENT_FORMS = frozenset({Form.NAIVE, Form.ABSORBED})
RECURRENT_FORMS = frozenset({Form.CHUNK, Form.STEP})
FORM_NAMES = ("naive", "absorbed", "chunk", "step", "counted")

COUNTED_WORDS = "counted: what transformers' pure-torch fallback executes; not what the layer needs"

TRAINING_OVER_FORWARD = 3
"""A matmul's backward pass is two of its size, one for each operand's gradient: so is a convolution's, and a reversed
recurrence runs about twice its forward. Left out: recomputation by whatever policy, the optimizer, the gradient of an
embedding (a scattered addition, as its forward is a look-up), norms, activations and the softmax."""


class Counting(msgspec.Struct, frozen=True, kw_only=True):
    """How FLOPs are counted: a convention, and the choices it stands for unless they were made one by one."""

    convention: Convention
    pairs: Pairs
    logits: Logits
    latent: Form | None = None
    """The form of latent attention; None for whichever needs less in the step at hand."""
    recurrence: Form | None = None
    """The form of recurrences; None for a state update per token where there is one, chunks where there are more."""
    elementwise: bool = True
    """Whether recurrences that are no matmul count."""

    @property
    def words(self) -> str:
        """The convention, and what was chosen otherwise: `causal`, or `causal, logits all`."""
        if self.recurrence is Form.COUNTED:
            return COUNTED_WORDS
        preset = PRESETS[self.convention]
        changed = [
            f"{name} {getattr(self, name).value}"
            for name in ("pairs", "logits", "latent", "recurrence")
            if getattr(self, name) is not getattr(preset, name)
        ]
        return ", ".join([self.convention, *changed])


PRESETS: dict[Convention, Counting] = {
    "causal": Counting(convention="causal", pairs=Pairs.CAUSAL, logits=Logits.LAST),
    "full": Counting(
        convention="full", pairs=Pairs.FULL, logits=Logits.ALL, latent=Form.NAIVE, elementwise=False
    ),
    "useful": Counting(convention="useful", pairs=Pairs.CAUSAL, logits=Logits.ALL),
}
CONVENTIONS: tuple[Convention, ...] = tuple(PRESETS)

How = Counting | Convention
"""A way to count: a convention by name, or with choices of its own."""


def counting(
    convention: str = "causal", pairs: str | None = None, logits: str | None = None, form: str | None = None
) -> Counting:
    """A convention with single choices in its place where they are given.

    `form` is naive or absorbed (latent attention), chunk or step (recurrences), or one of each: `naive,step`; or
    `counted`, which is one fixed count: `full` as the reference executes it. Raises InputError naming the choices.
    """
    chosen = PRESETS[check_convention(convention)]
    if pairs is not None:
        chosen = msgspec.structs.replace(
            # A third kind is of moecalc's own runner and no way to count.
            chosen,
            pairs=Pairs(_one_of(pairs, "pairs", [Pairs.CAUSAL.value, Pairs.FULL.value])),
        )
    if logits is not None:
        kind = Logits(_one_of(logits, "logits", [kind.value for kind in Logits]))
        chosen = msgspec.structs.replace(chosen, logits=kind)
    if form is not None and not isinstance(form, str):
        raise InputError(f"`form` is {form!r}", hint="name one, or two with a comma: naive,step")
    forms = chosen_forms(form)
    if forms == (Form.COUNTED,):
        if (chosen.convention == "useful") or pairs == "causal" or logits == "last":
            raise InputError(
                "the form `counted` is what the reference executes: all score positions, all logits",
                hint="leave `convention`, `pairs` and `logits` out",
            )
        return msgspec.structs.replace(PRESETS["full"], recurrence=Form.COUNTED)
    for picked in forms:
        field = "latent" if picked in LATENT_FORMS else "recurrence"
        chosen = msgspec.structs.replace(chosen, **{field: picked})
    return chosen


def chosen_forms(form: str | None) -> tuple[Form, ...]:
    """The forms that a choice names. Raises InputError for an unknown one, and for two that exclude each other."""
    names = () if form is None else tuple(name.strip() for name in form.split(","))
    forms = tuple(Form(_one_of(name, "form", list(FORM_NAMES))) for name in names)
    if Form.COUNTED in forms and len(forms) > 1:
        raise InputError(f"`form` is `{form}`, and `counted` stands alone", hint="`counted`, or the others")
    for kind, what in ((LATENT_FORMS, "latent attention"), (RECURRENT_FORMS, "recurrences")):
        if sum(picked in kind for picked in forms) > 1:
            known = " or ".join(f"`{name}`" for name in FORM_NAMES if Form(name) in kind)
            raise InputError(f"`form` is `{form}`: two forms of {what}", hint=f"choose one of them: {known}")
    return forms


def check_forms(ledger: Ledger, form: str | None) -> None:
    """Raise InputError, naming the forms that this model has, where one was chosen that none of its layers runs in."""
    there = {known for op in ledger.ops if op.component is Component.LANGUAGE for known in op.forms}
    missing = [picked.value for picked in chosen_forms(form) if picked not in there]
    if not missing:
        return
    have = [name for name in FORM_NAMES if Form(name) in there]
    words = {
        "counted": "transformers executes what its layers need",
    }.get(missing[0], "none of its layers runs in it")
    raise InputError(
        f"this model has no form `{missing[0]}`: {words}",
        hint=f"its forms: {', '.join(have)}" if have else "its layers have one form each: leave `form` out",
    )


def check_convention(name: str) -> Convention:
    """The convention of that name. Raises InputError naming the choices."""
    for convention in CONVENTIONS:
        if name == convention:
            return convention
    raise InputError(f"unknown convention `{name}`", hint=f"conventions: {', '.join(CONVENTIONS)}")


def step_flops(ledger: Ledger, step: Step, how: How = "causal") -> Number:
    """FLOPs of one forward step of the language model over its batch, exact under the choices made."""
    how = _counting(how)
    rows = counted_rows(ledger, how)
    latent = [op for op in rows if op.forms & LATENT_FORMS]
    if how.latent is not None or not latent:
        return _sum(rows, step, _choices(step, how, how.latent or Form.NAIVE))
    plain = [op for op in rows if not op.forms & LATENT_FORMS]
    naive, absorbed = (_sum(latent, step, _choices(step, how, form)) for form in (Form.NAIVE, Form.ABSORBED))
    return _whole(_sum(plain, step, _choices(step, how, Form.NAIVE)) + minimum(naive, absorbed))


def training_flops(ledger: Ledger, sequence: Number, how: How = "useful", batch: Number = 1) -> Number:
    """FLOPs of a forward and a backward pass over sequences of that length: three times forward, logits for all."""
    every = msgspec.structs.replace(_counting(how), logits=Logits.ALL)
    return TRAINING_OVER_FORWARD * step_flops(ledger, Step.prefill(sequence, batch), every)


def choices_for(ledger: Ledger, step: Step, how: How) -> Choices:
    """The choices under which `step_flops` counts this step: each open form decided."""
    how = _counting(how)
    return _choices(step, how, cheaper_form(ledger, step, how))


def cheaper_form(ledger: Ledger, step: Step, how: How = "causal") -> Form:
    """The form of latent attention that counts in this step: the one chosen, else whichever needs less."""
    how = _counting(how)
    if how.latent is not None:
        return how.latent
    latent = [op for op in counted_rows(ledger, how) if op.forms & LATENT_FORMS]
    naive, absorbed = (_sum(latent, step, _choices(step, how, form)) for form in (Form.NAIVE, Form.ABSORBED))
    return Form.NAIVE if naive <= absorbed else Form.ABSORBED


def counted_rows(ledger: Ledger, how: How) -> list[Op]:
    """The operations of the language model that the convention sees."""
    elementwise = _counting(how).elementwise
    return [
        op
        for op in ledger.ops
        if op.component is Component.LANGUAGE and (elementwise or op.kind is not OpKind.SCAN)
    ]


def _counting(how: How) -> Counting:
    return how if isinstance(how, Counting) else PRESETS[how]


def _choices(step: Step, how: Counting, latent: Form) -> Choices:
    one = isinstance(step.new, int) and step.new == 1
    recurrence = how.recurrence or (Form.STEP if one else Form.CHUNK)
    return Choices(how.pairs, how.logits, frozenset({latent, recurrence}))


def _one_of(value: str, name: str, known: list[str]) -> str:
    if value in known:
        return value
    near = did_you_mean(value, known, n=1)
    hint = f"{name}: {', '.join(known)}" + (f"; did you mean `{near[0]}`?" if near else "")
    raise InputError(f"unknown {name} `{value}`", hint=hint)


def _sum(rows: list[Op], step: Step, choices: Choices) -> Number:
    return _whole(sum(op.flops(step, choices) for op in rows))


def _whole(total: Number) -> Number:
    return int(total) if isinstance(total, Fraction) and total.denominator == 1 else total
