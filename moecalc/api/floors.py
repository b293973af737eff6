"""The latency floor in a comparison: where small batches run into what no bandwidth shortens."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from moecalc.api.model import AnyModel, Model
from moecalc.api.speed import speed
from moecalc.calc.comparing.verdict import Subject
from moecalc.calc.speed.expectation import Expected
from moecalc.errors import InputError, UndeterminedError
from moecalc.render.rates import duration
from moecalc.specs.fleet import Fleet, Group
from moecalc.specs.hardware import Accelerator

SHARE = 1 / 3
"""Of an expected step: below it bytes and arithmetic decide, and the floor is not named."""


class Floor(msgspec.Struct, frozen=True, kw_only=True):
    """A decode step of one sequence as expected, and its part that is latency; seconds."""

    name: str
    gpus: int
    device: str
    ceiling: float
    expected: float
    latency: float


def floors(
    models: Iterable[AnyModel],
    subjects: Iterable[Subject],
    card: Accelerator,
    context: int,
    quant: str | None,
    kv_dtype: str | None,
) -> Iterator[Floor]:
    """Of each model for which something is expected on the devices that it is compared on."""
    for model, subject in zip(models, subjects, strict=True):
        if subject.deployment is None or not isinstance(model, Model):
            continue
        gpus = subject.deployment.gpus
        try:
            found = speed(model, Fleet((Group(card, gpus),)), context=context, quant=quant, kv_dtype=kv_dtype)
        except (InputError, UndeterminedError):
            continue  # no plan spreads it over so many, or the device's peaks are not known: no expectation
        decode = found.decode
        if isinstance(decode.expected, Expected) and found.latency_seconds is not None:
            yield Floor(
                name=model.name,
                gpus=gpus,
                device=card.name,
                ceiling=float(decode.ceiling.seconds),
                expected=decode.expected.seconds,
                latency=found.latency_seconds,
            )


def floor_sentences(found: Sequence[Floor]) -> tuple[str, ...]:
    """One sentence where latency is a large part of a step at batch 1; what it does to the ratio of the first two."""
    if not any(floor.latency > SHARE * floor.expected for floor in found):
        return ()
    parts = [
        f"{duration(floor.latency)} of the {duration(floor.expected)} that a step of {floor.name} is expected to take "
        f"on {floor.gpus}x {floor.device}"
        for floor in found
    ]
    said = f"At batch 1 the latency floor counts, which no bandwidth shortens: {'; '.join(parts)}"
    if len(found) > 1:
        first, second = found[:2]
        gpus = first.gpus / second.gpus
        said += (
            f". There {first.name} costs {first.expected / second.expected * gpus:.2f}x of {second.name} as expected, "
            f"{first.ceiling / second.ceiling * gpus:.2f}x at the ceiling of that plan"
        )
    return (said + ".",)
