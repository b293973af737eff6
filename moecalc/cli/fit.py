"""`moecalc fit MODEL`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from moecalc import cli
from moecalc.api.fitting import fit
from moecalc.api.fleets import fleet_of
from moecalc.api.loading import load
from moecalc.api.model import StatedModel
from moecalc.api.offering import offers
from moecalc.api.stated_fitting import fit_stated
from moecalc.calc.deploy.fit_lines import fit_report, offers_report
from moecalc.calc.deploy.stated_fit import StatedFit, stated_report
from moecalc.cli import deployment
from moecalc.cli.output import emit, warn
from moecalc.cli.values import one_format, tokens
from moecalc.errors import EXIT_CHECK_FAILED, InputError, UndeterminedError

if TYPE_CHECKING:
    from moecalc.api.expert_cache import ExpertCache
    from moecalc.calc.deploy.fitted import Fit

EXAMPLES = (
    "moecalc fit qwen3-30b-a3b --quant q4_k_m --context 32k --vram 12GiB --ram 32GiB",
    "moecalc fit deepseek-v3 --gpu 8xh200 --context 32k --sequences 16",
    'moecalc fit llama-3.1-70b --gpu "rtx-4090 + rtx-3090" --quant q4_k_m',
    "moecalc fit mixtral-8x22b --context 32k",
)


CacheHitOption = Annotated[
    str | None,
    typer.Option(
        "--cache-hit",
        help="What a cache of the hottest experts would hit where experts lie in RAM: under uniform, zipf:S, "
        "dirichlet:A or recorded routing (a file).",
    ),
]


def several(quant: str | None) -> list[str] | None:
    """Quantizations by name, from a list with commas. Raises InputError for a name that is missing."""
    if quant is None:
        return None
    names = [name.strip() for name in quant.split(",")]
    if not all(names):
        raise InputError(f"`--quant {quant}` misses a name", hint="type `--quant awq,q4_k_m`")
    return names


def command(
    model: cli.options.ModelArgument,
    gpu: deployment.FleetOption = None,
    vram: deployment.VramOption = None,
    bandwidth: deployment.BandwidthOption = None,
    ram: deployment.RamOption = None,
    ram_bandwidth: deployment.RamBandwidthOption = None,
    quant: deployment.SeveralQuantsOption = None,
    context: cli.options.ContextOption = None,
    sequences: deployment.SequencesOption = 1,
    kv_dtype: cli.options.KvDtypeOption = None,
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
    cache_hit: CacheHitOption = None,
    require: Annotated[bool, typer.Option("--require", help="Exit 1 where it does not fit.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Draw the budget of every rank.")] = False,
    json: cli.options.JsonOption = False,
    markdown: cli.options.MarkdownOption = False,
    strict: cli.options.StrictOption = False,
) -> int:
    """Whether a model fits devices, or which devices hold it.

    With devices: by how much, the longest context, the most sequences, which quantization fits, and what to put in
    RAM. Without: the fewest devices of each kind, by quantization.
    """
    one_format(json, markdown)
    loaded = load(model, strict)
    fleet = fleet_of(gpu, vram, bandwidth, ram, ram_bandwidth)
    plan = deployment.plan_of(tp, pp, ep, dp, attention_dp, dcp, redundant_experts, stages, sp)
    from moecalc.render.json import report_json
    from moecalc.render.layout import width

    if isinstance(loaded, StatedModel) and fleet is not None:
        shaped = {
            "a plan": plan,
            "`--engine`": engine,
            "`--context`": context,
            "`--kv-dtype`": kv_dtype,
            "`--sequences`": None if sequences == 1 else sequences,
            "`--explain`": explain or None,
            "`--cache-hit`": cache_hit,
        }
        needing = [what for what, value in shaped.items() if value is not None]
        if needing:
            raise InputError(
                f"{needing[0]} needs shapes, and of `{loaded.name}` only counts are known",
                hint="leave it out: the weights alone are held against the devices",
            )
        return _stated(
            fit_stated(loaded, fleet, quant=quant, gpu_memory_utilization=utilization),
            require,
            json,
            markdown,
        )
    if fleet is None:
        given = {"a plan": plan is not None, "`--require`": require, "`--explain`": explain, "`--ram`": ram}
        given["`--cache-hit`"] = cache_hit is not None
        needing = [what for what, is_given in given.items() if is_given]
        if needing:
            raise InputError(f"{needing[0]} needs devices", hint="add `--gpu 8xh100`, or `--vram 24GiB`")
        found = offers(
            loaded,
            quant=several(quant),
            context=tokens(context),
            sequences=sequences,
            kv_dtype=kv_dtype,
            gpu_memory_utilization=utilization,
            engine=engine,
        )
        from moecalc.render.fit_offers import offers_markdown, offers_text

        if json:
            emit(report_json(offers_report(found)))
        else:
            emit(offers_markdown(found) if markdown else offers_text(found, width()))
        if json or markdown:
            warn(found.warnings)
        return 0
    fitted = fit(
        loaded,
        fleet,
        quant=several(quant),
        context=tokens(context),
        sequences=sequences,
        kv_dtype=kv_dtype,
        plan=plan,
        gpu_memory_utilization=utilization,
        engine=engine,
    )
    cache = None
    if cache_hit is not None:
        from moecalc.api.expert_cache import expert_cache

        cache = expert_cache(loaded, fitted, cache_hit)
    _emit(fitted, cache, explain, json, markdown)
    if json or markdown:
        warn(fitted.warnings)
    return EXIT_CHECK_FAILED if require and not fitted.holds else 0


def _emit(fitted: Fit, cache: ExpertCache | None, explain: bool, json: bool, markdown: bool) -> None:
    from moecalc.render.fit import fit_markdown, fit_text
    from moecalc.render.json import report_json
    from moecalc.render.layout import paragraph, width

    if json:
        report = fit_report(fitted)
        emit(report_json(report if cache is None else cache.added(report)))
        return
    emit(fit_markdown(fitted, explain) if markdown else fit_text(fitted, width(), explain))
    if cache is not None:
        emit("\n" + (cache.words if markdown else "\n".join(paragraph(cache.words, width(), "  "))))


def _stated(found: StatedFit, require: bool, json: bool, markdown: bool) -> int:
    """A model of which only counts are known: required to fit, it fails closed where that cannot be said."""
    from moecalc.render.fit_stated import stated_markdown, stated_text
    from moecalc.render.json import report_json
    from moecalc.render.layout import width

    if require and found.fits is None:
        raise UndeterminedError(
            f"whether `{found.model}` fits cannot be said: its shapes, and so its state, are not known",
            hint="leave `--require` out to see what the weights take",
        )
    if json:
        emit(report_json(stated_report(found)))
    else:
        emit(stated_markdown(found) if markdown else stated_text(found, width()))
    if json or markdown:
        warn(found.warnings)
    return EXIT_CHECK_FAILED if require else 0
