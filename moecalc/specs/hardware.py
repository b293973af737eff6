"""Accelerators and their prices: typed, looked up by name, every value with its source.

One file per device, `data/accelerators/<vendor>/<name>.yaml`, so that a look-up parses one small file. What
several values cite stands once, in `data/accelerators/sources.yaml`, and is read only when someone asks. A
value that no source gives is absent: nothing here is guessed, and no peak counts 2:4 sparsity.
"""

import datetime as dt
import os
import re
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, get_args

from msgspec import Struct

from moecalc import strict_yaml
from moecalc.errors import InputError, did_you_mean

_DATA = Path(__file__).parent / "data" / "accelerators"

Kind = Literal["gpu", "asic", "unified", "cpu"]
"""Whose memory it is: a GPU's own (gpu), that of another accelerator such as a TPU, Gaudi or Trainium (asic),
shared by CPU and GPU (unified), or a CPU's (cpu)."""

Format = Literal["fp32", "tf32", "bf16", "fp16", "fp8", "fp4", "int8"]
FORMATS: tuple[Format, ...] = get_args(Format)

Vendor = Literal["NVIDIA", "AMD", "Intel", "Google", "AWS", "Apple"]

_BRANDS = {"nvidia", "geforce", "tesla", "amd", "instinct", "radeon", "intel", "google", "aws", "apple"}
"""Words that may stand before a name; no device is told from another by them."""

_ALIAS_LINE = re.compile(rb"^aliases: \[(.*)\]$", re.MULTILINE)
_QUANTITY = re.compile(r"(?P<number>\d+(?:\.\d+)?) (?P<unit>\S+)")


# --------------------------------------------------------------------------------------------- sourced values


class Source(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A citation that several values share: where, at which commit, of which date."""

    cite: str
    commit: str | None = None
    date: dt.date | None = None
    note: str | None = None


class Quantity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number and its unit, its source, and where sources differ the range that they span.

    `source` is a key of `sources.yaml` or a citation of its own (see `citation`); `date` is given where the
    source has none, or another.
    """

    _units: ClassVar[dict[str, int]] = {}

    value: str
    source: str
    date: dt.date | None = None
    low: str | None = None
    high: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        """Refuse a number without a unit of its kind, and a range that does not hold the value."""
        low, high = self.low or self.value, self.high or self.value
        if not self._exact(low) <= self._exact(self.value) <= self._exact(high):
            raise InputError(f"`{self.value}` is not between `{low}` and `{high}`")

    def __str__(self) -> str:
        """Return the value with its unit, and the range where there is one."""
        if self.low is None and self.high is None:
            return self.value
        return f"{self.value} (sources range from {self.low or self.value} to {self.high or self.value})"

    @property
    def span(self) -> tuple[Fraction, Fraction, Fraction]:
        """The least, the value itself and the most that any source gives, in base units."""
        low, high = self.low or self.value, self.high or self.value
        return self._exact(low), self._exact(self.value), self._exact(high)

    def _exact(self, text: str) -> Fraction:
        match = _QUANTITY.fullmatch(text)
        if match is None or match["unit"] not in self._units:
            units = ", ".join(f"`{unit}`" for unit in self._units)
            raise InputError(f"`{text}` is not a number, a space and one of {units}")
        return Fraction(match["number"]) * self._units[match["unit"]]


class Capacity(Quantity, frozen=True):
    """An amount of memory."""

    _units: ClassVar[dict[str, int]] = {"GB": 10**9, "TB": 10**12, "MiB": 2**20, "GiB": 2**30}

    @property
    def bytes(self) -> int:
        """Whole bytes, rounded down: logs print GiB with two decimals."""
        return int(self._exact(self.value))


class Rate(Quantity, frozen=True):
    """Bytes per second, in one direction."""

    _units: ClassVar[dict[str, int]] = {"GB/s": 10**9, "TB/s": 10**12}

    @property
    def bytes_per_second(self) -> int:
        """Whole bytes per second."""
        return int(self._exact(self.value))


class Peak(Quantity, frozen=True):
    """The theoretical dense peak of a format: FLOP/s, or OP/s for integers; a multiply-accumulate is two."""

    _units: ClassVar[dict[str, int]] = {
        "TFLOP/s": 10**12,
        "PFLOP/s": 10**15,
        "TOP/s": 10**12,
        "POP/s": 10**15,
    }

    @property
    def per_second(self) -> int:
        """Operations per second."""
        return int(self._exact(self.value))


class Power(Quantity, frozen=True):
    """The power limit that the vendor states for the board or module (TDP, TGP or board power)."""

    _units: ClassVar[dict[str, int]] = {"W": 1}

    @property
    def watts(self) -> int:
        """Whole watts."""
        return int(self._exact(self.value))


class System(Power, frozen=True):
    """The most that a machine of so many of these devices draws, as its vendor states it: devices, host and fans."""

    name: str
    devices: int

    def host_watts(self, tdp: Power) -> Decimal:
        """The share of one device in what is not the devices' own power limit."""
        return Decimal(self.watts) / self.devices - tdp.watts


class Link(Rate, frozen=True):
    """A connection: what one device can send through it in one direction, over all its lanes.

    `peer_to_peer` is the share of it that a single other device can be given, where that is less.
    """

    name: str
    peer_to_peer: str | None = None

    def __post_init__(self) -> None:
        """Refuse a share that has no unit, or is more than the whole."""
        super().__post_init__()
        if self.peer_to_peer is not None and self._exact(self.peer_to_peer) > self._exact(self.value):
            raise InputError(f"`{self.peer_to_peer}` to one other device is more than `{self.value}` to all")

    @property
    def peer_to_peer_bytes_per_second(self) -> int:
        """Bytes per second, in one direction, to a single other device."""
        return int(self._exact(self.peer_to_peer or self.value))


class Domain(Struct, frozen=True, forbid_unknown_fields=True):
    """So many devices that their own links join, each with each; a network joins more."""

    devices: int
    source: str


class Price(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one device cost per hour, from whom and when; without a date only where none could be found."""

    usd_per_gpu_hour: Decimal
    provider: str
    source: str
    date: dt.date | None = None
    spot: bool = False
    note: str | None = None


# ----------------------------------------------------------------------------------------------- accelerators


class Memory(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Three answers to "how much memory is there?".

    `marketing` is on the box; `driver` is the total that the driver reports (nvidia-smi); `allocatable` is
    the total that programs can be given: what torch calls the capacity when it runs out of memory, or Metal's
    recommended working set.
    """

    marketing: Capacity | None = None
    driver: Capacity | None = None
    allocatable: Capacity | None = None
    free: Capacity | None = None
    """What was free on the fullest of these devices when they were asked (`--gpu local`); no file has it."""


class Peaks(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Dense peaks per format, never 2:4-sparse. A format that is absent is unsupported, or not published."""

    fp32: Peak | None = None
    tf32: Peak | None = None
    bf16: Peak | None = None
    fp16: Peak | None = None
    fp8: Peak | None = None
    fp4: Peak | None = None
    int8: Peak | None = None


class UsableMemory(NamedTuple):
    """Bytes that weights and state can be given on one device, what that rests on, and in words."""

    bytes: int
    basis: Literal["measured", "assumed"]
    note: str


class Accelerator(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One device as a runtime sees it, or one module where its dies are always used together (see `note`)."""

    name: str
    aliases: tuple[str, ...] = ()
    label: str
    vendor: Vendor | None
    """None of a device that no list has."""
    kind: Kind
    note: str | None = None
    memory: Memory = Memory()
    bandwidth: Rate | None = None
    peaks: Peaks = Peaks()
    interconnect: Link | None = None
    domain: Domain | None = None
    """How many the interconnect joins; None where `system` says it."""
    network: Link | None = None
    """To devices of other domains."""
    host_link: Link | None = None
    tdp: Power | None = None
    system: System | None = None
    """A machine that holds several of them."""
    refuses: dict[str, str] = {}
    """Formats of weights, by how their names start, that no engine's code runs here -> the source that says so."""
    prices: tuple[Price, ...] = ()

    @property
    def short_name(self) -> str:
        """The shortest name that finds this device: `h100` for h100-sxm."""
        return min((self.name, *self.aliases), key=len)

    @property
    def is_linked(self) -> bool:
        """Whether a link of its own joins more of them than one machine's slots hold."""
        return self.interconnect is not None and not self.interconnect.name.startswith("PCIe")

    @property
    def domain_devices(self) -> int | None:
        """Devices that stand in one fast domain; None where no source says how many."""
        if self.domain is not None:
            return self.domain.devices
        return self.system.devices if self.system is not None else None

    def refuses_any(self, formats: Iterable[str]) -> bool:
        """Whether a source says that no engine's code for one of these formats of weights runs here."""
        return any(name.startswith(refused) for name in formats for refused in self.refuses)

    def peak(self, format: Format) -> Peak | None:  # noqa: A002 - the field's word
        """Return the dense peak of `format`, or None where no source gives one."""
        peak: Peak | None = getattr(self.peaks, format)
        return peak

    def usable_bytes(self) -> UsableMemory | None:
        """Return what weights and state can be given: allocatable, else driver-reported, else the box.

        The last is marked `assumed`, since the driver keeps some of it. None where no source has any of them.
        """
        memory = self.memory
        now = f"; {memory.free} are free now" if memory.free is not None else ""
        if memory.allocatable is not None:
            note = f"allocatable: {memory.allocatable}{now}"
            return UsableMemory(memory.allocatable.bytes, "measured", note)
        if memory.driver is not None:
            note = f"as the driver reports: {memory.driver}{now}"
            return UsableMemory(memory.driver.bytes, "measured", note)
        if memory.marketing is not None:
            note = f"as advertised: {memory.marketing}; what is allocatable is not known{now}"
            return UsableMemory(memory.marketing.bytes, "assumed", note)
        return None

    def price(self) -> Price | None:
        """Return the default price, or None: the latest that is not spot, and the first listed of equals."""
        on_demand = [price for price in self.prices if not price.spot]
        dated = [price for price in on_demand if price.date is not None]
        return max(dated, key=lambda price: str(price.date)) if dated else next(iter(on_demand), None)


# ---------------------------------------------------------------------------------------------------- look-up


def accelerator(name: Any) -> Accelerator:
    """Return the accelerator called `name`, by its name or an alias; case, spaces and `.-_` are forgiven.

    A vendor or brand is forgiven too, so the name that a driver prints (`NVIDIA A100-SXM4-80GB`) will do.

    Raises InputError with the nearest names where there is no such device.
    """
    if not isinstance(name, str):
        raise InputError(f"{name!r} is no name of an accelerator", hint="`h100`, `rtx-4090`, `mi300x`")
    path = _files().get(_key(name)) or _by_alias(_key(name))
    if path is None:
        raise InputError(f"unknown accelerator `{name}`", hint=_nearest(name))
    return _load(path)


def accelerators() -> list[Accelerator]:
    """Return every accelerator, by vendor and name. Parses them all: for one, ask `accelerator`."""
    return [_load(path) for path in _files().values()]


def priced_accelerators() -> list[Accelerator]:
    """Return every accelerator with a price. Parses those alone: their files have `prices:` at the start of a line."""
    return [_load(path) for path in _files().values() if _has_prices(path)]


def accelerator_names() -> list[str]:
    """Return the name of every accelerator, without aliases, by vendor and name. Parses nothing."""
    return [_name(path) for path in _files().values()]


def find_name(text: str) -> str | None:
    """Return the name of the accelerator that `text` is a name or alias of, or None. For trying many texts."""
    return _known_names().get(_key(text))


def citation(source: str) -> Source:
    """Return what the `source` of a value stands for: an entry of `sources.yaml`, or itself in full."""
    return _sources().get(source) or Source(cite=source)


@cache
def _known_names() -> dict[str, str]:
    known = {key: _name(path) for key, path in _files().items()}
    for path in _files().values():
        for alias in _aliases_in(path):
            known.setdefault(_key(alias), _name(path))
    return known


@cache
def _load(path: str) -> Accelerator:
    return strict_yaml.decode(strict_yaml.load(path), Accelerator)


@cache
def _sources() -> dict[str, Source]:
    return strict_yaml.decode(strict_yaml.load(_DATA / "sources.yaml"), dict[str, Source])


@cache
def _files() -> dict[str, str]:
    """Find the files by the keys of their names. Path.glob would take longer than parsing one of them."""
    vendors = sorted(entry.path for entry in os.scandir(_DATA) if entry.is_dir())
    files = sorted(entry.path for vendor in vendors for entry in os.scandir(vendor))
    return {_key(_name(path)): path for path in files}


def _name(path: str) -> str:
    return path.rpartition(os.sep)[2].removesuffix(".yaml")


def _by_alias(key: str) -> str | None:
    """Find the file that has the alias. Reads those first whose name begins so: `h100` is the h100-sxm."""
    likely_first = sorted(_files().items(), key=lambda file: not file[0].startswith(key))
    return next((path for _, path in likely_first if key in map(_key, _aliases_in(path))), None)


def _has_prices(path: str) -> bool:
    with open(path, "rb") as file:  # noqa: PTH123 - a Path for each file takes as long as reading it
        return b"\nprices:" in file.read()


def _aliases_in(path: str) -> list[str]:
    """Read the aliases without parsing the file: they stand on one line at its top (a test sees to that)."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path for each file takes as long as reading it
        found = _ALIAS_LINE.search(file.read(500))
    return [alias.strip().strip('"') for alias in found[1].decode().split(",")] if found else []


def _key(name: str) -> str:
    """Reduce a name to what tells devices apart: `NVIDIA H100-SXM` and `h100_sxm` are both `h100sxm`."""
    words = re.findall(r"[a-z0-9]+", name.casefold())
    return "".join(word for word in words if word not in _BRANDS)


def _nearest(name: str) -> str:
    """Return a hint that names the three devices whose name or alias is nearest to `name`."""
    devices = {name: name for name in accelerator_names()}
    devices |= {alias: _name(path) for path in _files().values() for alias in _aliases_in(path)}
    words = [word for word in re.split(r"[\s._-]+", name) if word.casefold() not in _BRANDS]
    matches = did_you_mean("-".join(words), devices, n=len(devices))
    near = [f"`{name}`" for name in dict.fromkeys(devices[match] for match in matches)][:3]
    if not near:
        return "type a name such as `h100`, `mi300x`, `rtx-4090` or `m4-max`"
    return f"did you mean {' or '.join(', '.join(near).rsplit(', ', 1))}?"
