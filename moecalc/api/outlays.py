"""What a fleet costs by the hour and draws, from what was typed and from what is published of its devices."""

from decimal import Decimal

from moecalc.calc.cost.energy import Draw
from moecalc.calc.cost.outlay import Outlay, owned
from moecalc.errors import InputError, UndeterminedError
from moecalc.specs import money
from moecalc.specs.fleet import Fleet
from moecalc.specs.money import Amount


def draw_of(fleet: Fleet, power: Amount | None) -> tuple[Draw | None, str]:
    """The power of all devices while they work, and in words; None where nobody published it for one of them."""
    if power is not None:
        each = money.watts("--power", power)
        words = f"{each:f} W per device, as given"
        return Draw(each * fleet.count, words), words
    missing = [group.device.name for group in fleet.groups if group.device.tdp is None]
    if missing:
        return None, f"no power is published for {' and '.join(missing)}: `--power 700W` gives one"
    total = sum(group.count * (group.device.tdp.watts if group.device.tdp else 0) for group in fleet.groups)
    each_words = ", ".join(f"{group.device.name} {group.device.tdp}" for group in fleet.groups)
    words = f"{each_words} (TDP: an upper bound of the draw)"
    return Draw(Decimal(total), words), words


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
    if lifetime is None or electricity is None:
        missing = "`--lifetime 4y`" if lifetime is None else "`--electricity 0.12` (USD per kWh)"
        raise InputError("own hardware is written off, and draws power", hint=f"add {missing}")
    if draw is None:
        raise UndeterminedError(
            f"what {fleet.describe()} draws is not published", hint="add `--power 700W` (per device)"
        )
    hardware = money.usd("--hardware-price", hardware_price, per="per GPU")
    hours = money.hours("--lifetime", lifetime)
    per_kwh = money.usd("--electricity", electricity, per="per kWh", free=True)
    standing, working = owned(hardware, fleet.count, hours, draw.watts, per_kwh)
    words = (
        f"own hardware: ${hardware:,f} per GPU written off evenly over {hours:,f} hours, "
        f"electricity ${per_kwh:f} per kWh at {draw.words}; hosts, network, cooling and staff not counted"
    )
    return Outlay(standing_usd_per_hour=standing, working_usd_per_hour=working, busy=busy, words=(words,))


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
