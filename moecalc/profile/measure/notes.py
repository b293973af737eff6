"""What must be known of a run to read its figures."""

from collections.abc import Iterable, Iterator, Sequence

from moecalc.profile.measure.steps import Sample
from moecalc.specs.runs import Phase


def notes_of(sample: Sample, dtype: str, quant: str | None, packed_rows: int = 0) -> Iterator[str]:
    """The notes, the one that bears on most figures first."""
    if quant is not None:
        but = f", but in steps of at most {packed_rows} tokens" if packed_rows else ""
        yield (
            f"this runner makes a matrix dense in {dtype} before it is multiplied{but}; the computed times read its 8 "
            f"bits and multiply in {dtype}, and are bounds of that arithmetic: kernels that fuse the two come near"
        )
    if sample.uncounted:
        yield f"FLOPs of these operations are not counted: {', '.join(sample.uncounted)}"
    yield from attention_notes((step.plan.phase, step.kernels) for step in sample.steps)


def attention_notes(kernels: Iterable[tuple[Phase, Sequence[str]]]) -> list[str]:
    """Which kernels computed attention, of those of each step: one note for each phase, or for both that agree."""
    names: dict[Phase, dict[str, None]] = {}
    for phase, of_step in kernels:
        if of_step:
            names.setdefault(phase, {}).update(dict.fromkeys(of_step))
    words = {phase: " and ".join(of_phase) for phase, of_phase in names.items()}
    if len(words) > 1 and len(set(words.values())) == 1:
        return [f"attention ran as {next(iter(words.values()))}"]
    return [f"attention in {phase} ran as {of_phase}" for phase, of_phase in words.items()]
