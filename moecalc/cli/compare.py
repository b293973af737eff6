"""`moecalc compare A B [C ...]`."""

from __future__ import annotations

from moecalc import cli
from moecalc.api.comparison import DEFAULT_GPU, compare
from moecalc.cli.output import emit, warn
from moecalc.cli.values import one_format, tokens

EXAMPLES = (
    "moecalc compare mixtral-8x7b llama-13b",
    "moecalc compare mixtral-8x7b llama-2-13b --equal-kv --gpu a100-sxm-80gb --context 8k",
    "moecalc compare 70B-A12B:128x8 llama-13b",
)


def command(
    models: cli.options.ModelsArgument,
    gpu: cli.options.GpuOption = DEFAULT_GPU,
    context: cli.options.ContextOption = None,
    batch: cli.options.BatchOption = 1,
    dtype: cli.options.DtypeOption = None,
    quant: cli.options.QuantOption = None,
    kv_dtype: cli.options.KvDtypeOption = None,
    utilization: cli.options.UtilizationOption = 1.0,
    equal_kv: cli.options.EqualKvOption = False,
    skew: cli.options.SkewOption = "uniform",
    json: cli.options.JsonOption = False,
    markdown: cli.options.MarkdownOption = False,
) -> None:
    """Models side by side, with cost over batch.

    Size, active share, memory, FLOPs, the GPUs each needs, and what a token costs on them over batch sizes.
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
        utilization=utilization,
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
