"""Options of the commands that put a price on devices: what they are paid for, and the share of time they work."""

from __future__ import annotations

from typing import Annotated

import typer

PriceOption = Annotated[
    str | None,
    typer.Option(
        "--price", help="Rent in USD per GPU-hour. Default: the latest known of the device, with its date."
    ),
]
TimeShareOption = Annotated[
    str | None,
    typer.Option(
        "--utilization",
        "--busy",
        help="Share of the paid time in which it works at this rate, 0.6 or 60%. Default: all of it.",
    ),
]
HardwarePriceOption = Annotated[
    str | None, typer.Option("--hardware-price", help="Own hardware: USD per GPU, in place of a rent.")
]
LifetimeOption = Annotated[
    str | None, typer.Option("--lifetime", help="Over which own hardware is written off: 4y, 36mo.")
]
ElectricityOption = Annotated[
    str | None, typer.Option("--electricity", help="USD per kWh, for own hardware.")
]
PowerOption = Annotated[
    str | None,
    typer.Option("--power", help="What a device draws while it works, e.g. 700W. Default: its TDP."),
]
HostPowerOption = Annotated[
    str | None,
    typer.Option("--host-power", help="What its host draws per device, e.g. 575W. Default: not counted."),
]
PueOption = Annotated[
    str | None,
    typer.Option("--pue", help="Power of the site over that of its machines, e.g. 1.1. Default: 1."),
]
