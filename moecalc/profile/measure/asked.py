"""What a run is asked for, checked."""

from typing import Literal

import msgspec

from moecalc.errors import InputError
from moecalc.specs.routing import UNIFORM_SKEW, Skew
from moecalc.specs.workload import check_length

Layers = Literal["auto", "all", "kinds"]

MOST_REPEATS = 10_000

DEFAULT_REPEATS = 20

DEFAULT_PROMPT = 2048

DEFAULT_CONTEXT = 8192
"""Both are those of `moecalc profile --help`, or the trained length where that is less."""

CALIBRATED_BATCHES = (1, 2, 4, 8)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `gpu` is an index; with `cpu` the processor is timed."""

    gpu: int | None = None
    cpu: bool = False
    prompt: int
    context: int
    batches: tuple[int, ...] = (1,)
    dtype: str = "bf16"
    layers: Layers = "auto"
    skew: Skew = UNIFORM_SKEW
    repeats: int = DEFAULT_REPEATS
    seed: int = 0
    via: Literal["transformers"] | None = None
    trace: str | None = None
    calibrate: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        check_length("prompt", self.prompt)
        check_length("context", self.context)
        for batch in self.batches:
            check_length("batch", batch)
        if not 1 <= self.repeats <= MOST_REPEATS:
            raise InputError(
                f"`--repeat` is {self.repeats}", hint=f"give a whole number from 1 to {MOST_REPEATS:,}"
            )
        if self.via and self.layers == "kinds":
            raise InputError(
                "`--layers kinds` takes a model apart, and `--via transformers` runs the library's own whole",
                hint="leave one of them out",
            )


def batches_of(text: str | None, *, calibrate: bool) -> tuple[int, ...]:
    """Batches as typed: `1,8,64`, in order, each once. Raises InputError where they cannot be read."""
    if text is None:
        return CALIBRATED_BATCHES if calibrate else (1,)
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and word.isascii() for word in words):
        raise InputError(f"`--batch {text}`: not a list of batches", hint="type numbers: `--batch 1,8,64`")
    found = sorted({int(word) for word in words})
    for batch in found:
        check_length("batch", batch)
    return tuple(found)
