"""Steps whose weights and state stay in the GPU's L2 cache from one repeat to the next.

The cache is not emptied between repeats: a server that decodes token after token finds in it what the last step left,
as a repeat does, and a model of gigabytes finds nothing of use. But a step that lies in it whole does not read memory,
and a few layers that do say little of a model that does not.
"""

from collections.abc import Iterable, Sequence

from moecalc.profile.measure.compose import Part
from moecalc.profile.measure.steps import StepPlan
from moecalc.specs.runs import Point
from moecalc.units import format_bytes_binary


def notes_of_steps(points: Iterable[Point], l2_bytes: int | None) -> list[str]:
    """What must be known of steps that read no more than the cache holds."""
    if l2_bytes is None:
        return []
    held = [point for point in points if point.moved_bytes <= l2_bytes]
    if not held:
        return []
    words = _listed((point.phase, point.batch) for point in held)
    size = format_bytes_binary(l2_bytes)
    return [
        f"weights and state of {words} fit the L2 cache of {size}: their MBU is no share of the memory's bandwidth"
    ]


def notes_of_parts(parts: Sequence[Part], steps: Sequence[StepPlan], l2_bytes: int | None) -> list[str]:
    """What must be known of a sum whose parts lie in the cache, where more layers than were measured would not."""
    if l2_bytes is None:
        return []
    kinds = [
        part.kind
        for part in parts
        if part.measured_layers < part.stored and part.sample.weight_bytes <= l2_bytes
    ]
    if not kinds or not any(step.phase == "decode" for step in steps):
        return []
    named, size = ", ".join(f"`{kind}`" for kind in kinds), format_bytes_binary(l2_bytes)
    said = f"the measured layers of {named} fit the L2 cache of {size}"
    return [f"{said}, and more of them are stored: composed decode times may be too low"]


def _listed(steps: Iterable[tuple[str, int]]) -> str:
    batches: dict[str, dict[int, None]] = {}
    for phase, batch in steps:
        batches.setdefault(phase, {})[batch] = None
    return " and ".join(
        f"{phase} at batch {', '.join(f'{batch:,}' for batch in sorted(found))}"
        for phase, found in batches.items()
    )
