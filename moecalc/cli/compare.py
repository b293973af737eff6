"""`moecalc compare A B [C ...]`."""

from __future__ import annotations

from fractions import Fraction

from moecalc import cli
from moecalc.api.comparison import DEFAULT_GPU, compare
from moecalc.cli.output import emit, warn
from moecalc.cli.values import one_format, tokens

EXAMPLES = (
    "moecalc compare mixtral-8x7b llama-13b",
    "moecalc compare mixtral-8x7b llama-2-13b --equal-kv --gpu a100-sxm-80gb --context 8k",
    "moecalc compare 70B-A12B:128x8 llama-13b",
    "moecalc compare deepseek-v3 llama-3.1-405b --quant fp8 --gpu 8xh200 --price 2.50 --utilization 60%",
)


def command(
    models: cli.options.ModelsArgument,
    gpu: cli.options.ComparedGpuOption = DEFAULT_GPU,
    context: cli.options.ContextOption = None,
    batch: cli.options.BatchOption = 1,
    dtype: cli.options.DtypeOption = None,
    quant: cli.options.QuantOption = None,
    kv_dtype: cli.options.KvDtypeOption = None,
    memory_utilization: cli.options.MemoryShareOption = Fraction(1),
    price: cli.paying.PriceOption = None,
    busy: cli.paying.TimeShareOption = None,
    hardware_price: cli.paying.HardwarePriceOption = None,
    lifetime: cli.paying.LifetimeOption = None,
    electricity: cli.paying.ElectricityOption = None,
    power: cli.paying.PowerOption = None,
    host_power: cli.paying.HostPowerOption = None,
    pue: cli.paying.PueOption = None,
    equal_kv: cli.options.EqualKvOption = False,
    skew: cli.options.SkewOption = "uniform",
    json: cli.options.JsonOption = False,
    markdown: cli.options.MarkdownOption = False,
) -> None:
    """Models side by side, with cost over batch.

    Size, active share, memory, FLOPs, the GPUs each needs, and what a token costs on them over batch sizes; or on as
    many as are named (`8xh100`).
    """
    one_format(json, markdown)
    comparison = compare(
        *models,
        gpu=gpu,
        context=tokens(context),
        batch=batch,
        dtype=dtype,
        quant=quant,
        kv_dtype=kv_dtype,
        equal_kv=equal_kv,
        skew=skew,
        gpu_memory_utilization=memory_utilization,
        price=price,
        utilization=busy,
        hardware_price=hardware_price,
        lifetime=lifetime,
        electricity=electricity,
        power=power,
        host_power=host_power,
        pue=pue,
    )
    if json:
        from moecalc.render.json import report_json

        emit(report_json(comparison.to_report()))
        warn(comparison.warnings)
    elif markdown:
        emit(comparison.to_markdown())
    else:
        from moecalc.render.compare import compare_text
        from moecalc.render.layout import width

        emit(compare_text(comparison, width()))
