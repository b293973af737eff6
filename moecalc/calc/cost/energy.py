"""Energy and carbon dioxide of tokens: power of the devices x the seconds they work.

Only the devices' own draw is counted: hosts, network, cooling and losses of conversion are not, and what devices
draw while they wait is not known.
"""

from decimal import Decimal

import msgspec

from moecalc.calc.cost.figure import Figure

JOULES_PER_WATT_HOUR = 3600
GRAMS = Decimal(1000)
"""Watt-hours in a kilowatt-hour, by which intensities are stated."""


class Draw(msgspec.Struct, frozen=True):
    """The power that all devices of a deployment draw while they work, and whose word that is."""

    watts: Decimal
    words: str


class Energy(msgspec.Struct, frozen=True, kw_only=True):
    """Energy of a million tokens, and what that emits; None where no intensity was given."""

    watt_hours: Figure[Decimal]
    grams_co2: Figure[Decimal] | None


def energy(seconds: Figure[float], draw: Draw, grams_per_kwh: Decimal | None) -> Energy:
    """The energy of that many seconds of work of the whole deployment."""
    used = seconds.map(lambda value: draw.watts * Decimal(value) / JOULES_PER_WATT_HOUR)
    grams = None if grams_per_kwh is None else used.map(lambda value: value * grams_per_kwh / GRAMS)
    return Energy(watt_hours=used, grams_co2=grams)
