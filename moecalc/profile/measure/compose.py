"""A whole model from its parts, where the whole does not fit: base plus each kind's layers.

The base is the model without layers: embeddings, final norm, head. Some layers of each kind are measured on top of it,
so that a layer has (base with its layers - base) / their number, and the whole has base + sum over kinds of number x
layer: parameters, bytes and FLOPs exactly, and time as far as layers do not share anything (a cache that one warms for
the next, launches that overlap). The two times of a difference are taken in turn, call by call, for a machine that is
disturbed in one of them makes layers of any length. Memory that comes and goes with a layer is that of the hungriest
part.
"""

from collections.abc import Callable, Sequence
from statistics import median

import msgspec

from moecalc.profile.measure.steps import Sample, StepSample, Touched
from moecalc.specs.runs import Timing

LEAST_LAYERS = 4
"""Of a kind that are measured where the model has as many and the device holds them."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of layer, measured on top of the base."""

    kind: str
    layers: int
    """Of that kind that the whole model runs."""
    stored: int
    """Of that kind that it stores."""
    measured_layers: int
    """Of that kind in what was measured."""
    sample: Sample
    base: Sample
    """The same network without its layers, timed in turn with it."""


def composed(parts: Sequence[Part]) -> Sample:
    """The sample of the whole; every part was measured in the same steps, in their order."""
    base = parts[0].base
    return Sample(
        parameters=_stored(base.parameters, [part.sample.parameters for part in parts], parts),
        weight_bytes=_stored(base.weight_bytes, [part.sample.weight_bytes for part in parts], parts),
        steps=tuple(_step(index, parts) for index in range(len(base.steps))),
        uncounted=tuple(dict.fromkeys(name for part in parts for name in part.sample.uncounted)),
    )


def composed_timing(bases: Sequence[Timing], of_parts: Sequence[Timing], parts: Sequence[Part]) -> Timing:
    """The time of the whole. Its spread is that of parts all as fast, or all as slow, as they ever were.

    A layer that took less than nothing, by noise, counts as nothing (`lost` names it).
    """

    def whole(pick: Callable[[Timing], float]) -> float:
        shares = [(part.layers, part.measured_layers) for part in parts]
        return composed_seconds(
            [pick(timing) for timing in bases], [pick(timing) for timing in of_parts], shares
        )

    middle = whole(lambda timing: timing.seconds)
    return Timing(
        seconds=middle,
        low_seconds=min(middle, whole(lambda timing: timing.low_seconds)),
        high_seconds=max(middle, whole(lambda timing: timing.high_seconds)),
        repeats=min(timing.repeats for timing in (*bases, *of_parts)),
        clock="; ".join(dict.fromkeys(timing.clock for timing in (*bases, *of_parts))),
    )


def composed_seconds(
    bases: Sequence[float], of_parts: Sequence[float], layers: Sequence[tuple[int, int]]
) -> float:
    """Seconds of the whole from those of each part with its layers and without (`bases`, of which the median counts).

    `layers` of each part: run by the whole, and measured.
    """
    return median(bases) + sum(
        every * max(0.0, seconds - base) / measured
        for base, seconds, (every, measured) in zip(bases, of_parts, layers, strict=True)
    )


def layers_to_measure(
    stored: int, base_bytes: int, layer_bytes: int, room_bytes: int | None, state_bytes: int = 0
) -> int:
    """How many layers of a kind, of those stored, are measured on top of a base of `base_bytes`.

    Enough that their weights are twice the base's, for a layer is the difference of two times and drowns in the noise
    of the larger; at least four, for one layer alone stays in a cache that the whole model would empty; and no more
    than `room_bytes` hold beside the base (None: nobody knows), each with its `state_bytes`.
    """
    wanted = max(LEAST_LAYERS, -(-2 * base_bytes // max(1, layer_bytes)))
    held = wanted if room_bytes is None else room_bytes // max(1, layer_bytes + state_bytes)
    return max(1, min(stored, wanted, held))


def lost(parts: Sequence[Part]) -> tuple[str, ...]:
    """Kinds of which a shown step took no longer than without their layers: their time drowned in noise."""
    return tuple(
        part.kind
        for part in parts
        if any(
            with_layers.timing.seconds <= alone.timing.seconds
            for alone, with_layers in zip(part.base.steps, part.sample.steps, strict=True)
            if alone.plan.shown
        )
    )


def _step(index: int, parts: Sequence[Part]) -> StepSample:
    bases = [part.base.steps[index] for part in parts]
    own = [part.sample.steps[index] for part in parts]
    base, every = bases[0], (*bases, *own)
    return StepSample(
        plan=base.plan,
        timing=composed_timing([step.timing for step in bases], [step.timing for step in own], parts),
        state_bytes=_run(base.state_bytes, [step.state_bytes for step in own], parts),
        transient_bytes=_known_most([step.transient_bytes for step in every]),
        flops=_run(base.flops, [step.flops for step in own], parts),
        touched=_touched([step.touched for step in own], parts),
        kernels=tuple(dict.fromkeys(name for step in every for name in step.kernels)),
    )


def _stored(base: int, of_parts: Sequence[int], parts: Sequence[Part]) -> int:
    return _total(base, of_parts, parts, [part.stored for part in parts])


def _total(base: int, of_parts: Sequence[int], parts: Sequence[Part], times: Sequence[int]) -> int:
    total = base
    for part, value, layers in zip(parts, of_parts, times, strict=True):
        layer, rest = divmod(value - base, part.measured_layers)
        assert rest == 0, f"layers of one kind that differ: {part.kind}"
        total += layers * layer
    return total


def _run(base: int | None, of_parts: Sequence[int | None], parts: Sequence[Part]) -> int | None:
    known = [value for value in of_parts if value is not None]
    if base is None or len(known) < len(parts):
        return None
    return _total(base, known, parts, [part.layers for part in parts])


def _known_most(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return max(known) if len(known) == len(values) else None


def _touched(of_parts: Sequence[Touched | None], parts: Sequence[Part]) -> Touched | None:
    found = [
        (touched, part.layers / part.measured_layers)
        for touched, part in zip(of_parts, parts, strict=True)
        if touched is not None
    ]
    if not found:
        return None
    return Touched(
        distinct=sum(touched.distinct * times for touched, times in found),
        experts=round(sum(touched.experts * times for touched, times in found)),
        layers=round(sum(touched.layers * times for touched, times in found)),
        stand_for=tuple((round(touched.layers * times), touched.layers) for touched, times in found),
    )
