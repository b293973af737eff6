"""Options of the commands that choose among batches, plans and devices."""

from __future__ import annotations

from typing import Annotated

import typer

from moecalc.cli.options import complete_gpu
from moecalc.errors import InputError

FleetsOption = Annotated[
    str | None,
    typer.Option(
        "--gpu",
        help="Devices: h100, 8xh100, rtx-4090 + rtx-3090; several to choose among: h100,h200,mi300x.",
        autocompletion=complete_gpu,
    ),
]
OverlapOption = Annotated[
    float,
    typer.Option(
        "--overlap",
        help="Share of a token that counts as a new draw of experts: 1 uniform routing, 0 all tokens on the same.",
    ),
]
SpeculateOption = Annotated[
    int | None,
    typer.Option(
        "--speculate",
        help="Tokens drafted per step (speculative decoding, MTP); `speed`: at each batch of a list.",
    ),
]
AcceptOption = Annotated[
    float | None,
    typer.Option("--accept", help="Chance that a drafted token is accepted where those before it are."),
]
SloOption = Annotated[
    str | None,
    typer.Option(
        "--slo",
        help="Limits that the cheapest plan must meet: ttft<1s (unloaded), tpot<50ms, both with a comma between; "
        "high:tpot<50ms holds the high end of what is expected against them.",
    ),
]


def refuse_beside_a_sweep(options: dict[str, object]) -> None:
    """Raise InputError for an option that is about one batch on one fleet."""
    for option, value in options.items():
        if value is not None:
            raise InputError(
                f"`{option}` is about one batch on one fleet", hint="name one batch and one fleet, no `--slo`"
            )
