"""`moecalc scaling [MODEL ...]`."""

from __future__ import annotations

from typing import Annotated

import typer

from moecalc import cli
from moecalc.api.fleets import fleet_of
from moecalc.api.scaling import scaling
from moecalc.calc.scaling.lines import scaling_report
from moecalc.cli import deployment
from moecalc.cli.output import emit, warn
from moecalc.cli.values import one_format, tokens
from moecalc.units import parse_count, parse_flops

EXAMPLES = (
    "moecalc scaling --compute 1e24",
    "moecalc scaling --compute 1e24 llama-3.1-8b qwen3-30b-a3b",
    "moecalc scaling --gpu-hours 2.788M --gpu h800 --mfu 0.39 deepseek-v3",
    "moecalc scaling --compute 1e20 --axis granularity",
    "moecalc scaling --tokens 15T --law besiroglu --law ling-moe",
)

ModelsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[MODEL ...]",
        help="Models to train on that budget. Default: what the laws say of it.",
        autocompletion=cli.options.complete_model,
    ),
]
ComputeOption = Annotated[
    str | None, typer.Option("--compute", help="The budget in training FLOPs, e.g. 1e24.")
]
TokensOption = Annotated[
    str | None, typer.Option("--tokens", help="The budget in tokens: 15T, 300B (powers of 1,000).")
]
GpuHoursOption = Annotated[
    str | None,
    typer.Option("--gpu-hours", help="The budget in hours of all devices together, e.g. 2.8M; with --gpu."),
]
MfuOption = Annotated[
    str | None,
    typer.Option("--mfu", help="With --gpu-hours: share of the dense bf16 peak. Default: 0.4, assumed."),
]
SequenceOption = Annotated[str, typer.Option("--sequence", help="Tokens of a sequence, e.g. 4096 or 8k.")]
LawOption = Annotated[
    list[str] | None, typer.Option("--law", help="Only these laws. `moecalc scaling` lists all.")
]
AxisOption = Annotated[
    str | None, typer.Option("--axis", help="The laws along granularity, sparsity or experts.")
]
ExtrapolateOption = Annotated[
    bool,
    typer.Option("--extrapolate", help="Show losses and ratios outside the range a law was fitted over."),
]


def command(
    models: ModelsArgument = None,
    compute: ComputeOption = None,
    tokens_: TokensOption = None,
    gpu_hours: GpuHoursOption = None,
    gpu: deployment.FleetOption = None,
    mfu: MfuOption = None,
    sequence: SequenceOption = "4096",
    law: LawOption = None,
    axis: AxisOption = None,
    extrapolate: ExtrapolateOption = False,
    json: cli.options.JsonOption = False,
    markdown: cli.options.MarkdownOption = False,
) -> None:
    """What a training budget buys, by the published scaling laws.

    Models that share it get the tokens that their own FLOPs allow, counted from their rows. Every law
    names its source and the range it was fitted over; outside of it figures are marked or withheld. Without a budget:
    the laws.
    """
    one_format(json, markdown)
    length = tokens(sequence)
    assert length is not None
    answer = scaling(
        models or (),
        compute=None if compute is None else parse_flops(compute),
        tokens=None if tokens_ is None else parse_count(tokens_, "a number of training tokens"),
        gpu_hours=None if gpu_hours is None else parse_count(gpu_hours, "a number of GPU-hours"),
        gpu=fleet_of(gpu),
        mfu=mfu,
        sequence=length,
        laws=law or (),
        axis=axis,
        extrapolate=extrapolate,
    )
    if json:
        from moecalc.render.json import report_json

        emit(report_json(scaling_report(answer)))
    elif markdown:
        from moecalc.render.scaling import scaling_markdown

        emit(scaling_markdown(answer))
    else:
        from moecalc.render.layout import width
        from moecalc.render.scaling import scaling_text

        emit(scaling_text(answer, width()))
        return
    warn(answer.warnings)
