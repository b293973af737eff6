"""`moecalc cost MODEL`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from moecalc import cli
from moecalc.api.batches import SWEEP, batches_of
from moecalc.api.candidates import fleets_of
from moecalc.api.cost import cost
from moecalc.api.fleets import fleet_of
from moecalc.api.loading import load
from moecalc.api.outlays import Terms
from moecalc.api.sweep import sweep
from moecalc.calc.cost.cost_lines import cost_report
from moecalc.cli import deployment, paying, sweeping
from moecalc.cli.output import emit_as, warn
from moecalc.cli.values import one_format, tokens
from moecalc.errors import EXIT_CHECK_FAILED, EXIT_OK, InputError

EXAMPLES = (
    "moecalc cost gpt-oss-120b --gpu 2xh100 --batch 64 --context 8k",
    'moecalc cost deepseek-v3 --gpu 8xh200 --request "in=8k,out=1k,cached=70%,turns=5" --pools 2',
    "moecalc cost llama-3.3-70b --gpu 4xh100 --hardware-price 30000 --lifetime 4y --electricity 0.12 --carbon 400",
    "moecalc cost llama-3.1-70b --quant fp8 --gpu h100,h200,mi300x --slo 'ttft<1s,tpot<30ms'",
    'moecalc cost qwen3-235b-a22b --gpu 8xh100 --utilization 60% --request "in=4k,out=500" --api',
)

BatchOption = Annotated[
    str | None,
    typer.Option(
        "--batch",
        "--sequences",
        help="Sequences at once, over all devices; 1,8,64 or 1..4096 is a sweep (of a range `--slo` picks among all). "
        "Default: the most that fit, or 1..4096 where there is a choice.",
    ),
]
RequestOption = Annotated[
    str | None,
    typer.Option(
        "--request",
        help="Price a mix: in=8k,out=1k,cached=70%,turns=5,pause=30s (`in` is the whole prompt, what is cached of it "
        "included).",
    ),
]
PoolsOption = Annotated[
    int,
    typer.Option(
        "--pools", help="1: prefill and decode share the devices; 2: each has its own, split as the mix asks."
    ),
]
LinkOption = Annotated[
    str | None,
    typer.Option("--kv-link", help="Between two pools, what state is handed over through, e.g. 50GB/s."),
]
CarbonOption = Annotated[str | None, typer.Option("--carbon", help="Grams of CO2 per kWh.")]
ApiOption = Annotated[
    bool,
    typer.Option(
        "--api", help="Put API prices by provider beside: pip install 'moecalc[prices]'; nothing is fetched."
    ),
]


def command(
    model: cli.options.ModelArgument,
    gpu: sweeping.FleetsOption = None,
    vram: deployment.VramOption = None,
    bandwidth: deployment.BandwidthOption = None,
    ram: deployment.RamOption = None,
    ram_bandwidth: deployment.RamBandwidthOption = None,
    quant: cli.options.QuantOption = None,
    kv_dtype: cli.options.KvDtypeOption = None,
    batch: BatchOption = None,
    context: cli.options.ContextOption = None,
    prompt: cli.options.PromptOption = None,
    request: RequestOption = None,
    overlap: sweeping.OverlapOption = 1.0,
    skew: cli.options.SkewOption = "uniform",
    speculate: sweeping.SpeculateOption = None,
    accept: sweeping.AcceptOption = None,
    slo: sweeping.SloOption = None,
    pools: PoolsOption = 1,
    kv_link: LinkOption = None,
    price: paying.PriceOption = None,
    busy: paying.TimeShareOption = None,
    hardware_price: paying.HardwarePriceOption = None,
    lifetime: paying.LifetimeOption = None,
    electricity: paying.ElectricityOption = None,
    power: paying.PowerOption = None,
    host_power: paying.HostPowerOption = None,
    pue: paying.PueOption = None,
    carbon: CarbonOption = None,
    api: ApiOption = False,
    tp: deployment.TensorOption = None,
    pp: deployment.PipelineOption = None,
    ep: deployment.ExpertOption = None,
    dp: deployment.DataOption = None,
    attention_dp: deployment.AttentionDataOption = None,
    dcp: deployment.DecodeContextOption = None,
    redundant_experts: deployment.RedundantOption = 0,
    stages: deployment.StagesOption = None,
    sp: deployment.SequenceParallelOption = False,
    memory_utilization: deployment.MemoryShareOption = None,
    engine: deployment.EngineOption = None,
    json: cli.options.JsonOption = False,
    markdown: cli.options.MarkdownOption = False,
    require: Annotated[
        bool, typer.Option("--require", help="Exit 1 where nothing meets the limits of `--slo`.")
    ] = False,
    strict: cli.options.StrictOption = False,
) -> int:
    """What a million tokens, a request and a conversation cost.

    On rented or own devices, at the ceiling, which no engine beats, and beside it as expected, with its interval;
    energy and CO2; API prices. With several batches or devices: the frontier of speed per user against dollars, and the
    cheapest plan that meets `--slo`.
    """
    one_format(json, markdown)
    plan = deployment.plan_of(tp, pp, ep, dp, attention_dp, dcp, redundant_experts, stages, sp)
    choice = slo is not None or (gpu is not None and "," in gpu)
    batches = batches_of(batch) if batch is not None else ()
    asked: dict[str, Any] = {
        "plan": plan,
        "quant": quant,
        "kv_dtype": kv_dtype,
        "context": tokens(context),
        "prompt": tokens(prompt),
        "engine": engine,
        "overlap": overlap,
        "skew": skew,
        "gpu_memory_utilization": memory_utilization,
    }
    paid: dict[str, Any] = {
        "price": price,
        "utilization": busy,
        "power": power,
        "host_power": host_power,
        "pue": pue,
        "electricity": electricity,
        "hardware_price": hardware_price,
        "lifetime": lifetime,
    }
    if choice or len(batches) > 1:
        sweeping.refuse_beside_a_sweep(
            {
                "--request": request,
                "--pools": None if pools == 1 else pools,
                "--kv-link": kv_link,
                "--speculate": speculate,
                "--accept": accept,
                "--ram": ram,
                "--ram-bandwidth": ram_bandwidth,
                "--carbon": carbon,
                "--api": api or None,
            }
        )
        swept = sweep(
            load(model, strict),
            fleets_of(gpu, vram, bandwidth, slo is not None),
            batches=batches or batches_of(SWEEP),
            **asked,
            slo=slo,
            served=True,
            terms=Terms(**paid),
        )
        from moecalc.calc.speed.sweep_lines import sweep_report
        from moecalc.render.sweep import sweep_markdown, sweep_text

        emit_as(json, markdown, swept, sweep_report, sweep_markdown, sweep_text)
        return EXIT_CHECK_FAILED if require and not swept.meets else EXIT_OK
    fleet = fleet_of(gpu, vram, bandwidth, ram, ram_bandwidth)
    if fleet is None:
        raise InputError("no devices to pay for", hint="add `--gpu 8xh100`")
    found = cost(
        load(model, strict),
        fleet,
        **asked,
        **paid,
        batch=batches[0] if batches else None,
        request=request,
        speculate=speculate,
        accept=accept,
        pools=pools,
        kv_link=kv_link,
        carbon=carbon,
        api=api,
    )
    from moecalc.render.cost import cost_markdown, cost_text

    emit_as(json, markdown, found, cost_report, cost_markdown, cost_text)
    if markdown:
        warn(found.warnings)
    return EXIT_OK
