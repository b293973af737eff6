"""Part of a model in the host's RAM: the ceiling of decoding and of reading prompts under an offload placement.

Layers run one after another, on a GPU or on the CPU, so a token's times in all parts add up: what each GPU reads over
its bandwidth, what lies in RAM over that of the RAM. Shared experts on a GPU need not wait for the routed ones of their
layer, which are read from RAM meanwhile: so much is taken off. Several sequences, or the chunks of a prompt, can follow
each other through the parts. The CPU's arithmetic is not known, so bandwidth alone bounds its part: a prompt reads what
lies there once at least, be it multiplied by the CPU or sent to a GPU first. That no program beats this does not say
how near one comes.
"""

from fractions import Fraction
from functools import cached_property
from typing import Literal

import msgspec

from moecalc.calc.deploy.offload import Demand, Holds, Layers, Offload
from moecalc.calc.deploy.reading import Reading
from moecalc.calc.speed.roofline import Roofline, StepTime, Work
from moecalc.calc.speed.traffic import SHARED, UNIFORM, Routing
from moecalc.calc.speed.turns import dealt
from moecalc.errors import UndeterminedError
from moecalc.ir.numeric import Number
from moecalc.ir.step import Step
from moecalc.specs.fleet import Host
from moecalc.specs.measurements import measurements

REGIMES = {"decoding": "decode-b1-hybrid", "prefill": "prefill-b1-hybrid"}


def published_spread(phase: Literal["decoding", "prefill"]) -> str:
    """How many measurements of experts in RAM are published, and how far those of one model on one machine differ."""
    rows = [row for row in measurements() if row.regime == REGIMES[phase]]
    by_machine: dict[tuple[str, str, str | None], list[float]] = {}
    for row in rows:
        by_machine.setdefault((row.model, row.device, row.host), []).append(row.value)
    widest = max(by_machine.values(), key=lambda values: max(values) / min(values))
    return (
        f"{len(rows)} published measurements of experts in RAM stand on {len(by_machine)} machines, and on one of them "
        f"formats and settings alone move {phase} from {min(widest):g} to {max(widest):g} tokens/s"
    )


class Hybrid(msgspec.Struct, frozen=True, kw_only=True):
    """The ceiling of an offload placement."""

    offload: Offload
    parts: tuple[Reading, ...]
    """Of a decode step, under the routing assumption: the GPUs in order, then the RAM."""
    decode: StepTime
    unconditional: StepTime
    prefill: StepTime
    host_link_seconds: float | None
    """To send what lies in RAM to a GPU once; None where the link to the host is not known."""

    @property
    def bound(self) -> str:
        """What binds decoding: the slowest part's memory."""
        return f"memory of {max(self.parts, key=lambda part: part.seconds).name}"


class Placement(msgspec.Struct, frozen=True, dict=True, kw_only=True):
    """A model placed on GPUs and in RAM. `roofline` is that of all its layers on the same GPUs."""

    roofline: Roofline
    layers: Layers
    demand: Demand
    offload: Offload
    ram_bandwidth: int

    def parts(self, tokens: int, routing: Routing, states: int) -> tuple[Reading, ...]:
        """What a step of that many tokens reads where, with the state of that many sequences."""
        share = self.roofline.traffics[0].touched_share(tokens, routing)
        touched = 1 if share is None else share
        state = Fraction(states, self.demand.sequences) * self._state_read

        def of(name: str, holds: Holds, bandwidth: int, looked_up: Number = 0) -> Reading:
            experts = float(touched * holds.experts)
            size = float(holds.rest - looked_up) + experts + float(state * holds.state)
            return Reading(name=name, bytes=size, expert_bytes=experts, bytes_per_second=bandwidth)

        several = len(self.offload.gpus) > 1
        gpus = [
            of(f"GPU {index}" if several else "the GPU", holds, self.roofline.machine(index).bandwidth)
            for index, holds in enumerate(self.offload.gpus)
        ]
        return (*gpus, of("the RAM", self.offload.ram, self.ram_bandwidth, self.layers.embedding_bytes))

    def decode(self, batch: int, context: int, routing: Routing = UNIFORM) -> StepTime:
        """A token for each sequence: all of them in one step, or dealt out to the parts in turn."""
        whole = self.parts(batch, routing, batch)
        in_turn = [
            self._in_turn(dealt(batch, turns), routing) for turns in range(2, min(batch, len(whole)) + 1)
        ]
        seconds = min([self._way(whole), *in_turn])
        return self._step(whole, seconds, 0.0, batch * self._flops(Work(Step.decode(context))))

    def _in_turn(self, sizes: tuple[int, ...], routing: Routing) -> float:
        """Seconds of a step whose micro-batches pass in turn: the largest one's way, or the slowest part's work."""
        of_size = {size: self.parts(size, routing, size) for size in set(sizes)}
        by_part = zip(*(of_size[size] for size in sizes), strict=True)
        slowest: float = max(sum(part.seconds for part in work) for work in by_part)
        return max(self._way(of_size[sizes[0]]), slowest)

    def _way(self, parts: tuple[Reading, ...]) -> float:
        """Seconds of one way through all parts, at least."""
        ram = parts[-1]
        return sum(part.seconds for part in parts) - min(
            self._shared_seconds, ram.expert_bytes / ram.bytes_per_second
        )

    @cached_property
    def _shared_seconds(self) -> float:
        """To read all shared experts, on the slowest GPU."""
        weights = (weight for weight in self.roofline.sharded.ledger.weights if weight.role.group == "shared")
        size = sum(self.layers.precision.bytes_of(weight) for weight in weights)
        return float(size) / min(
            self.roofline.machine(index).bandwidth for index in range(len(self.offload.gpus))
        )

    def prefill(self, prompt: int, routing: Routing = UNIFORM) -> StepTime:
        """One prompt, its chunks in turn: no faster than its slowest part, nor than a GPU multiplies its layers."""
        parts = self.parts(prompt, routing, 0)
        work = Work(Step(prompt))
        compute = max(
            self._always_seconds(work, index) * holds.layers / self.offload.layers
            for index, holds in enumerate(self.offload.gpus)
        )
        return self._step(parts, max(compute, *(part.seconds for part in parts)), compute, self._flops(work))

    def _step(self, parts: tuple[Reading, ...], seconds: float, compute: float, flops: Number) -> StepTime:
        return StepTime(
            seconds=seconds,
            memory_seconds=sum(part.seconds for part in parts),
            compute_seconds=compute,
            weight_bytes=sum(part.bytes for part in parts),
            state_bytes=0,
            flops=flops,
        )

    def _flops(self, work: Work) -> Number:
        step, choices = work.step, work.choices(self.roofline.form(work, 0))
        return sum(op.flops(step, choices) for ops in self.roofline.ops.values() for op in ops)

    def _always_seconds(self, work: Work, stage: int) -> float:
        """Of all layers on one GPU, all FLOPs but those of routed experts."""
        machine, choices = self.roofline.machine(stage), work.choices(self.roofline.form(work, stage))
        return float(
            sum(
                machine.seconds(op.flops(work.step, choices), format_)
                for format_, ops in self.roofline.ops.items()
                for op in ops
                if op.pool is None
            )
        )

    @property
    def _state_read(self) -> Fraction:
        """What a decode step reads of the state that is set aside: less of sparse attention, and of empty cells."""
        stored = sum(held.state for held in (*self.offload.gpus, self.offload.ram))
        read = sum(reads.state_bytes(self.demand.context) for reads in self.roofline.traffics)
        return self.demand.sequences * Fraction(read) / Fraction(stored) if stored else Fraction(0)


def hybrid(
    placement: Placement,
    host_link: int | None,
    *,
    batch: int,
    context: int,
    prompt: int,
    routing: Routing = UNIFORM,
) -> Hybrid:
    """The ceilings of a placement; `host_link` is what a GPU receives from the host per second."""
    ram = placement.offload.ram
    moved = float(ram.experts + ram.rest - placement.layers.embedding_bytes)
    return Hybrid(
        offload=placement.offload,
        parts=placement.parts(batch, routing, batch),
        decode=placement.decode(batch, context, routing),
        unconditional=placement.decode(batch, context, SHARED),
        prefill=placement.prefill(prompt, routing),
        host_link_seconds=moved / host_link if host_link else None,
    )


def ram_bandwidth(host: Host) -> int:
    """Bytes per second of the host's memory. Raises UndeterminedError where nobody said."""
    if host.bandwidth is None:
        raise UndeterminedError(
            "part of the model lies in RAM, and the bandwidth of the RAM is not given",
            hint="add `--ram-bandwidth 80GB/s`",
        )
    return host.bandwidth.bytes_per_second
