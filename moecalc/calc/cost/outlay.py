"""What an hour of a deployment costs: rented by the GPU-hour, or owned and written off, with the energy it draws."""

from decimal import Decimal

import msgspec

HOURS_PER_DAY = 24
SECONDS_PER_HOUR = 3600
WATTS_PER_KILOWATT = 1000


class Outlay(msgspec.Struct, frozen=True, kw_only=True):
    """Dollars per hour of a whole deployment, and the share of the time in which it works at the rate asked about."""

    standing_usd_per_hour: Decimal
    """Paid whether it works or not: rent, or depreciation."""
    working_usd_per_hour: Decimal = Decimal(0)
    """Paid for hours of work: energy, where it is not in the rent."""
    busy: Decimal = Decimal(1)
    words: tuple[str, ...] = ()
    """Whose prices, and of when."""

    @property
    def usd_per_busy_hour(self) -> Decimal:
        """An hour of work, idle time paid with it."""
        return self.standing_usd_per_hour / self.busy + self.working_usd_per_hour

    @property
    def usd_per_day(self) -> Decimal:
        """A day, of which that share is worked."""
        return HOURS_PER_DAY * self.busy * self.usd_per_busy_hour

    def usd(self, seconds: float) -> Decimal:
        """What that many seconds of work cost."""
        return self.usd_per_busy_hour * Decimal(seconds) / SECONDS_PER_HOUR


def owned(
    hardware_usd: Decimal, devices: int, lifetime_hours: Decimal, watts: Decimal, usd_per_kwh: Decimal
) -> tuple[Decimal, Decimal]:
    """Depreciation in a straight line, and energy: dollars per hour standing and per hour working."""
    return hardware_usd * devices / lifetime_hours, watts / WATTS_PER_KILOWATT * usd_per_kwh
