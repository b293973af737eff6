"""The latency floor in a comparison: where small batches run into what no bandwidth shortens."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from moecalc.api.model import AnyModel, Model
from moecalc.api.speed import speed
from moecalc.calc.comparing.verdict import Subject
from moecalc.calc.speed.expectation import Expected, expect_decode
from moecalc.calc.speed.latency import latency_seconds
from moecalc.calc.speed.speed import Speed
from moecalc.errors import InputError, UndeterminedError
from moecalc.render.rates import duration
from moecalc.specs.fleet import Fleet, Group
from moecalc.specs.hardware import Accelerator

SHARE = 1 / 3
"""Of an expected step: below it bytes and arithmetic decide, and the floor is not named."""


class Floor(msgspec.Struct, frozen=True, kw_only=True):
    """A decode step of one sequence as expected, and its part that is latency."""

    name: str
    gpus: int
    device: str
    ceiling_seconds: float
    expected_seconds: float
    latency_seconds: float
    under_load: tuple[tuple[int, float], ...]
    """(batch, share of an expected step that is latency) under continuous batching, where something is expected."""


def floors(
    models: Iterable[AnyModel],
    subjects: Iterable[Subject],
    card: Accelerator,
    context: int,
    quant: str | None,
    kv_dtype: str | None,
    batches: Sequence[int],
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
            held = [batch for batch in batches if 1 < batch <= subject.deployment.capacity]
            yield Floor(
                name=model.name,
                gpus=gpus,
                device=card.name,
                ceiling_seconds=float(decode.ceiling.seconds),
                expected_seconds=decode.expected.seconds,
                latency_seconds=found.latency_seconds,
                under_load=tuple(_under_load(found, held)),
            )


def _under_load(found: Speed, batches: Iterable[int]) -> Iterator[tuple[int, float]]:
    for batch in batches:
        context = found.decode.context
        expected = expect_decode(found.roofline, batch, context, engine=found.engine, served=True)
        latency = latency_seconds(found.roofline, batch, context, expected)
        if isinstance(expected, Expected) and latency is not None:
            yield batch, latency / expected.seconds


def floor_sentences(found: Sequence[Floor], names: Sequence[str]) -> tuple[str, ...]:
    """What latency is of the steps at batch 1, and what it does to the ratio of the first two; none where it is little.

    `names` are all models compared: of those without a floor nothing is expected, which is said.
    """
    if not any(floor.latency_seconds > SHARE * floor.expected_seconds for floor in found):
        return ()
    steps = [
        f"{duration(floor.latency_seconds)} of the {duration(floor.expected_seconds)} that a step of {floor.name} is "
        f"expected to take on {floor.gpus}x {floor.device}{_later(floor)}"
        for floor in found
    ]
    said = f"At batch 1 the latency floor counts, which no bandwidth shortens: {'; '.join(steps)}."
    if len(found) > 1:
        first, second = found[:2]
        gpus = first.gpus / second.gpus
        ceiling = first.ceiling_seconds / second.ceiling_seconds * gpus
        expected = first.expected_seconds / second.expected_seconds * gpus
        said += (
            f" So {first.name} costs {expected:.2f}x of {second.name} as expected there, {ceiling:.2f}x at the ceiling "
            "of that plan."
        )
    without = [name for name in names if name not in {floor.name for floor in found}]
    if without:
        said += f" Nothing is expected of {' and '.join(without)} there."
    return (said,)


def _later(floor: Floor) -> str:
    """` (under load 37% at batch 4, 13% at 59)`."""
    if not floor.under_load:
        return ""
    batches = dict.fromkeys((floor.under_load[0], floor.under_load[-1]))
    shares = [f"{share:.0%} at {'batch ' * (not at)}{batch:,}" for at, (batch, share) in enumerate(batches)]
    return f" ({floor.latency_seconds / floor.expected_seconds:.0%}; under load {', '.join(shares)})"
