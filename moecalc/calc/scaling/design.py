"""Designs beside each other at one budget: what each trains on, and what the laws that speak of it say."""

from fractions import Fraction

import msgspec

from moecalc.calc.flops import training_flops
from moecalc.calc.parameters import active, by_group, total
from moecalc.calc.scaling.losses import leverage, sparse_loss, terms_of, two_term_loss
from moecalc.calc.scaling.mixture import Mixture, is_mixture, mixture_of
from moecalc.calc.scaling.optimum import RULE
from moecalc.ir.numeric import Number
from moecalc.ir.rows import Ledger
from moecalc.specs.scaling import AnyLaw, GranularLaw, JointLaw, LeverageLaw, LossLaw, SparseLaw

RATIOS = (20, 100, 500, 2000)
"""Tokens per active parameter: Chinchilla's, and what over-trained models were given (Llama 3 8B: 1,875)."""


class Design(msgspec.Struct, frozen=True, kw_only=True):
    """A model as training sees it."""

    name: str
    title: str
    source: str
    total: int
    active: Number
    """Expected parameters of a token, both embeddings among them."""
    total_without_embeddings: Number
    active_without_embeddings: Number
    flops_per_token: Fraction
    """Useful training FLOPs (causal pairs, all logits, forward and backward) at the sequence length."""
    routed: bool
    mixture: Mixture | None
    warnings: tuple[str, ...] = ()

    @property
    def rule_flops_per_token(self) -> Number:
        """6 N, N being the active parameters."""
        return RULE * self.active

    def flops_for(self, ratio: int) -> Fraction:
        """Training FLOPs, as counted, of so many tokens for each active parameter."""
        return self.flops_per_token * ratio * Fraction(self.active)


def design_of(
    name: str, title: str, source: str, ledger: Ledger, sequence: int, warnings: tuple[str, ...]
) -> Design:
    """What the laws and the budget ask of a ledger."""
    embeddings = by_group(ledger).get("embedding", (0, 0))[0] + by_group(ledger).get("head", (0, 0))[0]
    return Design(
        name=name,
        title=title,
        source=source,
        total=int(total(ledger)),
        active=active(ledger),
        total_without_embeddings=total(ledger) - embeddings,
        active_without_embeddings=active(ledger, "no_embeddings"),
        flops_per_token=Fraction(training_flops(ledger, sequence)) / sequence,
        routed=is_mixture(ledger),
        mixture=mixture_of(ledger),
        warnings=warnings,
    )


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a law says of a design on its tokens."""

    law: str
    what: str
    """`loss` (nats per token of the law's own data) or `leverage`."""
    value: float
    outside: tuple[str, ...]
    """What lies outside the range that the law was fitted over."""


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """A design on the tokens that a budget gives it."""

    design: Design
    tokens: int
    rule_tokens: int
    """What 6 N D would give it."""
    flops: Fraction
    """Of the run, as counted."""
    readings: tuple[Reading, ...]

    @property
    def tokens_per_parameter(self) -> Fraction:
        """Tokens over all parameters."""
        return Fraction(self.tokens, self.design.total)

    @property
    def tokens_per_active(self) -> Fraction:
        """Tokens over active parameters."""
        return Fraction(self.tokens) / Fraction(self.design.active)


def trained_with(design: Design, compute: int, laws: dict[str, AnyLaw]) -> Trained:
    """The design on as many whole tokens as so many training FLOPs allow."""
    tokens = int(compute / design.flops_per_token)
    return _trained(design, tokens, int(compute / Fraction(design.rule_flops_per_token)), laws)


def trained_on(design: Design, tokens: int, laws: dict[str, AnyLaw]) -> Trained:
    """The design on so many tokens."""
    return _trained(design, tokens, tokens, laws)


def _trained(design: Design, tokens: int, rule_tokens: int, laws: dict[str, AnyLaw]) -> Trained:
    flops = design.flops_per_token * tokens
    readings = [
        reading
        for name, law in laws.items()
        if tokens and (reading := reading_of(name, law, design, float(flops), tokens)) is not None
    ]
    return Trained(
        design=design, tokens=tokens, rule_tokens=rule_tokens, flops=flops, readings=tuple(readings)
    )


def reading_of(name: str, law: AnyLaw, design: Design, compute: float, tokens: int) -> Reading | None:
    """What a law says of a design; None where it speaks of other architectures."""
    place = _place(law, design)
    if place is None:
        return None
    size = float(design.active if law.embeddings else design.active_without_embeddings)
    every = float(design.total if law.embeddings else design.total_without_embeddings)
    figures = {"compute": compute, "active": size, "total": every, "tokens": tokens, **place}
    if isinstance(law, LeverageLaw):
        value = leverage(law, compute, place["activation"], place["granularity"])
        figures["leverage"] = value
        return Reading(law=name, what="leverage", value=value, outside=law.fitted.outside(**figures))
    if isinstance(law, SparseLaw):
        value = sparse_loss(law, every, tokens, place["sparsity"])
    else:
        assert isinstance(law, LossLaw | GranularLaw | JointLaw)
        value = two_term_loss(terms_of(law, **place), every if isinstance(law, GranularLaw) else size, tokens)
    return Reading(law=name, what="loss", value=value, outside=law.fitted.outside(**figures))


def _place(law: AnyLaw, design: Design) -> dict[str, float] | None:
    """Where the design stands among the architectures that a law compares; None where it is none of them."""
    if not design.routed:
        dense: dict[type[AnyLaw], dict[str, float]] = {
            LossLaw: {},
            JointLaw: {"experts": 1.0},
            SparseLaw: {"sparsity": 0.0},
        }
        return dense.get(type(law))
    return None if design.mixture is None else _place_of_mixture(law, design.mixture)


def _place_of_mixture(law: AnyLaw, mixture: Mixture) -> dict[str, float] | None:
    if isinstance(law, LeverageLaw):
        return {"activation": float(mixture.activation), "granularity": float(mixture.fineness)}
    if mixture.shared:  # the other laws have none
        return None
    if isinstance(law, SparseLaw):
        return {"sparsity": float(mixture.sparsity)}
    if isinstance(law, JointLaw) and mixture.used == 1:
        return {"experts": float(mixture.experts)}
    # Its experts are as many as expansion x granularity, and a token uses as many as the granularity.
    if isinstance(law, GranularLaw) and Fraction(mixture.experts) / Fraction(mixture.used) == law.expansion:
        return {"granularity": float(mixture.granularity)}
    return None
