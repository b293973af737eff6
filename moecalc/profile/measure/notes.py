"""What must be known of a run to read its figures."""

from collections.abc import Iterable, Iterator

from moecalc.profile.measure.steps import Sample, StepSample
from moecalc.specs.runs import Phase, RunDevice
from moecalc.units import format_bytes_binary


def notes_of(sample: Sample, device: RunDevice, dtype: str, quant: str | None) -> Iterator[str]:
    """The notes, the one that bears on most figures first."""
    if quant is not None:
        yield (
            f"this runner makes a matrix dense in {dtype} before it is multiplied; the computed times read its 8 bits "
            f"and multiply in {dtype}, and are bounds of that arithmetic: kernels that fuse the two come near"
        )
    if sample.uncounted:
        yield f"FLOPs of these operations are not counted: {', '.join(sample.uncounted)}"
    yield from attention_notes(sample.steps)
    yield from sample.remarks
    if device.cache_bytes is not None and sample.weight_bytes <= device.cache_bytes:
        yield (
            f"the weights ({format_bytes_binary(sample.weight_bytes)}) lie within the device's cache "
            f"({format_bytes_binary(device.cache_bytes)}), which is not flushed: repeats may read them from there, and "
            "beat the ceiling of memory"
        )
    if dtype == "fp32" and device.float32_matmul not in (None, "highest"):
        yield f"fp32 is multiplied by way of shorter formats (torch's precision `{device.float32_matmul}`)"


def attention_notes(steps: Iterable[StepSample]) -> list[str]:
    """Which kernels computed attention: one note for each phase, or for both where they agree."""
    names: dict[Phase, dict[str, None]] = {}
    for step in steps:
        if step.kernels:
            names.setdefault(step.plan.phase, {}).update(dict.fromkeys(step.kernels))
    words = {phase: " and ".join(of_phase) for phase, of_phase in names.items()}
    if len(words) > 1 and len(set(words.values())) == 1:
        return [f"attention ran as {next(iter(words.values()))}"]
    return [f"attention in {phase} ran as {of_phase}" for phase, of_phase in words.items()]
