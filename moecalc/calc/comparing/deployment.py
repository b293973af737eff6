"""The smallest deployment that holds a model, and the ceiling it sets: roofline step time, ceiling cost."""

from decimal import Decimal
from fractions import Fraction
from functools import cached_property

import msgspec

from moecalc.calc.comparing.demand import Demand
from moecalc.calc.speed.machine import fastest, peak_of
from moecalc.errors import UndeterminedError
from moecalc.ir.numeric import Number
from moecalc.specs.hardware import Accelerator

MAX_GPUS = 1024
"""Beyond this a count is no answer to `how many do I need`."""


class Device(msgspec.Struct, frozen=True):
    """The figures of one accelerator that a deployment needs, all known."""

    name: str
    usable_bytes: int
    usable_note: str
    usable_basis: str
    bandwidth: int
    peak: int | None
    """Dense FLOP/s; None where no source gives one for these formats: then bandwidth alone bounds the speed."""
    peak_format: str | None
    usd_per_hour: Decimal | None
    price_note: str
    price_words: str = ""
    """What is paid where that was said: then the dollars are of an hour of work; empty for a list price."""


def device(accelerator: Accelerator, *weight_formats: str) -> Device:
    """Take from an accelerator what is needed for weights stored in these formats.

    The peak is the highest that any of the formats can feed: a ceiling must not be beaten by the matrices that are
    stored in the fastest one. Raises UndeterminedError naming a field that is not known.
    """
    usable = accelerator.usable_bytes()
    known = [
        (peak, fastest(accelerator, name)) for name in weight_formats if (peak := peak_of(accelerator, name))
    ]
    peak, peak_format = max(known, key=lambda found: found[0], default=(None, None))
    missing = [
        field for field, value in (("memory", usable), ("bandwidth", accelerator.bandwidth)) if value is None
    ]
    if usable is None or accelerator.bandwidth is None:
        raise UndeterminedError(
            f"`{accelerator.name}` has no published {' and no published '.join(missing)}",
            hint="choose another accelerator: `moecalc hardware` lists them with what is known",
        )
    price = accelerator.price()
    return Device(
        name=accelerator.name,
        usable_bytes=usable.bytes,
        usable_note=usable.note,
        usable_basis=usable.basis,
        bandwidth=accelerator.bandwidth.bytes_per_second,
        peak=peak,
        peak_format=peak_format,
        usd_per_hour=price.usd_per_gpu_hour if price else None,
        price_note=f"{price.provider}, {price.date or 'undated'}" if price else "no price known",
    )


class Deployment(msgspec.Struct, frozen=True, dict=True):
    """A model on `gpus` pooled devices at one context. An ideal pool: sharding is assumed perfect and free."""

    demand: Demand
    device: Device
    gpus: int
    context: int
    utilization: Fraction = Fraction(1)

    def fits(self, batch: int) -> bool:
        """Whether weights and the state of the batch fit in usable memory."""
        return batch <= self.capacity

    @cached_property
    def capacity(self) -> int:
        """Most sequences of the context that fit beside the weights; unbounded state-free models get 2**20."""
        state = self.demand.state_bytes(self.context)
        if self.free_bytes < 0:
            return 0
        return int(self.free_bytes // state) if state else 2**20

    @property
    def free_bytes(self) -> Number:
        """What the weights leave of the memory that may be used; below 0 where they do not fit."""
        return self.gpus * self.device.usable_bytes * self.utilization - self.demand.weight_bytes

    def step_seconds(self, batch: int) -> float:
        """Ceiling of a decode step: the longer of moving the bytes and doing the FLOPs at their peaks."""
        return max(self.memory_seconds(batch), self.compute_seconds(batch))

    def memory_seconds(self, batch: int) -> float:
        """Weights the batch touches and the state it reads, over the pooled bandwidth."""
        return self.weight_seconds(batch) + self.state_seconds(batch)

    def weight_seconds(self, batch: int) -> float:
        """Reading the weights the batch touches, over the pooled bandwidth."""
        return float(self.demand.weight_bytes_read(batch) / (self.gpus * self.device.bandwidth))

    def state_seconds(self, batch: int) -> float:
        """Reading the state of the batch, over the pooled bandwidth."""
        return float(batch * self._state_bytes_read / (self.gpus * self.device.bandwidth))

    def compute_seconds(self, batch: int) -> float:
        """FLOPs of the batch over the pooled dense peak; 0 where no peak is published, which leaves the bandwidth."""
        if self.device.peak is None:
            return 0.0
        return float(batch * self._flops_per_token / (self.gpus * self.device.peak))

    @cached_property
    def _state_bytes_read(self) -> Number:
        return self.demand.state_bytes_read(self.context) or 0

    @cached_property
    def _flops_per_token(self) -> Number:
        return self.demand.decode_flops(self.context)

    def gpu_seconds_per_token(self, batch: int) -> float:
        """Device-seconds one output token takes at the ceiling."""
        return self.step_seconds(batch) * self.gpus / batch

    def usd_per_million_tokens(self, batch: int) -> float | None:
        """Ceiling cost of a million output tokens; None without a price."""
        if self.device.usd_per_hour is None:
            return None
        return self.gpu_seconds_per_token(batch) * float(self.device.usd_per_hour) / 3600 * 1e6


def smallest(
    demand: Demand, device_: Device, context: int, batch: int = 1, utilization: Fraction = Fraction(1)
) -> Deployment | None:
    """The fewest devices that hold weights and the state of the batch; None beyond 1,024."""
    need: Number = demand.weight_bytes + batch * (demand.state_bytes(context) or 0)
    gpus = -(-need // (device_.usable_bytes * utilization))
    if gpus > MAX_GPUS:
        return None
    return Deployment(demand, device_, max(1, int(gpus)), context, utilization)
