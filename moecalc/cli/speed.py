"""`moecalc speed MODEL`."""

from __future__ import annotations

from typing import Annotated

import typer

from moecalc import cli
from moecalc.api.loading import load
from moecalc.cli import deployment, sweeping
from moecalc.cli.output import emit_as
from moecalc.cli.values import one_format, past_tokens, tokens
from moecalc.errors import EXIT_CHECK_FAILED, InputError

EXAMPLES = (
    "moecalc speed deepseek-v3 --gpu 8xh200 --batch 32 --context 8k",
    "moecalc speed llama-3.1-8b --gpu h100 --measured 111tok/s",
    "moecalc speed qwen3-30b-a3b --quant q4_k_m --vram 12GiB --bandwidth 504GB/s --ram 32GiB --ram-bandwidth 80GB/s",
    "moecalc speed deepseek-v3 --gpu 8xh200 --speculate 1 --accept 0.85",
    "moecalc speed llama-3.1-70b --quant fp8 --gpu h100,h200,mi300x --slo 'ttft<1s,tpot<30ms'",
)

BatchOption = Annotated[
    str | None,
    typer.Option(
        "--batch",
        help="Sequences at once over all devices; 1,8,64 or 1..4096 is a sweep (of a range `--slo` picks among all). "
        "Default: 1, or 1..4096 where there is a choice.",
    ),
]
MeasuredOption = Annotated[
    str | None,
    typer.Option(
        "--measured", help="A decode speed to hold against it: 111tok/s (in all), 27tok/s/user or 9ms."
    ),
]
PeakOption = Annotated[
    str | None,
    typer.Option(
        "--peak",
        help="Dense 16-bit peak of each device that has none published, e.g. 28TFLOP/s: what bounds prompts.",
    ),
]
NetworkOption = Annotated[
    str | None,
    typer.Option(
        "--network",
        help="What each device sends to other machines, e.g. 400Gb/s or 50GB/s. Default: the catalogue's.",
    ),
]
ServedOption = Annotated[
    bool,
    typer.Option("--served", help="Expect continuous batching, where prompts disturb decoding."),
]

CalibrationOption = Annotated[
    str | None,
    typer.Option(
        "--calibration",
        help="A run file of `moecalc profile --calibrate`: its device, as measured there, in place of --gpu.",
    ),
]


def command(
    model: cli.options.ModelArgument,
    gpu: sweeping.FleetsOption = None,
    vram: deployment.VramOption = None,
    bandwidth: deployment.BandwidthOption = None,
    peak: PeakOption = None,
    network: NetworkOption = None,
    ram: deployment.RamOption = None,
    ram_bandwidth: deployment.RamBandwidthOption = None,
    quant: cli.options.QuantOption = None,
    kv_dtype: cli.options.KvDtypeOption = None,
    batch: BatchOption = None,
    context: cli.options.ContextOption = None,
    prompt: cli.options.PromptOption = None,
    past: cli.options.PastOption = "0",
    tp: deployment.TensorOption = None,
    pp: deployment.PipelineOption = None,
    ep: deployment.ExpertOption = None,
    dp: deployment.DataOption = None,
    attention_dp: deployment.AttentionDataOption = None,
    dcp: deployment.DecodeContextOption = None,
    redundant_experts: deployment.RedundantOption = 0,
    stages: deployment.StagesOption = None,
    sp: deployment.SequenceParallelOption = False,
    utilization: deployment.MemoryShareOption = None,
    engine: deployment.EngineOption = None,
    served: ServedOption = False,
    overlap: sweeping.OverlapOption = 1.0,
    skew: cli.options.SkewOption = "uniform",
    measured: MeasuredOption = None,
    speculate: sweeping.SpeculateOption = None,
    accept: sweeping.AcceptOption = None,
    slo: sweeping.SloOption = None,
    calibration: CalibrationOption = None,
    require: Annotated[
        bool, typer.Option("--require", help="Exit 1 where it does not fit, or nothing meets the limits.")
    ] = False,
    json: cli.options.JsonOption = False,
    markdown: cli.options.MarkdownOption = False,
    strict: cli.options.StrictOption = False,
) -> int:
    """How fast it decodes and reads prompts: ceiling and expectation.

    The ceiling is what no engine beats, the expectation what good engines reach. With several batches or devices: the
    frontier of speed per user against speed per GPU, and the cheapest plan that meets `--slo`.
    """
    one_format(json, markdown)
    loaded = load(model, strict)
    plan = deployment.plan_of(tp, pp, ep, dp, attention_dp, dcp, redundant_experts, stages, sp)
    from moecalc.api.batches import SWEEP, batches_of
    from moecalc.api.candidates import fleets_of
    from moecalc.api.fleets import fleet_of
    from moecalc.api.peaks import require_peak
    from moecalc.api.speed import speed
    from moecalc.api.sweep import sweep

    choice = slo is not None or (gpu is not None and "," in gpu)
    batches = batches_of(batch or (SWEEP if choice else "1"))
    several = choice or (len(batches) > 1 and speculate is None and accept is None)
    if several:
        sweeping.refuse_beside_a_sweep(
            {
                "--measured": measured,
                "--speculate": speculate,
                "--accept": accept,
                "--ram": ram,
                "--ram-bandwidth": ram_bandwidth,
                "--past": None if past_tokens(past) == 0 else past,
                "--calibration": calibration,
                "--peak": peak,
                "--network": network,
            }
        )
        found = sweep(
            loaded,
            fleets_of(gpu, vram, bandwidth, slo is not None),
            batches=batches,
            plan=plan,
            quant=quant,
            kv_dtype=kv_dtype,
            context=tokens(context),
            prompt=tokens(prompt),
            engine=engine,
            overlap=overlap,
            skew=skew,
            gpu_memory_utilization=utilization,
            slo=slo,
            served=served,
        )
        from moecalc.calc.speed.sweep_lines import sweep_report
        from moecalc.render.sweep import sweep_markdown, sweep_text

        emit_as(json, markdown, found, sweep_report, sweep_markdown, sweep_text)
        return EXIT_CHECK_FAILED if require and not found.meets else 0
    fleet = fleet_of(gpu, vram, bandwidth, ram, ram_bandwidth)
    run = None
    if calibration is not None:
        if fleet is not None or ram is not None:
            raise InputError(
                "`--calibration` is of the one device that its run was on",
                hint="leave `--gpu`, `--vram` and `--ram` out",
            )
        from moecalc.api.calibrating import calibrated, calibrated_fleet
        from moecalc.specs.runs import read

        run = read(calibration)
        fleet = calibrated_fleet(run)
    if fleet is None:
        raise InputError(
            "no devices to be fast on", hint="add `--gpu 8xh100`, or `--vram 24GiB --bandwidth 1008GB/s`"
        )
    one = speed(
        loaded,
        fleet,
        plan=plan,
        quant=quant,
        kv_dtype=kv_dtype,
        batch=batches[0],
        context=tokens(context),
        prompt=tokens(prompt),
        past=past_tokens(past),
        engine=engine,
        overlap=overlap,
        skew=skew,
        gpu_memory_utilization=utilization,
        served=served,
        measured=measured,
        speculate=speculate,
        accept=accept,
        speculate_at=batches if len(batches) > 1 else None,
        peak=peak,
        network=network,
    )
    for option, asked in (("--past", past_tokens(past)), ("--prompt", tokens(prompt))):
        if asked:
            require_peak(one.roofline, f"{option} {asked}")
    if run is not None:
        one = calibrated(one, run)
    from moecalc.calc.speed.speed_lines import speed_report
    from moecalc.render.speed import speed_markdown, speed_text

    emit_as(json, markdown, one, speed_report, speed_markdown, speed_text)
    return EXIT_CHECK_FAILED if require and not one.is_held else 0
