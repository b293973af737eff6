"""A model that is measured by its kinds of layers: which parts are built, and how many layers of each."""

from collections.abc import Callable, Sequence

from moecalc.profile.measure.compose import Part, composed, layers_to_measure, lost
from moecalc.profile.measure.computing import Computed
from moecalc.profile.measure.device import free_bytes, l2_bytes
from moecalc.profile.measure.fitting import SPARE
from moecalc.profile.measure.l2 import notes_of_parts
from moecalc.profile.measure.making import Maker
from moecalc.profile.measure.runner import Kind, stored_bytes
from moecalc.profile.measure.sampling import Conditions, samples
from moecalc.profile.measure.steps import Sample, StepPlan


def by_kinds(
    maker: Maker,
    computed: Computed,
    steps: Sequence[StepPlan],
    conditions: Conditions,
    done: Callable[[], None],
) -> tuple[Sample, list[str]]:
    """Each part is built, measured and thrown away before the next; with what must be known of the sum."""
    parts = []
    for kind in maker.kinds:
        one = computed.with_one_layer_of(kind.name)
        beside = max(one.state_bytes(step) for step in steps)
        layers = layers_of(kind, maker, _room(maker, one, steps), beside)
        runner = maker.with_layers_of(kind, layers)
        of_part, of_base = samples([runner, runner.without_layers()], steps, conditions, done)
        del runner
        parts.append(
            Part(
                kind=kind.name,
                layers=kind.layers,
                stored=kind.stored,
                measured_layers=layers,
                sample=of_part,
                base=of_base,
            )
        )
    words = ", ".join(f"{part.measured_layers} of {part.layers} x {part.kind}" for part in parts)
    notes = [f"composed of layers on top of embeddings and head: {words}"]
    notes += notes_of_parts(parts, steps, l2_bytes(maker.device))
    missing = lost(parts)
    if missing:
        notes.append(
            f"layers of {', '.join(f'`{kind}`' for kind in missing)} took no longer than noise: composed times are too "
            "low; measure again on a quiet machine"
        )
    return composed(parts), notes


def layers_of(kind: Kind, maker: Maker, room_bytes: int | None, state_bytes: int = 0) -> int:
    """How many layers of a kind to measure: by the bytes of one, which is built for that and thrown away.

    `room_bytes` are for weights and state (None: nobody knows), `state_bytes` what a layer keeps of the sequences of
    the hungriest step.
    """
    if kind.stored == 1:
        return 1
    one = maker.with_layers_of(kind, 1)
    base = stored_bytes(one.without_layers().tensors())
    each = stored_bytes(one.tensors()) - base
    room = None if room_bytes is None else room_bytes - base
    return layers_to_measure(kind.stored, base, each, room, state_bytes)


def _room(maker: Maker, one: Computed, steps: Sequence[StepPlan]) -> int | None:
    """Bytes that weights and state may take beside activations; None where nobody knows."""
    free = free_bytes(maker.device)
    if free is None:
        return None
    beside = max(one.transient_bytes(step) for step in steps)
    return int(free * (1 - SPARE)) - beside
