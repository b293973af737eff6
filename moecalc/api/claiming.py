"""`claim`: statements about a model, from a sentence, from parts or from a file, held against what can be."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from moecalc.checks.claiming.claim import Claim, make_claim
from moecalc.checks.claiming.figure import Figure
from moecalc.checks.claiming.judging import Judged, judge, region_of
from moecalc.checks.claiming.subject import Counted, Shaped, Subject, fewest_bits
from moecalc.errors import InputError
from moecalc.specs import fleet as fleets
from moecalc.units import parse_parameters

if TYPE_CHECKING:
    from pathlib import Path

    from moecalc.checks.claiming.catalogue import Convention

NAMELESS = "no model named"


def claim(
    sentence: str | None = None, parts: Mapping[str, Any] | None = None, name: str | None = None
) -> Judged:
    """Judge one claim: a sentence, parts by name (`model`, `total`, `gpu`, ...), or both, which must not overlap.

    Raises InputError where a sentence or a part cannot be read, a name is nobody's, or nothing is stated.
    """
    given = {part: value for part, value in (parts or {}).items() if value is not None}
    not_understood: tuple[str, ...] = ()
    if sentence is not None:
        from moecalc.checks.claiming.grammar import read_sentence

        reading = read_sentence(sentence)
        not_understood = reading.not_understood
        made = _merged(reading.claim, make_claim(given)) if given else reading.claim
    else:
        made = make_claim(given)
    if not made.said:
        raise InputError(
            "nothing is claimed",
            hint='`moecalc claim "Mixtral 8x22B, 39B active, int4 on 1x h100"`, or `--model ... --total ...`',
        )
    fleet = None if made.gpu is None else fleets.parse(made.gpu)
    subject = subject_of(made)
    findings = judge(made, subject, fleet)
    region = region_of(made, subject, fleet)
    if not findings and region is None:
        raise InputError(
            f"nothing is stated of `{made.model or made.gpu or made.quant}`",
            hint="state a figure to judge: `--total`, `--active`, `--vram`, `--gpu`, `--tokens-per-second`, `--price`",
        )
    return Judged(
        claim=made,
        findings=findings,
        sentence=sentence,
        name=name,
        model=subject.name if made.model is not None else None,
        not_understood=not_understood,
        region=region,
    )


def claims_in(path: str | Path) -> tuple[Judged, ...]:
    """Judge every claim of a file, in its order. Raises InputError, with file and line."""
    from moecalc.checks.claiming.file import read_file

    judged = []
    for entry in read_file(path):
        try:
            made = claim(entry.sentence, entry.parts, entry.name)
        except InputError as error:
            raise error.at(str(path), entry.line) from None
        judged.append(replace(made, line=entry.line))
    return tuple(judged)


def catalogue() -> tuple[Convention, ...]:
    """Every claim of the catalogue, judged: by the convention it names, and by the one that reproduces it."""
    from moecalc.api.loading import load
    from moecalc.api.model import Model
    from moecalc.checks.claiming.catalogue import conventions
    from moecalc.sources import catalog

    found: list[Convention] = []
    for name in catalog.files():
        model = load(name)
        if isinstance(model, Model) and model.claims:
            found += conventions(_shaped(model, None), model.claims)
    return tuple(found)


def subject_of(made: Claim) -> Subject:
    """What a claim is about. Raises InputError for an unknown model or quantization."""
    if made.model is None:
        return Counted(
            name=NAMELESS,
            total=_value(made.total),
            active=_value(made.active),
            quant=made.quant,
            bits=_bits(made.quant),
        )
    from moecalc.api.loading import load
    from moecalc.api.model import Model

    model = load(made.model)
    if isinstance(model, Model):
        return _shaped(model, made.quant)
    stated = {
        said.what: Fraction(parse_parameters(said.figure))
        for said in model.outline
        if said.figure is not None and said.provenance == "confirmed" and said.what in ("total", "active")
    }
    numbers = model.numbers
    return Counted(
        name=model.name,
        total=Fraction(numbers.total) if numbers else stated.get("total") or _value(made.total),
        active=Fraction(numbers.active) if numbers else stated.get("active") or _value(made.active),
        quant=made.quant,
        bits=_bits(made.quant),
        outline=model.outline,
        trained=model.context_length,
    )


def _value(figure: Figure | None) -> Fraction | None:
    return None if figure is None else figure.value


def _shaped(model: Any, quant: str | None) -> Shaped:
    from moecalc.api.precision import plain_precision, precision_for
    from moecalc.checks.claiming.names import PLAIN
    from moecalc.specs.formats import Precision

    precision: Precision = model.precision
    if quant is not None:
        try:
            precision = precision_for(model, quant)
        except InputError:
            if quant.strip().lower() not in PLAIN:
                raise
            precision = plain_precision(quant)
    return Shaped(
        name=model.name,
        title=model.title,
        ledger=model.ledger,
        precision=precision,
        kv_dtype=model.kv_name(None),
        quant=quant,
        bits=fewest_bits(quant, precision),
        trained=model.context_length,
        pins=model.pins,
    )


def _bits(quant: str | None) -> Fraction | None:
    if quant is None:
        return None
    from moecalc.checks.claiming.names import PLAIN, is_quantization
    from moecalc.specs.formats import Precision

    name = quant.strip().lower()
    if name in PLAIN:
        return fewest_bits(None, Precision(name))
    if not is_quantization(name):
        from moecalc.api.precision import unknown_recipe

        raise unknown_recipe(quant)
    return fewest_bits(quant, Precision())


def _merged(read: Claim, given: Claim) -> Claim:
    both = [part for part in given.said if part in read.said and part != "priced"]
    if both:
        raise InputError(
            f"`{both[0]}` is said in the sentence and by an option", hint="leave one of them out"
        )
    return replace(read, **given.said)
