"""`moecalc cost MODEL`."""

from __future__ import annotations

from typing import Annotated

import typer

from moecalc import cli
from moecalc.api.cost import cost
from moecalc.api.fleets import fleet_of
from moecalc.api.loading import load
from moecalc.calc.cost.cost_lines import cost_report
from moecalc.cli import deployment
from moecalc.cli.output import emit, warn
from moecalc.cli.values import one_format, tokens
from moecalc.errors import InputError

EXAMPLES = (
    "moecalc cost gpt-oss-120b --gpu 2xh100 --batch 64 --context 8k",
    'moecalc cost deepseek-v3 --gpu 8xh200 --request "in=8k,out=1k,cached=70%,turns=5" --pools 2',
    "moecalc cost llama-3.3-70b --gpu 4xh100 --hardware-price 30000 --lifetime 4y --electricity 0.12 --carbon 400",
    'moecalc cost qwen3-235b-a22b --gpu 8xh100 --busy 0.6 --request "in=4k,out=500" --api',
)

BatchOption = Annotated[
    int | None,
    typer.Option(
        "--batch", "--sequences", help="Sequences at once, over all devices. Default: the most that fit."
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
PriceOption = Annotated[
    str | None,
    typer.Option(
        "--price", help="Rent in USD per GPU-hour. Default: the latest known of the device, with its date."
    ),
]
BusyOption = Annotated[
    str | None,
    typer.Option(
        "--busy", help="Share of the paid time in which it works at this rate, e.g. 0.6. Default: all of it."
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
CarbonOption = Annotated[str | None, typer.Option("--carbon", help="Grams of CO2 per kWh.")]
ApiOption = Annotated[
    bool,
    typer.Option(
        "--api", help="Put API prices by provider beside: pip install 'moecalc[prices]'; nothing is fetched."
    ),
]


def command(
    model: cli.options.ModelArgument,
    gpu: deployment.FleetOption = None,
    vram: deployment.VramOption = None,
    bandwidth: deployment.BandwidthOption = None,
    quant: cli.options.QuantOption = None,
    kv_dtype: cli.options.KvDtypeOption = None,
    batch: BatchOption = None,
    context: cli.options.ContextOption = None,
    prompt: cli.options.PromptOption = None,
    request: RequestOption = None,
    skew: cli.options.SkewOption = "uniform",
    pools: PoolsOption = 1,
    price: PriceOption = None,
    busy: BusyOption = None,
    hardware_price: HardwarePriceOption = None,
    lifetime: LifetimeOption = None,
    electricity: ElectricityOption = None,
    power: PowerOption = None,
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
    utilization: deployment.MemoryShareOption = None,
    engine: deployment.EngineOption = None,
    json: cli.options.JsonOption = False,
    markdown: cli.options.MarkdownOption = False,
    strict: cli.options.StrictOption = False,
) -> None:
    """What a million tokens, a request and a conversation cost.

    On rented or own devices, at the ceiling, which no engine beats, and beside it as expected, with its interval;
    energy and CO2; API prices.
    """
    one_format(json, markdown)
    fleet = fleet_of(gpu, vram, bandwidth)
    if fleet is None:
        raise InputError("no devices to pay for", hint="add `--gpu 8xh100`")
    found = cost(
        load(model, strict),
        fleet,
        plan=deployment.plan_of(tp, pp, ep, dp, attention_dp, dcp, redundant_experts, stages, sp),
        quant=quant,
        kv_dtype=kv_dtype,
        engine=engine,
        utilization=utilization,
        batch=batch,
        context=tokens(context),
        prompt=tokens(prompt),
        request=request,
        skew=skew,
        pools=pools,
        price=price,
        busy=busy,
        power=power,
        electricity=electricity,
        hardware_price=hardware_price,
        lifetime=lifetime,
        carbon=carbon,
        api=api,
    )
    if json:
        from moecalc.render.json import report_json

        emit(report_json(cost_report(found)))
    elif markdown:
        from moecalc.render.cost import cost_markdown

        emit(cost_markdown(found))
    else:
        from moecalc.render.cost import cost_text
        from moecalc.render.layout import width

        emit(cost_text(found, width()))
        return
    warn(found.warnings)
