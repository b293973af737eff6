"""A model that is measured by its kinds of layers: which parts are built, and how many layers of each."""

from collections.abc import Callable, Sequence

from moecalc.profile.measure.compose import Part, composed, layers_to_measure, lost
from moecalc.profile.measure.computing import Computed
from moecalc.profile.measure.device import free_bytes
from moecalc.profile.measure.fitting import SPARE
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
        layers = layers_of(kind, maker, base.weight_bytes, _room(maker, base, computed, steps))
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
    missing = lost(base, parts)
    if missing:
        notes.append(
            f"layers of {', '.join(f'`{kind}`' for kind in missing)} took no longer than noise: composed times are too "
            "low; measure again on a quiet machine"
        )
    return composed(base, parts), notes


def layers_of(kind: Kind, maker: Maker, base_bytes: int, room_bytes: int | None) -> int:
    """How many layers of a kind to measure: by the bytes of one, which is built for that and thrown away."""
    if kind.stored == 1:
        return 1
    each = stored_bytes(maker.with_layers_of(kind, 1).tensors()) - base_bytes
    return layers_to_measure(kind.stored, base_bytes, each, room_bytes)


def _room(maker: Maker, base: Sample, computed: Computed, steps: Sequence[StepPlan]) -> int | None:
    """Bytes that layers may take beside the base and what the hungriest step needs; None where nobody knows."""
    free = free_bytes(maker.device)
    if free is None:
        return None
    beside = max(computed.state_bytes(step) + computed.transient_bytes(step) for step in steps)
    return int(free * (1 - SPARE)) - base.weight_bytes - beside
