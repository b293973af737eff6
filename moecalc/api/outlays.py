"""What a fleet costs by the hour and draws, from what was typed and from what is published of its devices."""

from decimal import Decimal

import msgspec

from moecalc.calc.cost.energy import Draw
from moecalc.calc.cost.outlay import Outlay, owned
from moecalc.errors import InputError, UndeterminedError
from moecalc.specs import money
from moecalc.specs.fleet import Fleet
from moecalc.specs.money import Amount

MOST_PUE = 10
"""More than any site takes: a percentage was typed, or a power."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What devices are paid for, as typed; None where it was not.

    `price` is USD per GPU-hour (None: the latest on-demand price known of a device, with its date); `hardware_price`
    (USD per GPU, with `lifetime` and `electricity`, USD per kWh) is own hardware instead. `utilization` is the share of
    the paid time in which a deployment works (None: all of it), `power` watts per device (None: the TDP), `host_power`
    watts of its host per device (None: not counted), `pue` the power of the site over that of its machines (None: 1).
    """

    price: Amount | None = None
    utilization: Amount | None = None
    power: Amount | None = None
    host_power: Amount | None = None
    pue: Amount | None = None
    electricity: Amount | None = None
    hardware_price: Amount | None = None
    lifetime: Amount | None = None

    def draw(self, fleet: Fleet) -> tuple[Draw | None, str]:
        """The power of a fleet while it works, and in words."""
        return draw_of(
            fleet, self.power, self.host_power, pue_of(Decimal(1) if self.pue is None else self.pue)
        )

    @property
    def share(self) -> Decimal:
        """The share of the paid time that is worked. Raises InputError for what is none."""
        return Decimal(1) if self.utilization is None else money.share("--utilization", self.utilization)

    def outlay(self, fleet: Fleet) -> Outlay:
        """What an hour of a fleet costs. Raises InputError and UndeterminedError as `outlay_of` does."""
        return outlay_of(
            fleet,
            self.draw(fleet)[0],
            self.price,
            self.share,
            self.electricity,
            self.hardware_price,
            self.lifetime,
        )


def pue_of(value: Amount) -> Decimal:
    """Power of the site over that of its machines, at least 1. Raises InputError."""
    found = money.number("--pue", value, "--pue 1.1", free=True)
    if not 1 <= found <= MOST_PUE:
        raise InputError(
            f"`--pue` is {value}",
            hint=f"power of the site over that of its machines: at least 1, at most {MOST_PUE}",
        )
    return found


def draw_of(
    fleet: Fleet, power: Amount | None, host_power: Amount | None = None, pue: Decimal = Decimal(1)
) -> tuple[Draw | None, str]:
    """The power of a fleet while it works, and in words; None where nobody published it for one of the devices."""
    host = Decimal(0) if host_power is None else money.watts("--host-power", host_power, free=True)
    if power is not None:
        each = money.watts("--power", power)
        words = f"{each:f} W per device, as given"
        return Draw(each * fleet.count, words, host * fleet.count, pue), words
    missing = [group.device.name for group in fleet.groups if group.device.tdp is None]
    if missing:
        return None, f"no power is published for {' and '.join(missing)}: `--power 700W` gives one"
    total = sum(group.count * (group.device.tdp.watts if group.device.tdp else 0) for group in fleet.groups)
    each_words = ", ".join(f"{group.device.name} {group.device.tdp}" for group in fleet.groups)
    words = f"{each_words} (TDP: an upper bound of the draw)"
    return Draw(Decimal(total), words, host * fleet.count, pue), words


def host_words(fleet: Fleet) -> str:
    """What a source says that hosts of these devices draw beside them, at most; empty where none does."""
    said = []
    for group in fleet.groups:
        system, tdp = group.device.system, group.device.tdp
        if system is not None and tdp is not None:
            share = money.plain(system.host_watts(tdp))
            said.append(
                f"in a {system.name} ({system.watts:,} W for {system.devices}, at most; {system.source}) up to "
                f"{share} W per {group.device.name}: `--host-power {share}W`"
            )
    return "; ".join(said)


def outlay_of(
    fleet: Fleet,
    draw: Draw | None,
    price: Amount | None,
    busy: Decimal,
    electricity: Amount | None,
    hardware_price: Amount | None,
    lifetime: Amount | None,
) -> Outlay:
    """What an hour of a fleet costs: a rent, or own hardware written off, with its energy.

    Raises InputError for amounts that make no sense or belong to the other of the two, UndeterminedError where a
    price or a power is not known.
    """
    if hardware_price is None:
        for option, value in (("--electricity", electricity), ("--lifetime", lifetime)):
            if value is not None:
                raise InputError(
                    f"`{option}` belongs to own hardware; a rent includes it",
                    hint="add `--hardware-price 30000` (USD per GPU), or leave it out",
                )
        return _rent(fleet, price, busy)
    if price is not None:
        raise InputError(
            "`--price` is what a rented GPU costs, `--hardware-price` what an own one does",
            hint="leave one out",
        )
    # What was typed is judged before what was not.
    hardware = money.usd("--hardware-price", hardware_price, per="per GPU")
    hours = None if lifetime is None else money.hours("--lifetime", lifetime)
    per_kwh = (
        None if electricity is None else money.usd("--electricity", electricity, per="per kWh", free=True)
    )
    if hours is None or per_kwh is None:
        needed = (("`--lifetime 4y`", hours), ("`--electricity 0.12` (USD per kWh)", per_kwh))
        missing = " and ".join(option for option, value in needed if value is None)
        raise InputError("own hardware is written off, and draws power", hint=f"add {missing}")
    if draw is None:
        raise UndeterminedError(
            f"what {fleet.describe()} draws is not published", hint="add `--power 700W` (per device)"
        )
    standing, working = owned(hardware, fleet.count, hours, draw.site_watts, per_kwh)
    words = (
        f"own hardware: ${hardware:,f} per GPU written off evenly over {hours:,f} hours, "
        f"electricity ${per_kwh:f} per kWh at {draw.words}{_beside(draw, fleet)}; network and staff not counted"
    )
    return Outlay(standing_usd_per_hour=standing, working_usd_per_hour=working, busy=busy, words=(words,))


def _beside(draw: Draw, fleet: Fleet) -> str:
    """What is drawn beside the devices, in words."""
    host = f", hosts {money.plain(draw.host_watts / fleet.count)} W per device" if draw.host_watts else ""
    return f"{host}, PUE {draw.pue:f}" + ("" if draw.host_watts else "; hosts not counted")


def _rent(fleet: Fleet, price: Amount | None, busy: Decimal) -> Outlay:
    if price is not None:
        each = money.usd("--price", price, per="per GPU-hour")
        words: tuple[str, ...] = (f"${each:f} per GPU-hour, as given",)
        return Outlay(standing_usd_per_hour=each * fleet.count, busy=busy, words=words)
    total, said = Decimal(0), []
    for group in fleet.groups:
        known = group.device.price()
        if known is None:
            raise UndeterminedError(
                f"no price is known for `{group.device.name}`",
                hint="add `--price 2.50` (USD per GPU-hour), or `--hardware-price` for your own",
            )
        total += known.usd_per_gpu_hour * group.count
        said.append(
            f"{group.device.name} ${known.usd_per_gpu_hour:f} per GPU-hour, {known.provider}, "
            f"{known.date or 'undated'} ({known.source})"
        )
    return Outlay(standing_usd_per_hour=total, busy=busy, words=tuple(said))
