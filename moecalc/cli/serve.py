"""`moecalc serve MODEL`."""

from __future__ import annotations

from typing import Annotated

import typer

from moecalc import cli
from moecalc.api.fleets import fleet_of
from moecalc.api.loading import load
from moecalc.api.serving import serve
from moecalc.calc.serving.serving_lines import serving_report
from moecalc.cli import deployment
from moecalc.cli.output import emit, warn
from moecalc.cli.values import one_format, tokens
from moecalc.errors import EXIT_CHECK_FAILED, InputError

EXAMPLES = (
    "moecalc serve qwen3-235b-a22b --gpu 8xh100 --tp 8 --engine vllm --context 32k",
    "moecalc serve deepseek-v3 --gpu 16xh200 --tp 8 --dp 2 --ep 16 --kv-dtype fp8",
    "moecalc serve qwen3-30b-a3b --gpu rtx-4090 --quant q4_k_m --engine llama.cpp --context 32k",
)

ContextOption = Annotated[
    str | None,
    typer.Option("--context", help="Longest request, e.g. 32k (k = 1,024). Default: the trained length."),
]
RunningOption = Annotated[
    int | None,
    typer.Option(
        "--max-num-seqs", help="Sequences that one copy of the engine runs at once. Default: its own."
    ),
]
BatchedOption = Annotated[
    str | None,
    typer.Option(
        "--max-num-batched-tokens", help="Tokens that one step processes at most. Default: the engine's."
    ),
]
SpeculateOption = Annotated[
    bool, typer.Option("--speculate", help="Load multi-token-prediction modules and keep their state.")
]

FullWindowsOption = Annotated[
    bool,
    typer.Option(
        "--swa-full",
        help="Windowed layers keep every token (vLLM: --disable-hybrid-kv-cache-manager).",
    ),
]


def command(
    model: cli.options.ModelArgument,
    gpu: deployment.FleetOption = None,
    vram: deployment.VramOption = None,
    tp: deployment.TensorOption = None,
    pp: deployment.PipelineOption = None,
    ep: deployment.ExpertOption = None,
    dp: deployment.DataOption = None,
    attention_dp: deployment.AttentionDataOption = None,
    dcp: deployment.DecodeContextOption = None,
    redundant_experts: deployment.RedundantOption = 0,
    stages: deployment.StagesOption = None,
    sp: deployment.SequenceParallelOption = False,
    engine: deployment.EngineOption = None,
    context: ContextOption = None,
    max_num_seqs: RunningOption = None,
    max_num_batched_tokens: BatchedOption = None,
    utilization: deployment.MemoryShareOption = None,
    quant: cli.options.QuantOption = None,
    kv_dtype: cli.options.KvDtypeOption = None,
    speculate: SpeculateOption = False,
    swa_full: FullWindowsOption = False,
    skew: cli.options.SkewOption = "uniform",
    require: Annotated[bool, typer.Option("--require", help="Exit 1 where it does not fit.")] = False,
    json: cli.options.JsonOption = False,
    markdown: cli.options.MarkdownOption = False,
    strict: cli.options.StrictOption = False,
) -> int:
    """What each GPU of an engine holds, and the cache that is left.

    Tokens and requests at once, the lines that the engine's own log will print, and the command that starts it.
    """
    one_format(json, markdown)
    fleet = fleet_of(gpu, vram)
    if fleet is None:
        raise InputError("no devices to serve on", hint="add `--gpu 8xh100`, or `--vram 24GiB`")
    if tp is None:
        tp = _tensor(fleet.count, pp, dp, stages, ep, attention_dp, dcp, redundant_experts, sp)
    found = serve(
        load(model, strict),
        fleet,
        engine=engine,
        plan=deployment.plan_of(tp, pp, ep, dp, attention_dp, dcp, redundant_experts, stages, sp),
        context=tokens(context),
        sequences=max_num_seqs,
        batched_tokens=tokens(max_num_batched_tokens),
        gpu_memory_utilization=utilization,
        quant=quant,
        kv_dtype=kv_dtype,
        speculate=speculate,
        full_windows=swa_full,
        skew=skew,
    )
    report = serving_report(found)
    if json:
        from moecalc.render.json import report_json

        emit(report_json(report))
    elif markdown:
        from moecalc.render.serve import serve_markdown

        emit(serve_markdown(found, report))
    else:
        from moecalc.render.layout import width
        from moecalc.render.serve import serve_text

        emit(serve_text(found, width()))
    if json or markdown:
        warn(found.warnings)
    return EXIT_CHECK_FAILED if require and not found.state.fits else 0


def _tensor(
    devices: int, pp: int | None, dp: int | None, stages: str | None, *others: int | None
) -> int | None:
    """The tensor-parallel size that the other sizes leave where some were typed; None where none was."""
    if not any((pp, dp, stages, *others)):
        return None
    copies = (pp or (stages or "").count(",") + 1) * (dp or 1)
    return devices // copies if copies > 0 and devices % copies == 0 else None
