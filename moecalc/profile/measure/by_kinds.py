"""A model that is measured by its kinds of layers: which parts are built, and how many layers of each."""

from collections.abc import Callable, Sequence

from moecalc.profile.measure.compose import Part, composed, layers_to_measure, lost
from moecalc.profile.measure.computing import Computed
from moecalc.profile.measure.device import free_bytes, l2_bytes
from moecalc.profile.measure.fitting import SPARE
from moecalc.profile.measure.l2 import notes_of_parts
from moecalc.profile.measure.making import Kind, Maker
from moecalc.profile.measure.runner import stored_bytes
from moecalc.profile.measure.sampling import Conditions, sample
from moecalc.profile.measure.steps import Sample, StepPlan


def by_kinds(
    maker: Maker,
    computed: Computed,
    steps: Sequence[StepPlan],
    conditions: Conditions,
    done: Callable[[], None],
) -> tuple[Sample, list[str]]:
    """Each part is built, measured and thrown away before the next; with what must be known of the sum."""
    base = sample(maker.base(), steps, conditions, done)
    parts = []
    for kind in maker.kinds:
        one = computed.with_one_layer_of(kind.name)
        room, beside = _room(maker, base, one, steps), max(one.state_bytes(step) for step in steps)
        layers = layers_of(kind, maker, base.weight_bytes, room, beside)
        runner = maker.with_layers_of(kind, layers)
        parts.append(
            Part(
                kind=kind.name,
                layers=kind.layers,
                stored=kind.stored,
                measured_layers=layers,
                sample=sample(runner, steps, conditions, done),
            )
        )
        del runner
    words = ", ".join(f"{part.measured_layers} of {part.layers} x {part.kind}" for part in parts)
    notes = [f"composed of layers on top of embeddings and head: {words}"]
    notes += notes_of_parts(parts, steps, l2_bytes(maker.device))
    missing = lost(base, parts)
    if missing:
        notes.append(
            f"layers of {', '.join(f'`{kind}`' for kind in missing)} took no longer than noise: composed times are too "
            "low; measure again on a quiet machine"
        )
    return composed(base, parts), notes


def layers_of(kind: Kind, maker: Maker, base_bytes: int, room_bytes: int | None, state_bytes: int = 0) -> int:
    """How many layers of a kind to measure: by the bytes of one, which is built for that and thrown away.

    `state_bytes` is what a layer keeps of the sequences of the hungriest step.
    """
    if kind.stored == 1:
        return 1
    each = stored_bytes(maker.with_layers_of(kind, 1).tensors()) - base_bytes
    return layers_to_measure(kind.stored, base_bytes, each, room_bytes, state_bytes)


def _room(maker: Maker, base: Sample, one: Computed, steps: Sequence[StepPlan]) -> int | None:
    """Bytes that layers and their state may take beside the base and activations; None where nobody knows."""
    free = free_bytes(maker.device)
    if free is None:
        return None
    beside = max(one.transient_bytes(step) for step in steps)
    return int(free * (1 - SPARE)) - base.weight_bytes - beside
