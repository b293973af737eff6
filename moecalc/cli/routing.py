"""`moecalc routing MODEL`."""

from __future__ import annotations

from typing import Annotated

import typer

from moecalc import cli
from moecalc.api.batches import SWEEP
from moecalc.api.loading import load
from moecalc.cli.output import emit, warn
from moecalc.cli.values import one_format
from moecalc.errors import InputError

EXAMPLES = (
    "moecalc routing deepseek-v3",
    "moecalc routing deepseek-v3 --ep 32 --gpu h200 --batch 32..4096",
    "moecalc routing qwen3-30b-a3b --skew zipf:0.8 --ep 8 --capacity-factor 1.25",
    "moecalc routing qwen3-30b-a3b --observed choices.npz --placement 8 --heatmap loads.svg",
    "moecalc routing models/my-moe --record prompts.txt --record-to choices.npz",
    "moecalc routing --train-demo",
)

BatchOption = Annotated[
    str,
    typer.Option(
        "--batch", help="Tokens of a step over all devices, e.g. 32 or 1,8,64; 1..4096 is every power of two."
    ),
]
RanksOption = Annotated[
    int, typer.Option("--ep", help="Ranks that share the experts (expert parallelism): how even they are.")
]
CapacityOption = Annotated[
    float | None,
    typer.Option(
        "--capacity-factor", help="Drop choices beyond this multiple of an expert's even share: 1.25."
    ),
]
GpuOption = Annotated[
    str | None,
    typer.Option(
        "--gpu",
        help="The devices of the ranks: how much longer a step takes there than on even ranks.",
        autocompletion=cli.options.complete_gpu,
    ),
]
ObservedOption = Annotated[
    str | None,
    typer.Option(
        "--observed",
        metavar="FILE",
        help="A recording of loads or choices (CSV, JSON, npy, npz, pt): how even, what a cache of experts would hit.",
    ),
]
RecordOption = Annotated[
    str | None,
    typer.Option(
        "--record",
        metavar="PROMPTS",
        help="Run the prompts of a text file, one a line, through MODEL, a transformers directory, and record.",
    ),
]
RecordToOption = Annotated[
    str | None, typer.Option("--record-to", metavar="FILE", help="Where --record stores choices, as npz.")
]
PlacementOption = Annotated[
    int | None,
    typer.Option(
        "--placement", metavar="RANKS", help="Place the experts of a recording on so many ranks, and copies."
    ),
]
RedundantOption = Annotated[
    int | None,
    typer.Option("--redundant", help="Copies of hot experts per layer. Default: a slot more on each rank."),
]
NodesOption = Annotated[
    int | None,
    typer.Option("--nodes", help="Of a placement: machines that the ranks stand on; a group stays on one."),
]
GroupsOption = Annotated[
    int | None, typer.Option("--groups", help="Of a placement: groups of experts, with `--nodes`.")
]
ExportOption = Annotated[
    str | None,
    typer.Option(
        "--export-placement", metavar="FILE", help="Write the placement as JSON, as SGLang reads it."
    ),
]
HeatmapOption = Annotated[
    str | None, typer.Option("--heatmap", metavar="FILE", help="Write a recording's loads as an SVG map.")
]
DemoOption = Annotated[
    bool,
    typer.Option(
        "--train-demo", help="Train a small mixture of experts with and without balancing; a minute."
    ),
]
OptionalModel = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        help="A catalogue name, path, hub id or two numbers.",
        autocompletion=cli.options.complete_model,
    ),
]


def command(
    model: OptionalModel = None,
    batch: BatchOption = SWEEP,
    skew: cli.options.SkewOption = "uniform",
    ep: RanksOption = 1,
    capacity_factor: CapacityOption = None,
    gpu: GpuOption = None,
    quant: cli.options.QuantOption = None,
    observed: ObservedOption = None,
    record: RecordOption = None,
    record_to: RecordToOption = None,
    placement: PlacementOption = None,
    redundant: RedundantOption = None,
    nodes: NodesOption = None,
    groups: GroupsOption = None,
    export_placement: ExportOption = None,
    heatmap: HeatmapOption = None,
    train_demo: DemoOption = False,
    json: cli.options.JsonOption = False,
    markdown: cli.options.MarkdownOption = False,
    strict: cli.options.StrictOption = False,
) -> None:
    """What the router does to cost: experts touched, and how unevenly.

    Under a uniform, skewed or recorded load, by expert and by expert-parallel rank.
    """
    one_format(json, markdown)
    if sum((observed is not None, record is not None, train_demo)) > 1:
        raise InputError("`--observed`, `--record` and `--train-demo` exclude each other", hint="choose one")
    of_recordings = {
        "--record-to": record_to,
        "--placement": placement,
        "--redundant": redundant,
        "--nodes": nodes,
        "--groups": groups,
        "--export-placement": export_placement,
        "--heatmap": heatmap,
    }
    of_laws = {
        "--batch": batch != SWEEP,
        "--skew": skew != "uniform",
        "--ep": ep != 1,
        "--capacity-factor": capacity_factor is not None,
        "--gpu": gpu is not None,
        "--quant": quant is not None,
    }
    if train_demo:
        others = of_laws | {name: value is not None for name, value in of_recordings.items()}
        given = next((name for name, is_given in others.items() if is_given), model)
        if given is not None:
            raise InputError(
                f"`{given}` says nothing about the demonstration", hint="type `moecalc routing --train-demo`"
            )
        from moecalc.cli.routing_observed import demonstrate

        demonstrate(as_json=json, markdown=markdown)
        return
    if observed is None and record is None:
        given = next((name for name, value in of_recordings.items() if value is not None), None)
        if given is not None:
            raise InputError(
                f"`{given}` is of a recording", hint="add `--observed FILE` or `--record PROMPTS`"
            )
    else:
        given = next((name for name, is_given in of_laws.items() if is_given), None)
        if given is not None:
            raise InputError(
                f"`{given}` says nothing about a recording",
                hint="`--placement 8` places its experts; `--skew FILE` computes batches under its loads",
            )
        from moecalc.cli.routing_observed import read, recorded, show

        made = (
            recorded(model, record, record_to) if record is not None else read(observed or "", model, strict)
        )
        show(
            made,
            ranks=placement,
            redundant=redundant,
            nodes=nodes,
            groups=groups,
            export=export_placement,
            heatmap=heatmap,
            as_json=json,
            markdown=markdown,
        )
        return
    if model is None:
        raise InputError(
            "no model", hint="`moecalc routing deepseek-v3`, or `--observed FILE`, or `--train-demo`"
        )
    from moecalc.api.routing import routing

    found = routing(
        load(model, strict),
        batch=batch,
        skew=skew,
        ranks=ep,
        capacity_factor=capacity_factor,
        gpu=gpu,
        quant=quant,
    )
    if json:
        from moecalc.calc.routing.routing_lines import routing_report
        from moecalc.render.json import report_json

        emit(report_json(routing_report(found)))
    elif markdown:
        from moecalc.render.routing import routing_markdown

        emit(routing_markdown(found))
    else:
        from moecalc.render.layout import width
        from moecalc.render.routing import routing_text

        emit(routing_text(found, width()))
        return
    warn(found.warnings)
