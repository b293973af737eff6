"""What a run is asked for, checked."""

from typing import Literal

import msgspec

from moecalc.errors import InputError
from moecalc.specs.routing import UNIFORM_SKEW, Skew
from moecalc.specs.workload import check_length

Layers = Literal["auto", "all", "kinds"]

MOST_REPEATS = 10_000

MOST_SEED = 2**32 - 1
"""Of what draws weights (torch) and experts (numpy) both take."""

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
    quant: str | None = None
    """A recipe that stores matrices in 8 bits, which are multiplied in `dtype`."""
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
        if not 0 <= self.seed <= MOST_SEED:
            raise InputError(f"`--seed` is {self.seed}", hint=f"give a whole number from 0 to {MOST_SEED:,}")
        if self.quant and (self.via or self.calibrate):
            other = "--calibrate" if self.calibrate else f"--via {self.via}"
            raise InputError(
                f"`--quant {self.quant}` stores weights of moecalc's own modules, in a run of their own",
                hint=f"leave `--quant` or `{other}` out",
            )
        if self.via and self.skew != UNIFORM_SKEW:
            raise InputError(
                f"`--routing {self.skew.words}` forces choices of moecalc's own modules, and `--via {self.via}` leaves "
                "them to the library's router",
                hint="leave one of them out",
            )
        if self.via and self.layers == "kinds":
            raise InputError(
                "`--layers kinds` takes a model apart, and `--via transformers` runs the library's own whole",
                hint="leave one of them out",
            )
