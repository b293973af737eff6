"""The machines a command is asked about: groups of equal devices, what the host beside them has, and the grammar.

h100    8xh100    8x h100    rtx-4090 + rtx-3090    2xrtx-4090+1xrtx-3090
"""

import re
from collections.abc import Callable
from decimal import Context, Decimal

from msgspec import Struct
from msgspec.structs import replace

from moecalc.errors import InputError, UndeterminedError
from moecalc.specs.hardware import Accelerator, Capacity, Link, Memory, Rate, accelerator, find_name
from moecalc.units import parse_bytes, parse_bytes_per_second

MAX_DEVICES = 16_384
"""More devices of one kind than the largest published training run of one model had (Llama 3 405B,
arXiv 2407.21783, section 3.3.1): a larger count is a slip of the keyboard."""

GIVEN = "given on the command line"
"""The source of a figure that the user typed."""

UNLISTED = "unlisted"

_TERM = re.compile(r"(?:(?P<count>[+-]?\d+)\s*(?:[x×*]\s*|\s+(?=[a-z])))?(?P<name>\S.*)", re.IGNORECASE)
_BITS = re.compile(r"(?P<number>\d{1,9}(?:\.\d{1,9})?)\s*(?P<prefix>[MGT])(?:b/s|bit/s|bps)")
_COUNT_LAST = re.compile(r"(?P<name>.+?)\s*[x×*]\s*(?P<count>\d+)", re.IGNORECASE)


class Group(Struct, frozen=True):
    """`count` equal devices."""

    device: Accelerator
    count: int = 1

    def __str__(self) -> str:
        """`8x h100-sxm`, and the name alone for one."""
        return self.device.name if self.count == 1 else f"{self.count}x {self.device.name}"


class Host(Struct, frozen=True):
    """The memory beside the devices, into which weights may be moved; None is what nobody said."""

    ram: Capacity | None = None
    bandwidth: Rate | None = None


class Fleet(Struct, frozen=True):
    """All devices of one deployment, equal ones in one group, in the order in which they were named."""

    groups: tuple[Group, ...]
    host: Host = Host()

    @property
    def count(self) -> int:
        """Devices of all groups together."""
        return sum(group.count for group in self.groups)

    @property
    def devices(self) -> tuple[Accelerator, ...]:
        """One entry for each device, in order: the devices of ranks 0, 1, 2 ..."""
        return tuple(group.device for group in self.groups for _ in range(group.count))

    @property
    def is_uniform(self) -> bool:
        """Whether all devices are equal."""
        return len(self.groups) == 1

    @property
    def noun(self) -> str:
        """What one of them is called: a GPU where all are, else a device."""
        return "GPU" if all(group.device.kind == "gpu" for group in self.groups) else "device"

    def describe(self) -> str:
        """`8x h100-sxm`, `2x rtx-4090 + rtx-3090`: what `parse` reads back."""
        return " + ".join(map(str, self.groups))


def parse(text: str, described: Accelerator | None = None) -> Fleet:
    """The fleet that a `--gpu` text means; `described` is the device that the name `unlisted` stands for.

    Raises InputError for an unknown device (with the nearest names), a count that is 0, negative or absurd, and a
    term that is missing.
    """
    counts: dict[str, int] = {}
    devices: dict[str, Accelerator] = {}
    for term in [text] if _is_one_name(text) else text.split("+"):
        count, name = _term(term.strip(), text)
        device = (described if name.strip().lower() == UNLISTED else None) or accelerator(name)
        devices[device.name] = device
        counts[device.name] = counts.get(device.name, 0) + count
    for name, count in counts.items():
        _check_count(count, f"{count}x{name}")
    return Fleet(tuple(Group(devices[name], count) for name, count in counts.items()))


def unlisted(vram: str | None, bandwidth: str | None) -> Accelerator:
    """A device that no list has, from what was typed; a figure that was not given is absent.

    Raises InputError where a size or rate cannot be read, or is 0.
    """
    return Accelerator(
        name=UNLISTED,
        label="a device that is not listed",
        vendor=None,
        kind="gpu",
        memory=Memory(marketing=_capacity("--vram", vram)),
        bandwidth=_rate("--bandwidth", bandwidth),
    )


def host(ram: str | None, bandwidth: str | None) -> Host:
    """The host's memory, from what was typed. Raises InputError as `unlisted` does."""
    return Host(_capacity("--ram", ram), _rate("--ram-bandwidth", bandwidth))


def with_network(fleet: Fleet, text: str) -> Fleet:
    """The fleet whose devices each send so much to other domains, in one direction: `50GB/s`, or in bits `400Gb/s`.

    Raises InputError where the rate cannot be read, or is 0.
    """
    bits = _BITS.fullmatch(text.strip())
    try:
        rate = _rate("--network", f"{Decimal(bits['number']) / 8:f}{bits['prefix']}B/s" if bits else text)
    except InputError as error:
        raise InputError(
            str(error), hint="type what a device sends per second: `400Gb/s` or `50GB/s`"
        ) from None
    assert rate is not None  # of a text there is always one
    link = Link(name="network", value=rate.value, source=rate.source)
    groups = (Group(replace(group.device, network=link), group.count) for group in fleet.groups)
    return Fleet(tuple(groups), fleet.host)


def require_bandwidth(device: Accelerator) -> Rate:
    """The device's bandwidth. Raises UndeterminedError naming field and device where none is known."""
    if device.bandwidth is None:
        raise missing("bandwidth", device, "--bandwidth 1008GB/s")
    return device.bandwidth


def missing(field: str, device: Accelerator, option: str | None = None) -> UndeterminedError:
    """The error for a figure of a device that a command needs and nobody published."""
    if device.name == UNLISTED:
        return UndeterminedError(
            f"the {field} of the unlisted device is not given", hint=option and f"add `{option}`"
        )
    described = " ".join(dict.fromkeys(("--vram 24GiB", option))) if option else ""
    return UndeterminedError(
        f"`{device.name}` has no published {field}",
        hint="`moecalc hardware` lists what is known of each device"
        + (f"; or describe yours with `{described}`" if option else ""),
    )


def _is_one_name(text: str) -> bool:
    """Whether a device is called so, plus sign and all (`Ryzen AI Max+ 395`)."""
    if "+" not in text:
        return True
    if not all(part.strip() for part in text.split("+")):
        return False
    try:
        accelerator(text)
    except InputError:
        return False
    return True


def _term(term: str, text: str) -> tuple[int, str]:
    if "," in term:
        joined = " + ".join(part.strip() for part in text.split(",") if part.strip())
        raise InputError(f"`{text}` names several devices", hint=f"join them by `+`: `{joined}`")
    if not term:
        raise InputError(
            f"`{text}` names no device" if not text.strip(" +") else f"a device is missing in `{text}`",
            hint="type `h100`, `8xh100` or `2xrtx-4090 + rtx-3090`",
        )
    match = _TERM.fullmatch(term)
    if match is None or match["count"] is None:
        last = _COUNT_LAST.fullmatch(term)
        # An x and digits may be the end of a name (`rtx4090`): only behind a device are they a count.
        if last is not None and find_name(term) is None and _is_device(last["name"]):
            raise InputError(
                f"the count stands behind the device in `{term}`",
                hint=f"type `{last['count']}x{last['name']}`",
            )
        return 1, term
    digits = match["count"]
    if len(digits) > 9:  # no integer of any length is made of what was typed
        raise InputError(f"a count of {len(digits):,} digits is absurd", hint="type a count such as `8xh100`")
    _check_count(int(digits), term)
    return int(digits), match["name"]


def _is_device(name: str) -> bool:
    return name.strip().lower() == UNLISTED or find_name(name) is not None


def _check_count(count: int, term: str) -> None:
    if count < 1:
        raise InputError(f"`{term}` is no device at all", hint="a count is at least 1: `8xh100`")
    if count > MAX_DEVICES:
        raise InputError(
            f"`{term}` is more than {MAX_DEVICES:,} devices of one kind", hint="type a count such as `8xh100`"
        )


def _capacity(option: str, text: str | None) -> Capacity | None:
    if text is None:
        return None
    if text.strip().lower().endswith("/s"):
        raise InputError(f"`{option} {text}` is a bandwidth, not a size", hint=f"type `{option} 24GiB`")
    size = _positive(option, text, parse_bytes)
    return Capacity(value=_written(size, text, (2**30, "GiB"), (10**9, "GB")), source=GIVEN)


def _rate(option: str, text: str | None) -> Rate | None:
    if text is None:
        return None
    rate = _positive(option, text, parse_bytes_per_second)
    return Rate(value=_written(rate, text, (10**9, "GB/s"), (10**9, "GB/s")), source=GIVEN)


def _positive(option: str, text: str, read: Callable[[str], int]) -> int:
    if text.strip().startswith("-"):
        raise InputError(f"`{option} {text}` is negative", hint="type a size above 0")
    try:
        value = read(text)
    except InputError as error:
        raise InputError(f"{option}: {error.message}", hint=error.hint) from None
    if value == 0:
        raise InputError(f"`{option} {text}` is nothing", hint=f"leave out `{option}` where it is not known")
    return value


def _written(value: int, typed: str, binary: tuple[int, str], decimal: tuple[int, str]) -> str:
    """The value in exact decimals, with the base that was typed."""
    unit, name = binary if "ib" in typed.lower() else decimal
    # Both bases have powers of 2 and 5 alone, so the division ends, after 30 digits at most.
    exact = Context(prec=60).divide(Decimal(value), Decimal(unit))
    return f"{exact.normalize():f} {name}"
