"""Energy and carbon dioxide of tokens: power x the seconds of work.

The devices' own draw is counted, that of their hosts where it is given, and what a site takes beside (cooling, losses
of conversion) by its PUE. The network is not, and what devices draw while they wait is not known.
"""

from decimal import Decimal

import msgspec

from moecalc.calc.cost.figure import Figure

JOULES_PER_WATT_HOUR = 3600
GRAMS = Decimal(1000)
"""Watt-hours in a kilowatt-hour, by which intensities are stated."""


class Draw(msgspec.Struct, frozen=True):
    """The power that a deployment draws while it works, and whose word that is."""

    watts: Decimal
    """Of all devices."""
    words: str
    host_watts: Decimal = Decimal(0)
    """Of what stands around the devices in their machines; 0 where it was not given, and is not counted."""
    pue: Decimal = Decimal(1)
    """Power usage effectiveness: power of the site over that of its machines."""

    @property
    def site_watts(self) -> Decimal:
        """Devices and hosts, with what the site takes for them."""
        return (self.watts + self.host_watts) * self.pue


class Energy(msgspec.Struct, frozen=True, kw_only=True):
    """Energy of a million tokens, and what that emits; None where no intensity was given."""

    watt_hours: Figure[Decimal]
    grams_co2: Figure[Decimal] | None


def energy(seconds: Figure[float], draw: Draw, grams_per_kwh: Decimal | None) -> Energy:
    """The energy of that many seconds of work of the whole deployment."""
    used = seconds.map(lambda value: draw.site_watts * Decimal(value) / JOULES_PER_WATT_HOUR)
    grams = None if grams_per_kwh is None else used.map(lambda value: value * grams_per_kwh / GRAMS)
    return Energy(watt_hours=used, grams_co2=grams)
