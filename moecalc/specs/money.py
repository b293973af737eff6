"""Amounts that a cost is made of, as people type them: dollars, watts, a lifetime, a share of time."""

import re
from decimal import Decimal

from moecalc.errors import InputError

Amount = Decimal | int | float | str
"""What the API takes for an amount: a number, or the text that the command line has."""

HOURS_PER_YEAR = Decimal(8766)
"""365.25 days of 24 hours."""

LEAST = Decimal("1e-6")
"""Amounts above 0 and below this are slips of the pen."""

MOST = Decimal("1e12")
"""Amounts above this are, where nothing less is known to be."""

MOST_USD = {
    "per GPU-hour": (Decimal(1000), "`--hardware-price` is what a GPU costs to buy"),
    "per GPU": (Decimal(10_000_000), ""),
    "per kWh": (Decimal(10), "12 cents are `--electricity 0.12`"),
}
"""What each is paid for -> dollars beyond which another unit was meant, and what to say then."""

MOST_WATTS = Decimal(1_000_000)
"""Per device: more than the racks that are built."""

MOST_HOURS = 100 * HOURS_PER_YEAR

_NUMBER = r"(?P<number>[+-]?(?:\d{1,3}(?:,\d{3}){1,5}|\d{1,18})(?:\.\d{1,18})?(?:e[+-]?\d{1,2})?)"
_LIFETIMES = {"y": HOURS_PER_YEAR, "mo": HOURS_PER_YEAR / 12, "d": Decimal(24), "h": Decimal(1)}
_POWERS = {"w": Decimal(1), "kw": Decimal(1000), "": Decimal(1)}


def usd(option: str, value: Amount, *, per: str = "", free: bool = False) -> Decimal:
    """Dollars, `2.50` or `$2.50`, above 0 (or, where `free`, not below). Raises InputError."""
    number = _read(option, str(value).strip().removeprefix("$"), {"": Decimal(1)}, f"{option} 2.50", per)
    most, instead = MOST_USD.get(per, (MOST, ""))
    return _within(option, value, number, free, most, f"USD {per}".strip(), instead)


def number(option: str, value: Amount, example: str, *, free: bool = False, most: Decimal = MOST) -> Decimal:
    """A plain number above 0 (or, where `free`, not below), and at most `most`. Raises InputError."""
    return _within(option, value, _read(option, str(value), {"": Decimal(1)}, example, ""), free, most)


def watts(option: str, value: Amount, *, free: bool = False) -> Decimal:
    """Watts: `700W`, `0.7kW`, `700`. Raises InputError."""
    return _within(
        option, value, _read(option, str(value), _POWERS, f"{option} 700W", ""), free, MOST_WATTS, "W"
    )


def plain(value: Decimal) -> str:
    """A number in full without zeros that say nothing: `575`, `412.5`."""
    return f"{value.normalize():f}"


def hours(option: str, value: Amount) -> Decimal:
    """Hours of a lifetime: `4y`, `36mo`, `1000d`, `35000h`. Raises InputError."""
    found = _read(option, str(value), _LIFETIMES, f"{option} 4y", "")
    return _within(option, value, found, False, MOST_HOURS, "hours (100 years)")


def share(option: str, value: Amount) -> Decimal:
    """A share above 0 and at most 1: `0.6` or `60%`. Raises InputError."""
    units = {"": Decimal(1), "%": Decimal("0.01")}
    found = _read(option, str(value), units, f"{option} 0.6", "")
    if not LEAST <= found <= 1:
        raise InputError(
            f"`{option}` is {value}", hint=f"a share above 0 and at most 1: `{option} 0.6` or `60%`"
        )
    return found


def _read(option: str, text: str, units: dict[str, Decimal], example: str, per: str) -> Decimal:
    match = re.fullmatch(_NUMBER + r"\s*(?P<unit>[a-z%]*)", text.strip(), re.IGNORECASE)
    unit = match["unit"].lower() if match else ""
    if match is None or unit not in units:
        raise InputError(
            f"`{option} {text}` is not an amount{per and ' of USD ' + per}", hint=f"type `{example}`"
        )
    return Decimal(match["number"].replace(",", "")) * units[unit]


def _within(
    option: str, typed: Amount, value: Decimal, free: bool, most: Decimal, unit: str = "", instead: str = ""
) -> Decimal:
    if value < 0 or (value == 0 and not free):
        raise InputError(f"`{option}` is {typed}", hint="it is not below 0" if free else "an amount above 0")
    if value > most or 0 < value < LEAST:
        bound = f"at most {most:,f}" if value > most else f"at least {LEAST:f}"
        raise InputError(
            f"`{option}` is {typed}", hint="; ".join(filter(None, [f"{bound} {unit}".strip(), instead]))
        )
    return value
