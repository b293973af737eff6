"""What a step takes at least on pooled devices: the ceiling on speed that no plan and no engine exceeds.

All devices are taken as one, with their bandwidths and peaks added up: shards that are stored or read twice, uneven
stages, communication and latency only add to that. Where sources differ on a bandwidth the highest counts. Tokens of
a batch share their experts unless said otherwise (`calc/reads.SHARED`), the least that any routing reads.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cached_property

import msgspec

from moecalc.calc.deploy.ranks import Sharded
from moecalc.calc.speed.machine import Machine, machine
from moecalc.calc.speed.reads import SHARED, Routing
from moecalc.calc.speed.roofline import Roofline, operand_formats
from moecalc.calc.speed.roofline import Work as Decoded
from moecalc.checks.claiming.memory import most_bytes
from moecalc.checks.claiming.subject import READ_SHARE, Shaped, Subject
from moecalc.errors import UndeterminedError
from moecalc.ir.roles import Component
from moecalc.ir.step import Form, Step
from moecalc.specs.fleet import Fleet
from moecalc.specs.hardware import FORMATS, Accelerator
from moecalc.specs.plan import Plan

MOST = 2**20
"""Sequences at once, where their state sets no limit."""


_NO_DEVICE = Machine(name="one byte per second", bandwidth=1, peaks={})
"""On it seconds are bytes."""


class Work(msgspec.Struct, frozen=True, dict=True, kw_only=True):
    """What steps of a model move, whatever the devices; computed once."""

    subject: Subject
    context: int
    """Keys that a decoded token sees; 1 where nobody said."""
    bits: Fraction | None = None
    """Bits per weight that stand in for the subject's own (of counts, or of a quantization nobody named)."""

    @property
    def roofline(self) -> Roofline | None:
        """The model's own on a device of one byte per second, so that seconds are bytes; None of mere counts."""
        return self._roofline if isinstance(self.subject, Shaped) and self.bits is None else None

    @cached_property
    def _roofline(self) -> Roofline:
        return self.on(_NO_DEVICE)

    def on(self, device: Machine) -> Roofline:
        """The whole model on one device."""
        assert isinstance(self.subject, Shaped)
        return Roofline(
            sharded=self._sharded,
            precision=self.subject.precision,
            kv_dtype=self.subject.kv_dtype,
            machines=(device,),
        )

    @cached_property
    def decode_flops(self) -> tuple[dict[str, float], ...]:
        """FLOPs of one decoded token by storage format, in each form that latent attention can run in."""
        step = Decoded(Step.decode(self.context))
        return tuple(
            {
                format_: float(sum(op.flops(step.step, step.choices(form)) for op in ops))
                for format_, ops in self._roofline.ops.items()
            }
            for form in (Form.ABSORBED, Form.NAIVE)
        )

    @cached_property
    def _sharded(self) -> Sharded:
        assert isinstance(self.subject, Shaped)
        return Sharded(ledger=self.subject.ledger, plan=Plan(), components=(Component.LANGUAGE,))

    def bytes(self, batch: int, routing: Routing = SHARED) -> float:
        """Bytes that a decode step of that many sequences reads."""
        bound = self.roofline
        if bound is None:
            return float(self._least_bytes)
        key = batch, routing
        if key not in self._read:
            self._read[key] = float(bound.decode(batch, self.context, routing).memory_seconds)
        return self._read[key]

    @cached_property
    def _read(self) -> dict[tuple[int, Routing], float]:
        return {}

    @property
    def _least_bytes(self) -> Fraction:
        bits = self.bits if self.bits is not None else self.subject.bits
        if bits is None:
            raise UndeterminedError("no quantization was named")
        if isinstance(self.subject, Shaped):
            return self.subject.read_elements * bits / 8
        if self.subject.active is None:
            raise UndeterminedError("how many parameters are active was not said")
        return self.subject.active * bits / 8


class Bound(msgspec.Struct, frozen=True, dict=True, kw_only=True):
    """The pooled devices of a fleet under that work."""

    work: Work
    fleet: Fleet

    @cached_property
    def bandwidth(self) -> int:
        """Bytes per second of all devices. Raises UndeterminedError where one is not published."""
        return sum(group.count * _bandwidth(group.device) for group in self.fleet.groups)

    @cached_property
    def compute_seconds(self) -> float:
        """Seconds of one sequence's FLOPs in a decode step; 0 where no peak is published."""
        return self._spread([self._compute(group.device) for group in self.fleet.groups])

    def decode_seconds(self, batch: int, routing: Routing = SHARED) -> float:
        """The least that a decode step of that many sequences takes."""
        return max(self.work.bytes(batch, routing) / self.bandwidth, batch * self.compute_seconds)

    def memory_binds(self, batch: int) -> bool:
        """Whether bandwidth binds and not arithmetic."""
        return self.work.bytes(batch) / self.bandwidth >= batch * self.compute_seconds

    def rate(self, batch: int, routing: Routing = SHARED) -> float:
        """Tokens per second of all sequences together."""
        return batch / self.decode_seconds(batch, routing)

    def prefill_seconds(self, prompt: int) -> float:
        """The least that one prompt takes, nothing of it cached. Raises UndeterminedError for mere counts."""
        subject = self.work.subject
        if not isinstance(subject, Shaped):
            raise UndeterminedError("counts say nothing of attention")
        per_device = []
        for group in self.fleet.groups:
            step = self.work.on(_machine(group.device, subject)).prefill(prompt, 1, 0, SHARED)
            per_device.append(float(step.compute_seconds))
        read = self.work.on(_NO_DEVICE).prefill(prompt, 1, 0, SHARED).memory_seconds
        return max(float(read) / self.bandwidth, self._spread(per_device))

    def fastest_prefill_seconds(self, prompt: int) -> float:
        """The same with all FLOPs at the highest peak that each device has, whatever the formats."""
        subject = self.work.subject
        if not isinstance(subject, Shaped):
            raise UndeterminedError("counts say nothing of attention")
        flops = float(self.work.on(_NO_DEVICE).prefill(prompt, 1, 0, SHARED).flops)
        return self._spread(
            [flops / peak if (peak := _highest_peak(group.device)) else 0.0 for group in self.fleet.groups]
        )

    def first_batch(self, rate: float, routing: Routing = SHARED) -> int | None:
        """The fewest sequences that together reach a rate, to a power of two refined; None where none that fit do."""
        batch = 1
        while batch <= self.most_sequences:
            if self.rate(batch, routing) >= rate:
                return _refined(batch // 2, batch, lambda size: self.rate(size, routing) >= rate)
            batch *= 2
        if self.rate(self.most_sequences, routing) >= rate:
            return self.most_sequences
        return None

    @cached_property
    def most_sequences(self) -> int:
        """Sequences of the context whose state fits beside the weights, over all devices."""
        subject = self.work.subject
        sizes = [most_bytes(device) for device in self.fleet.devices]
        if not isinstance(subject, Shaped) or None in sizes:
            return MOST
        state = float(subject.state_bytes(self.work.context))
        free = sum(size for size in sizes if size is not None) - float(subject.held_bytes)
        if self.work.bits is not None:
            return MOST
        return max(1, min(MOST, int(free / state))) if state else MOST

    def _compute(self, device: Accelerator) -> float:
        subject = self.work.subject
        if isinstance(subject, Shaped) and self.work.bits is None:
            known = _machine(device, subject)
            return min(
                sum(float(known.seconds(flops, name)) for name, flops in form.items())
                for form in self.work.decode_flops
            )
        peak = _highest_peak(device)
        active = subject.read_elements if isinstance(subject, Shaped) else subject.active
        return float(2 * (active or 0)) / peak if peak else 0.0

    def _spread(self, seconds: list[float]) -> float:
        """Work dealt out so that all devices end at once; 0 where one's speed is not bounded."""
        if not all(seconds):
            return 0.0
        return 1 / sum(group.count / each for group, each in zip(self.fleet.groups, seconds, strict=True))


def least_work(subject: Subject, bits: Fraction | None = None) -> Work:
    """The least that any recipe of the named format reads: every matrix in the fewest bits, one key of context."""
    chosen = bits if bits is not None else subject.bits
    if chosen is not None and not isinstance(subject, Shaped):
        chosen = chosen / READ_SHARE
    return Work(subject=subject, context=1, bits=chosen)


def _refined(low: int, high: int, reaches: Callable[[int], bool]) -> int:
    """The smallest size above `low` and up to `high` that reaches, by halving; exact where speed grows with it."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return high


def _highest_peak(device: Accelerator) -> int | None:
    return max((peak.per_second for name in FORMATS if (peak := device.peak(name)) is not None), default=None)


def _bandwidth(device: Accelerator) -> int:
    rate = device.bandwidth
    if rate is None:
        raise UndeterminedError(f"`{device.name}` has no published bandwidth")
    return int(rate.span[2])


def _machine(device: Accelerator, subject: Shaped) -> Machine:
    return machine(device, operand_formats(subject.ledger, subject.precision, subject.kv_dtype))
