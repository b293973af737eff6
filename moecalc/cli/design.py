"""`moecalc design`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moecalc import cli
from moecalc.api.design import design, spec_of
from moecalc.api.loading import load
from moecalc.api.model import AnyModel
from moecalc.cli.options import complete_gpu, complete_model, complete_quant
from moecalc.cli.output import emit, warn
from moecalc.cli.progress import Bar
from moecalc.cli.values import tokens
from moecalc.errors import EXIT_CHECK_FAILED, InputError

if TYPE_CHECKING:
    from moecalc.calc.design.found import Designed

EXAMPLES = (
    "moecalc design --like qwen3-30b --active 3B --experts 64..256/16 --top-k 4..12/2 --expert-width 512..1024",
    "moecalc design --like deepseek-v3 --active 15B..20B --hidden 4096..7168/512 --layers 40..60/4 --gpu 8xh200",
    "moecalc design --like mixtral-8x7b --granularity 1..16 --experts 8..128 --context 32k --vram 160GB --csv",
    "moecalc design --like qwen3-30b-a3b --experts 64..256 --expert-width 512..1536 --export 1 mine.yaml",
)

WATCHED = 20_000
"""Combinations from which a search takes long enough for a bar."""

LikeOption = Annotated[
    str | None,
    typer.Option(
        "--like",
        help="A model whose family and other sizes the designs take: a catalogue name, path or hub id.",
        autocompletion=complete_model,
    ),
]
ActiveOption = Annotated[
    str | None,
    typer.Option(
        "--active", help="Active parameters per token: 3B (within --tolerance), <=3B, >=2B or 2B..4B."
    ),
]
TotalOption = Annotated[str | None, typer.Option("--total", help="Parameters in all, likewise.")]
VramOption = Annotated[
    str | None,
    typer.Option("--vram", help="The most that weights and the state of --batch sequences take, e.g. 80GB."),
]
ToleranceOption = Annotated[
    str | None, typer.Option("--tolerance", help="To either side of a target. Default: 5%.")
]
HiddenOption = Annotated[
    str | None,
    typer.Option("--hidden", help="Hidden sizes: 2048, 2048,4096, 2048..4096 or 2048..4096/512 (the step)."),
]
LayersOption = Annotated[str | None, typer.Option("--layers", help="Layers, e.g. 24..64/4.")]
HeadsOption = Annotated[str | None, typer.Option("--heads", help="Query heads; ranges double: 16..64.")]
KvHeadsOption = Annotated[str | None, typer.Option("--kv-heads", help="Key-value heads, likewise.")]
HeadDimOption = Annotated[str | None, typer.Option("--head-dim", help="Head dimensions, e.g. 64,128.")]
ExpertsOption = Annotated[
    str | None, typer.Option("--experts", help="Routed experts; ranges double: 32..512; 32..512/32 does not.")
]
TopKOption = Annotated[str | None, typer.Option("--top-k", help="Experts per token, likewise.")]
ExpertWidthOption = Annotated[
    str | None, typer.Option("--expert-width", help="Widths of one expert (moe_intermediate_size).")
]
GranularityOption = Annotated[
    str | None,
    typer.Option("--granularity", help="In place of --expert-width: 4 x hidden size over that width."),
]
SharedOption = Annotated[
    str | None, typer.Option("--shared", help="Shared experts, each as wide as a routed one: 0,1.")
]
DenseWidthOption = Annotated[
    str | None, typer.Option("--dense-width", help="Widths of the dense feed-forward, where layers have one.")
]
MultipleOption = Annotated[
    int, typer.Option("--multiple", help="Widths are multiples of it, and ranges of widths go in its steps.")
]
GpuOption = Annotated[
    str | None,
    typer.Option(
        "--gpu",
        help="For speed and cost: h100 (the fewest that hold each design) or 8xh100 (these).",
        autocompletion=complete_gpu,
    ),
]
QuantOption = Annotated[
    str | None,
    typer.Option(
        "--quant",
        help="Weights as a recipe stores them in any layer (fp8, nf4, mxfp4-experts, ...). Default: as --like is "
        "released.",
        autocompletion=complete_quant,
    ),
]
ParetoOption = Annotated[
    str | None,
    typer.Option(
        "--pareto",
        help="What counts: active, total, kv, speed, cost, with :min or :max to turn one round. Default: all.",
    ),
]
SortOption = Annotated[
    str | None, typer.Option("--sort", help="The objective whose best comes first. Default: the first.")
]
TopOption = Annotated[int, typer.Option("--top", min=0, help="Rows shown; 0 for all. JSON has all.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="All rows as CSV on stdout, figures in base units.")]
ExportOption = Annotated[
    tuple[int, str] | None,
    typer.Option(
        "--export", metavar="N FILE", help="Write row N as a spec to a new file; `-` for stdout alone."
    ),
]


def command(
    like: LikeOption = None,
    active: ActiveOption = None,
    total: TotalOption = None,
    vram: VramOption = None,
    tolerance: ToleranceOption = None,
    hidden: HiddenOption = None,
    layers: LayersOption = None,
    heads: HeadsOption = None,
    kv_heads: KvHeadsOption = None,
    head_dim: HeadDimOption = None,
    experts: ExpertsOption = None,
    top_k: TopKOption = None,
    expert_width: ExpertWidthOption = None,
    granularity: GranularityOption = None,
    shared: SharedOption = None,
    dense_width: DenseWidthOption = None,
    multiple: MultipleOption = 128,
    context: cli.options.ContextOption = None,
    batch: cli.options.BatchOption = 1,
    gpu: GpuOption = None,
    quant: QuantOption = None,
    kv_dtype: cli.options.KvDtypeOption = None,
    pareto: ParetoOption = None,
    sort: SortOption = None,
    top: TopOption = 20,
    export: ExportOption = None,
    csv: CsvOption = False,
    json: cli.options.JsonOption = False,
    markdown: cli.options.MarkdownOption = False,
) -> int:
    """Search a family for the designs within budgets that none beats.

    Every combination of the sizes given is held against the budgets; the family's other sizes stay.
    """
    if json + markdown + csv > 1:
        raise InputError("`--json`, `--markdown` and `--csv` exclude each other", hint="choose one")
    if like is None:
        raise InputError(
            "no family to design in",
            hint="`--like qwen3-30b-a3b`, `--like deepseek-v3`, `--like mixtral-8x7b`",
        )
    if export is not None:
        _check_free(export[1])
    typed = {
        "hidden": hidden,
        "layers": layers,
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": head_dim,
        "experts": experts,
        "top_k": top_k,
        "expert_width": expert_width,
        "granularity": granularity,
        "shared": shared,
        "dense_width": dense_width,
    }
    model = load(like)
    with Bar("designs", WATCHED) as bar:
        designed = design(
            model,
            {name: text for name, text in typed.items() if text is not None},
            active=active,
            total=total,
            vram=vram,
            tolerance=tolerance,
            context=tokens(context),
            batch=batch,
            gpu=gpu,
            quant=quant,
            kv_dtype=kv_dtype,
            multiple=multiple,
            pareto=pareto,
            progress=bar.show,
        ).sorted_by(sort)
    if export is not None:
        _export(model, designed, *export, quant)
        if export[1] == "-":
            return 0
    if json:
        from moecalc.render.design import report_of
        from moecalc.render.json import report_json

        emit(report_json(report_of(designed)))
    elif csv:
        from moecalc.render.design import design_csv

        emit(design_csv(designed))
    elif markdown:
        from moecalc.render.design import design_markdown

        emit(design_markdown(designed, top))
    else:
        from moecalc.render.design import design_text
        from moecalc.render.layout import width

        emit(design_text(designed, top, width()))
    if json or csv or markdown:
        warn(designed.warnings)
    return 0 if designed.rows else EXIT_CHECK_FAILED


def _check_free(file: str) -> None:
    """Raise InputError where an export would overwrite something."""
    if file != "-" and Path(file).exists():
        raise InputError(f"`{file}` exists already", hint="`--export` writes a new file: choose another name")


def _export(model: AnyModel, designed: Designed, row: int, file: str, quant: str | None) -> None:
    from moecalc.render.spec_yaml import spec_yaml

    name = None if file == "-" else Path(file).stem
    text = spec_yaml(spec_of(model, designed, row, name, quant))
    if file == "-":
        emit(text.rstrip())
        return
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(
            f"cannot write `{file}`: {reason}", hint="name a file in a folder that exists"
        ) from None
