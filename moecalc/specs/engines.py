"""Serving engines: their defaults, how they reserve state, what they take beside it, and the words of their logs.

One file per engine, `data/engines/<name>.yaml`; every number carries where it was read: the engine's source, or a
log that somebody published. Nothing here is code: rules are named, and `calc/reservation.py` knows what they mean.
"""

import os
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from moecalc import strict_yaml
from moecalc.errors import InputError, suggestion
from moecalc.specs.hardware import Accelerator, Capacity, Kind, Vendor

_DATA = Path(__file__).parent / "data" / "engines"

Rule = Literal["paged", "cells", "logical"]
"""How state is reserved.

paged: pools of blocks of a fixed number of tokens, shared by all sequences (vLLM)
cells: one buffer per sequence, allocated for its whole context at the start (llama.cpp)
logical: what the architecture needs, no engine's rule
"""


class Whole(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole number and where it was read."""

    value: int
    source: str
    note: str | None = None


class Ratio(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number without a unit and where it was read; `low` and `high` where sources differ."""

    value: Decimal
    source: str
    low: Decimal | None = None
    high: Decimal | None = None
    note: str | None = None


class Tier(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Scheduler defaults on devices of at least that much memory, unless their name has one of the words."""

    source: str
    batched_tokens: int
    """Tokens that one step processes at most: a prefill chunk."""
    sequences: int
    from_memory: Capacity | None = None
    except_names: tuple[str, ...] = ()

    def covers(self, memory_bytes: int, device: str) -> bool:
        """Whether these are the defaults on a device of that name and size."""
        enough = self.from_memory is None or memory_bytes >= self.from_memory.bytes
        return enough and not any(word in device for word in self.except_names)


class Reservation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rule by which state is reserved, and its numbers."""

    rule: Rule
    words: str
    """The rule in a sentence, for the output."""
    block_tokens: Whole | None = None
    latent_block_tokens: Whole | None = None
    """The block where keys and values are one latent."""
    recurrent_alignment: Whole | None = None
    """Beside recurrent layers the block grows to a multiple of this, so that its page holds a recurrent state."""
    recurrent_blocks: Whole | None = None
    """Blocks of each recurrent group that one sequence takes."""
    cell_padding: Whole | None = None
    steps_in_flight: Whole | None = None
    """Steps whose tokens keep blocks beside a window at once: two where the next is scheduled before one ends."""


class Some(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Some devices: those of a kind, of a vendor, or whose names have one of the words; and what holds for them."""

    kind: Kind | None = None
    vendor: Vendor | None = None
    names: tuple[str, ...] = ()
    source: str
    note: str | None = None

    def covers(self, device: Accelerator) -> bool:
        """Whether it is one of them."""
        if any(word in device.name for word in self.names):
            return True
        return device.kind == self.kind or (self.vendor is not None and device.vendor == self.vendor)


class Tiles(Some, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Multiples to which the kernels of those devices round up."""

    multiples: dict[str, int]


class Padding(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Multiples to which kernels round up the sides of a rank's experts in one format, and where that was read."""

    multiples: dict[str, int]
    """Name of the dim -> multiple."""
    source: str
    note: str | None = None
    elsewhere: tuple[Tiles, ...] = ()
    """Devices on which other kernels run."""

    def on(self, devices: Sequence[Accelerator]) -> "Padding":
        """The rule of devices that all have another one; else this."""
        for tiles in self.elsewhere:
            if devices and all(map(tiles.covers, devices)):
                return Padding(multiples=tiles.multiples, source=tiles.source, note=tiles.note)
        return self


class Overheads(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a rank takes beside weights, state and activations. Assumed: read off published logs."""

    context: Capacity | None = None
    """The CUDA context, and libraries loaded into it."""
    context_outside: bool = False
    """Whether the context stands outside the share of memory that the engine may fill."""
    communication: Capacity | None = None
    """Beside the framework's allocator on one rank that talks to no other: workspaces."""
    communication_of_ranks: Capacity | None = None
    """The same where ranks talk to each other: buffers of collectives too."""
    graphs: Capacity | None = None
    """Captured CUDA graphs."""
    sampler_copies: Ratio | None = None
    """Copies of the float32 logits that sampling holds at its peak."""
    padded_experts: dict[str, Padding] = {}
    """Format of the experts -> how kernels pad them."""

    @property
    def tiles(self) -> tuple[tuple[str, tuple[tuple[str, int], ...]], ...]:
        """The multiples of `padded_experts`, as a key."""
        return tuple((name, tuple(rule.multiples.items())) for name, rule in self.padded_experts.items())

    def communication_on(self, devices: int) -> Capacity | None:
        """What collectives and kernels allocate on each of so many devices that talk to each other."""
        return (self.communication_of_ranks if devices > 1 else None) or self.communication

    def inside_bytes(self, devices: int) -> int:
        """What the runtime takes of the memory that the engine may fill, on each of so many devices."""
        context = None if self.context_outside else self.context
        parts = (context, self.communication_on(devices), self.graphs)
        return sum(part.bytes for part in parts if part is not None)

    @property
    def outside_bytes(self) -> int:
        """What it takes beside that memory: a CUDA context that the engine does not count."""
        return self.context.bytes if self.context is not None and self.context_outside else 0


class Launch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The command that starts the engine; `{}` in an option is where its value goes."""

    command: str
    options: dict[str, str]
    """What is chosen (`tensor`, `context`, `sequences` ...) -> the option that says so."""
    environment: dict[str, str] = {}
    """The same for what is said by a variable of the environment before the command."""
    nodes: str | None = None
    """What more the engine is told where it runs on several machines."""


class Engine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A serving engine."""

    name: str
    label: str
    note: str | None = None
    """What the figures of this engine rest on, where that must be said."""
    reservation: Reservation
    overheads: Overheads
    steps: tuple[Tier, ...]
    """Scheduler defaults; the first that covers the device holds."""
    utilization: Ratio | None = None
    """The default share of device memory; None where the engine has no such option."""
    vocabulary_multiple: Whole | None = None
    splits: tuple[str, ...]
    """The parallel sizes that the engine has, as `Plan` calls them."""
    kv_dtype: str | None = None
    """The cache's dtype unless chosen; None: the model's."""
    kv_dtypes: dict[str, str] = {}
    """The cache's formats that the engine has -> its word for them; empty: any."""
    log: dict[str, str] = {}
    """Lines of the engine's own log, as Python formats them, by what they report."""
    launch: Launch | None = None
    refuses: tuple[Some, ...] = ()
    """Devices that it does not run on as planned here."""

    def on(self, devices: Sequence[Accelerator]) -> "Engine":
        """Itself with the rules that hold on such devices.

        Raises InputError for a device that it does not run on as planned here.
        """
        for device in devices:
            refusal = self.refusal(device)
            if refusal is not None:
                raise InputError(
                    f"{self.name} is not planned on `{device.name}`: {refusal.note}",
                    hint="choose another engine: `--engine llama.cpp`, or `--engine generic`",
                )
        padded = {name: rule.on(devices) for name, rule in self.overheads.padded_experts.items()}
        return replace(self, overheads=replace(self.overheads, padded_experts=padded))

    def refusal(self, device: Accelerator) -> Some | None:
        """Why it does not run on a device as planned here; None where it does."""
        return next((some for some in self.refuses if some.covers(device)), None)

    def tier(self, memory_bytes: int, device: str) -> Tier:
        """The scheduler's defaults on such a device."""
        return next(tier for tier in self.steps if tier.covers(memory_bytes, device))


def engine_names() -> list[str]:
    """The engines that have a file, `generic` last."""
    names = sorted(entry.name.removesuffix(".yaml") for entry in os.scandir(_DATA))
    return sorted(names, key=lambda name: name == "generic")


def find_engine(name: str) -> Engine:
    """The engine of that name. Raises InputError naming those whose own logs back their figures."""
    key = name.strip().lower()
    known = engine_names()
    if key not in known:
        near = suggestion(name, known)
        hint = f"{near} " if near else ""
        raise InputError(
            f"no figures for engine `{name}` that its own logs back",
            hint=f"{hint}engines: {', '.join(known)}; `generic` is no engine's rule, and says so",
        )
    return _load(key)


@cache
def _load(name: str) -> Engine:
    return strict_yaml.decode(strict_yaml.load(_DATA / f"{name}.yaml"), Engine)
