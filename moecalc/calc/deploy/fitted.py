"""What `fit` found: a model on devices, or the devices that hold a model. Data that renderers lay out."""

from decimal import Decimal
from fractions import Fraction

import msgspec

from moecalc.calc.deploy.budget import Holding, Rank, fullest, usable
from moecalc.calc.deploy.case import Case, Room
from moecalc.calc.deploy.ktransformers import KtOffload
from moecalc.calc.deploy.offload import Offload, all_layers, context_options, stage_slots, tensor_split
from moecalc.calc.deploy.ranks import Surplus, kv_copies
from moecalc.calc.deploy.reading import Reading
from moecalc.ir.numeric import Number
from moecalc.report import Answer
from moecalc.specs.engines import Engine
from moecalc.specs.fleet import UNLISTED, Fleet, missing
from moecalc.specs.hardware import Accelerator
from moecalc.specs.plan import Plan
from moecalc.specs.workload import LONGEST, Workload


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, and the engine whose defaults and overheads stand in for what was not said."""

    engine: Engine
    workload: Workload
    utilization: Fraction
    case: Case
    mixture: bool
    """Whether tokens choose experts, which they are taken to do uniformly."""

    def overhead(self, devices: int) -> int:
        """What the engine takes of each device's share beside weights, state and activations: assumed."""
        return self.engine.overheads.inside_bytes(devices)

    def room(self, fleet: Fleet) -> Room:
        """What the devices give. Raises UndeterminedError for one whose memory nobody published."""
        capacities = tuple(usable(capacity_of(device), self.utilization) for device in fleet.devices)
        return Room(capacities, self.overhead(fleet.count))


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One quantization on the devices asked about, under the engine that reads it."""

    quant: str
    engine: str
    weight_bytes: Number
    plan: str
    fits: bool
    free_bytes: Number
    """Of the fullest rank at the context and sequences asked about; below 0 is what is missing."""
    max_context: int | None
    max_sequences: int | None
    offload: Offload | None = None
    """The placement beside the RAM that was named, where it fits with that alone."""
    stages: tuple[int, ...] = ()
    """Layers of each pipeline stage where equal devices hold it with unequal stages only; empty elsewhere."""


class OffloadCeiling(msgspec.Struct, frozen=True, kw_only=True):
    """What no program decodes faster than beside the RAM."""

    tokens_per_second: float
    """Of all sequences together."""
    parts: tuple[Reading, ...]
    """Each GPU, then the RAM."""


class Roomier(msgspec.Struct, frozen=True):
    """A plan that holds many more sequences than the one that was chosen."""

    plan: str
    max_sequences: int


class Fit(Answer, msgspec.Struct, frozen=True, kw_only=True):
    """A model on devices: what each rank holds, what would still fit, and what else could be done."""

    model: str
    source: str
    fleet: Fleet
    quant: str
    precision: str
    setting: Setting
    holding: Holding
    ranks: tuple[Rank, ...]
    surplus: tuple[Surplus, ...]
    max_context: int | None
    max_sequences: int | None
    trained_length: int | None
    options: tuple[Option, ...]
    roomier: Roomier | None
    evener: Plan | None
    """The plan that was asked for with other numbers of layers for each stage, where it fits with those alone."""
    offload: Offload | None
    """Where it does not fit the devices alone: beside the RAM that was named, or as much of it as it takes."""
    offload_instead: tuple[str, Offload] | None
    """A quantization that llama.cpp reads, and its placement, where it cannot read this one."""
    unlimited: Offload | None
    """The placement that the RAM that was named is too small for."""
    ktransformers: KtOffload | None
    left_out: tuple[tuple[str, Number], ...]
    """What the model has that is not counted, with its bytes: prediction modules, and towers beside llama.cpp."""
    capacity_notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    offload_setting: Setting | None = None
    """llama.cpp's rules, under which the offload was placed."""
    offload_ceiling: OffloadCeiling | None = None
    """Where it fits beside the RAM, and the bandwidths of devices and RAM are known."""
    offload_capacities: tuple[Number, ...] = ()
    """What each device may be filled with by llama.cpp, where there is an offload."""

    @property
    def fits(self) -> bool:
        """Whether every rank has what it needs."""
        return all(rank.free_bytes >= 0 for rank in self.ranks)

    @property
    def holds(self) -> bool:
        """Whether it fits, be it with what goes into the RAM that was named."""
        return self.fits or (self.offload is not None and self.fleet.host.ram is not None)

    @property
    def placed(self) -> Offload | None:
        """The offload, where it is what makes it fit."""
        return self.offload if self.holds and not self.fits else None

    @property
    def launch(self) -> str | None:
        """llama.cpp's options where the devices alone hold it under its rules; an offload has its own."""
        plan, case = self.holding.plan, self.setting.case
        if not self.fits or self.setting.engine.reservation.rule != "cells":
            return None
        layers = [len(layers) for layers in self.holding.sharded.stage_layers]
        said = [f"-ngl {all_layers(sum(layers))}"]
        if plan.pipeline > 1:
            said.append(tensor_split(stage_slots(layers)))
        return " ".join([*said, context_options(case.context, case.sequences)])

    @property
    def setting_in_force(self) -> Setting:
        """The rules under which it fits: llama.cpp's for an offload."""
        return self.setting if self.placed is None else self.offload_setting or self.setting

    @property
    def how(self) -> str:
        """Where it fits, in words."""
        if self.fits or not self.holds or self.offload is None:
            return self.devices
        return f"{self.devices} and RAM: {' '.join(self.offload.flags)}"

    @property
    def devices(self) -> str:
        """The devices in words: `8x h100-sxm`, `a 12 GiB device`."""
        return fleet_words(self.fleet)

    @property
    def fullest(self) -> Rank:
        """The rank with the least left: it decides."""
        return fullest(self.ranks)

    @property
    def quant_words(self) -> str:
        """How the weights are stored, in words."""
        return (
            f"weights as released ({self.precision})" if self.quant == "released" else f"weights {self.quant}"
        )

    @property
    def kv_copies(self) -> int:
        """How often each key-value head's state is stored within one copy of attention."""
        return kv_copies(self.holding.sharded.ledger, self.holding.plan)

    def stage_device(self, stage: int) -> str:
        """The devices of a pipeline stage, by name."""
        size = self.holding.plan.stage_devices
        first = self.fleet.devices[stage * size]
        return device_words(first) if size == 1 else f"{size}x {device_words(first)}"

    @property
    def best(self) -> Option | None:
        """The quantization with the most bits that fits the devices alone."""
        return next((option for option in self.options if option.fits), None)

    @property
    def best_offload(self) -> Option | None:
        """The one with the most bits that fits beside the RAM that was named, where it has more than `best`."""
        first = next((option for option in self.options if option.fits or option.offload is not None), None)
        return None if first is None or first.fits else first

    def beyond(self, tokens: int | None) -> bool:
        """Whether a context has an end, and is longer than the model was trained for."""
        return (
            tokens is not None and self.trained_length is not None and self.trained_length < tokens < LONGEST
        )


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """The fewest devices of one kind that hold the model in one quantization."""

    quant: str
    device: str
    kind: str
    """`gpu`, `unified`, `cpu` ..."""
    count: int
    plan: str
    usd_per_hour: Decimal | None
    price_note: str
    rank: Rank


class Offers(msgspec.Struct, frozen=True, kw_only=True):
    """Which devices hold a model, by quantization: the cheapest by the hour first."""

    model: str
    source: str
    settings: dict[str, Setting]
    """By quantization: what was asked, under the engine that reads it."""
    weight_bytes: dict[str, Number]
    offers: tuple[Offer, ...]
    warnings: tuple[str, ...] = ()

    @property
    def setting(self) -> Setting:
        """The first quantization's: what all have in common stands in any."""
        return next(iter(self.settings.values()))

    def of(self, quant: str) -> tuple[Offer, ...]:
        """The offers for one quantization."""
        return tuple(offer for offer in self.offers if offer.quant == quant)

    def fewest(self, quant: str) -> Offer | None:
        """The fewest devices, whatever the price; of equally few the smallest that hold it."""
        return min(self.of(quant), key=_size, default=None)

    def machine(self, quant: str) -> Offer | None:
        """The smallest machine whose memory CPU and GPU share, where one alone holds it."""
        return min((offer for offer in self.of(quant) if offer.kind == "unified"), key=_size, default=None)


def _size(offer: Offer) -> tuple[int, Number, str]:
    return offer.count, offer.rank.capacity_bytes, offer.device


def device_words(device: Accelerator) -> str:
    """A device's name; of one that was described by its memory alone, that."""
    if device.name != UNLISTED or device.memory.marketing is None:
        return device.name
    return f"{device.memory.marketing.value} device"


def fleet_words(fleet: Fleet) -> str:
    """`8x h100-sxm`, `rtx-4090 + rtx-3090`, `a 12 GiB device`."""
    if fleet.count == 1 and fleet.devices[0].name == UNLISTED:
        return f"a {device_words(fleet.devices[0])}"
    groups = ((group.count, device_words(group.device)) for group in fleet.groups)
    return " + ".join(name if count == 1 else f"{count}x {name}" for count, name in groups)


def capacity_of(device: Accelerator) -> int:
    """Usable bytes of a device. Raises UndeterminedError where nobody published its memory."""
    memory = device.usable_bytes()
    if memory is None:
        raise missing("memory", device, "--vram 24GiB")
    return memory.bytes
