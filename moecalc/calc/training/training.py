"""The answer of `train`: what a run takes in FLOPs, hours, dollars and energy, and what each rank must hold."""

from decimal import Decimal
from fractions import Fraction

import msgspec

from moecalc.calc.cost.energy import Draw
from moecalc.calc.cost.outlay import SECONDS_PER_HOUR, WATTS_PER_KILOWATT, Outlay
from moecalc.calc.training.training_flops import CHINCHILLA_TOKENS_PER_PARAMETER, RULE
from moecalc.calc.training.training_memory import TrainingMemory
from moecalc.calc.training.training_time import StepPrediction
from moecalc.ir.numeric import Number
from moecalc.report import Answer
from moecalc.specs.hardware import UsableMemory

HOURS_PER_DAY = 24


class Training(Answer, msgspec.Struct, frozen=True, kw_only=True):
    """One training run."""

    name: str
    title: str
    source: str
    fleet: str
    devices: int
    tokens: int
    global_batch: int
    """Sequences of a step, over all copies of the model."""
    precision: str
    optimizer: str
    memory: TrainingMemory
    total_parameters: int
    active_parameters: Number
    sequence_flops: Fraction
    """Useful FLOPs of one sequence, forward and backward."""
    peak: int
    """Dense FLOP/s of one device in `peak_format`."""
    peak_format: str
    """What MFU is a share of the peak of: bf16, or fp16 where no source gives a bf16 peak."""
    mfu: float
    mfu_words: str
    prediction: StepPrediction | None
    outlay: Outlay | None
    price_words: str
    draw: Draw | None
    draw_words: str
    pue: Decimal
    usable: UsableMemory | None
    quant: str | None = None
    defaults: dict[str, str | int] = {}
    warnings: tuple[str, ...] = ()

    @property
    def sequence(self) -> int:
        """Tokens of a sequence."""
        return self.memory.saving.sequence

    @property
    def batch_tokens(self) -> int:
        """Tokens of a step."""
        return self.global_batch * self.sequence

    @property
    def steps(self) -> int:
        """Optimizer steps, the last one not always whole."""
        return -(-self.tokens // self.batch_tokens)

    @property
    def flops(self) -> Fraction:
        """Useful FLOPs of the run."""
        return self.sequence_flops * self.tokens / self.sequence

    @property
    def rule_flops(self) -> Number:
        """What 6 N D says, N being the active parameters, both embeddings counted."""
        return RULE * self.active_parameters * self.tokens

    @property
    def seconds(self) -> float:
        """Of the run, without interruptions."""
        return float(self.flops) / (self.devices * self.peak * self.mfu)

    @property
    def gpu_hours(self) -> float:
        """Hours of all devices together."""
        return self.devices * self.seconds / SECONDS_PER_HOUR

    @property
    def days(self) -> float:
        """Of the run."""
        return self.seconds / SECONDS_PER_HOUR / HOURS_PER_DAY

    @property
    def usd(self) -> Decimal | None:
        """Rent of the devices; None where no price is known."""
        return None if self.outlay is None else self.outlay.usd(self.seconds)

    @property
    def energy_kwh(self) -> Decimal | None:
        """Power x hours x PUE; None where no power is published."""
        if self.draw is None:
            return None
        return self.draw.watts * self.pue * Decimal(self.seconds) / SECONDS_PER_HOUR / WATTS_PER_KILOWATT

    @property
    def tokens_per_parameter(self) -> Fraction:
        """Tokens over all parameters."""
        return Fraction(self.tokens, self.total_parameters)

    @property
    def tokens_per_active(self) -> Fraction:
        """Tokens over active parameters."""
        return Fraction(self.tokens) / Fraction(self.active_parameters)

    @property
    def chinchilla_tokens(self) -> int:
        """Twenty for each active parameter: the dense rule read by compute."""
        return int(CHINCHILLA_TOKENS_PER_PARAMETER * self.active_parameters)

    @property
    def stage_imbalance(self) -> float:
        """Memory of the fullest stage's rank over the mean of all stages."""
        totals = [stage.total for stage in self.memory.stages]
        return max(totals) * len(totals) / sum(totals)
