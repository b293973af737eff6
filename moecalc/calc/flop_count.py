"""All that `moecalc flops` answers: decode, prefill and training by component, the crossover, the rules of thumb."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import msgspec

from moecalc.calc import parameters
from moecalc.calc.crossover import Crossover, crossover
from moecalc.calc.flop_shares import component_of, shares
from moecalc.calc.flops import (
    LATENT_FORMS,
    TRAINING_OVER_FORWARD,
    Counting,
    cheaper_form,
    counted_rows,
)
from moecalc.calc.lines import counting_of, media_words
from moecalc.calc.media import tower_flops
from moecalc.ir.numeric import Number
from moecalc.ir.rows import Ledger
from moecalc.ir.step import Logits, Media, Step
from moecalc.report import Line, plain
from moecalc.specs.workload import Workload


class StepCount(msgspec.Struct, frozen=True, kw_only=True):
    """FLOPs of one sequence's share of a step, by component."""

    id: str
    label: str
    tokens: int
    """New tokens of the sequence."""
    parts: dict[str, Number]
    how: str
    """The choices in force in this step, in words."""

    @property
    def total(self) -> Number:
        """FLOPs of all its tokens."""
        return _exact(sum(self.parts.values()))

    @property
    def per_token(self) -> Number:
        """FLOPs of one token in the mean."""
        return _exact(Fraction(self.total) / self.tokens)

    def share(self, component: str) -> Fraction:
        """The part of the total that a component makes up."""
        share: Fraction = Fraction(self.parts.get(component, 0)) / self.total
        return share


class TowerCount(msgspec.Struct, frozen=True, kw_only=True):
    """FLOPs of a tower over the images, or the sound, of one sequence, by component."""

    id: str
    label: str
    parts: dict[str, Number]

    @property
    def total(self) -> Number:
        """FLOPs of the whole tower with its projectors."""
        return _exact(sum(self.parts.values()))


class Rule(msgspec.Struct, frozen=True):
    """A rule of thumb, what it says per token, and what is so. `error` is said / so - 1."""

    name: str
    value: Number
    step: str
    error: Fraction


class FlopCount(msgspec.Struct, frozen=True, kw_only=True):
    """FLOPs of a model under a workload."""

    how: str
    batch: int
    steps: tuple[StepCount, ...]
    towers: tuple[TowerCount, ...] = ()
    """Only where there are images or sound."""
    crossover: Crossover
    rules: tuple[Rule, ...]

    @property
    def components(self) -> list[str]:
        """The components of all steps, in the order of the layers."""
        return list(dict.fromkeys(name for step in self.steps for name in step.parts))

    def lines(self) -> list[Line]:
        """Public lines: each step per token, for one sequence, and for the batch."""
        made = []
        for step in self.steps:
            for name, label, value in (
                (f"{step.id}_per_token", f"FLOPs per token, {step.label}", step.per_token),
                (step.id, f"FLOPs, {step.label}", step.total),
                (f"{step.id}_step", f"FLOPs, {step.label}, batch {self.batch:,}", self.batch * step.total),
            ):
                made.append(
                    Line(
                        id=f"flops.{name}",
                        label=label,
                        value=value,
                        unit="FLOPs",
                        basis="convention",
                        formula="2 per multiply-accumulate",
                        note=step.how,
                    )
                )
        for tower in self.towers:
            for name, label, value in (
                (tower.id, f"FLOPs, {tower.label}", tower.total),
                (f"{tower.id}_step", f"FLOPs, {tower.label}, batch {self.batch:,}", self.batch * tower.total),
            ):
                made.append(
                    Line(
                        id=f"flops.{name}",
                        label=label,
                        value=value,
                        unit="FLOPs",
                        basis="convention",
                        formula="2 per multiply-accumulate, the whole tower with its projectors",
                        note="beside the prompt",
                    )
                )
        return made

    def to_dict(self) -> dict[str, Any]:
        """The breakdown, the crossover and the rules as JSON has them."""
        return {
            "convention": self.how,
            "breakdown": [
                {
                    "component": name,
                    **{step.id: plain(_exact(step.parts.get(name, 0))) for step in self.steps},
                }
                for name in self.components
            ],
            "towers": [
                {"tower": tower.id, "component": name, "flops": plain(value)}
                for tower in self.towers
                for name, value in tower.parts.items()
            ],
            "crossover_context": self.crossover.context,
            "crossover_note": self.crossover.reason,
            "rules_of_thumb": [
                {
                    "rule": rule.name,
                    "flops_per_token": plain(rule.value),
                    "against": f"flops.{rule.step}_per_token",
                    "error": float(rule.error),
                }
                for rule in self.rules
            ],
        }


def count_flops(ledger: Ledger, workload: Workload) -> FlopCount:
    """Count one decoded token at the context, the prompt, and training on sequences as long as the prompt.

    Raises InputError for a convention or a choice that does not exist.
    """
    how, media = counting_of(workload, ledger), workload.media
    decode = Step.decode(workload.context, media=media)
    prefill = Step(workload.prompt, workload.past, media=media)
    training = Step.prefill(workload.prompt, media=media)
    every_logit = msgspec.structs.replace(how, logits=Logits.ALL)
    behind = f" behind {workload.past:,}" if workload.past else ""
    steps = (
        _count("decode", f"decode, {workload.context:,} keys", ledger, decode, how),
        _count("prefill", f"prompt of {workload.prompt:,}{behind}", ledger, prefill, how),
        _count(
            "training",
            f"training on {workload.prompt:,}",
            ledger,
            training,
            every_logit,
            times=TRAINING_OVER_FORWARD,
        ),
    )
    return FlopCount(
        how=how.words,
        batch=workload.batch,
        steps=steps,
        towers=tuple(_towers(ledger, media, how)),
        crossover=crossover(ledger, how, media),
        rules=tuple(_rules(ledger, steps)),
    )


def _towers(ledger: Ledger, media: Media, how: Counting) -> Iterator[TowerCount]:
    for component, words in media_words(media).items():
        parts: dict[str, Number] = {}
        for role, value in tower_flops(ledger, component, media, how).items():
            parts[component_of(role)] = parts.get(component_of(role), 0) + value
        yield TowerCount(id=component.value, label=words, parts=parts)


def _count(name: str, label: str, ledger: Ledger, step: Step, how: Counting, times: int = 1) -> StepCount:
    parts = {part: times * value for part, value in shares(ledger, step, how).items()}
    return StepCount(id=name, label=label, tokens=step.new, parts=parts, how=_words(ledger, step, how))


def _words(ledger: Ledger, step: Step, how: Counting) -> str:
    """The choices, and of latent attention the form that came out of them."""
    if how.latent is None and any(op.forms & LATENT_FORMS for op in counted_rows(ledger, how)):
        return f"{how.words}, latent {cheaper_form(ledger, step, how).value}"
    return how.words


def _rules(ledger: Ledger, steps: tuple[StepCount, ...]) -> list[Rule]:
    """2N per token forward and 6N in training (Kaplan et al. 2020, arXiv 2001.08361, section 2.1)."""
    sizes = {"N": parameters.total(ledger), "N_active": parameters.active(ledger)}
    if sizes["N"] == sizes["N_active"]:
        del sizes["N_active"]
    exact = {step.id: step.per_token for step in steps}
    return [
        Rule(f"{factor}{name}", _exact(factor * size), step, Fraction(factor * size) / exact[step] - 1)
        for factor, step in ((2, "decode"), (6, "training"))
        for name, size in sizes.items()
    ]


def _exact(value: Number) -> Number:
    return int(value) if isinstance(value, Fraction) and value.denominator == 1 else value
