"""`moecalc show MODEL`."""

from __future__ import annotations

from typing import Any

import msgspec

from moecalc import cli
from moecalc.api.loading import load
from moecalc.api.model import AnyModel, Model
from moecalc.checks.claims import judge
from moecalc.cli import values
from moecalc.cli.output import emit, warn
from moecalc.cli.values import one_format, past_tokens, tokens
from moecalc.errors import InputError
from moecalc.report import Report
from moecalc.specs.kv_formats import served_apart
from moecalc.specs.workload import Workload

EXAMPLES = (
    "moecalc show mixtral-8x7b",
    "moecalc deepseek-v3 --context 32k --dtype fp8",
    "moecalc qwen3-30b-a3b --quant awq --kv-dtype fp8",
    "moecalc llama-3.1-8b --quant q4_k_m --kv-dtype q8_0",
    "moecalc show llama-4-scout --images 4",
    "moecalc show path/to/config.json --json",
    "moecalc show path/to/checkpoint/",
    "moecalc show org/repo@main --headers",
    "moecalc show org/repo-GGUF:Q4_K_M",
    "moecalc show path/to/config.json --keys",
)


def command(
    model: cli.options.ModelArgument,
    context: cli.options.ContextOption = None,
    prompt: cli.options.PromptOption = None,
    batch: cli.options.BatchOption = 1,
    past: cli.options.PastOption = "0",
    convention: cli.options.ConventionOption = "causal",
    pairs: cli.options.PairsOption = None,
    logits: cli.options.LogitsOption = None,
    form: cli.options.FormOption = None,
    images: cli.options.ImagesOption = None,
    patches: cli.options.PatchesOption = None,
    frames: cli.options.FramesOption = None,
    dtype: cli.options.DtypeOption = None,
    quant: cli.options.QuantOption = None,
    kv_dtype: cli.options.KvDtypeOption = None,
    runtime: cli.options.RuntimeOption = None,
    json: cli.options.JsonOption = False,
    markdown: cli.options.MarkdownOption = False,
    strict: cli.options.StrictOption = False,
    via: cli.options.ViaOption = None,
    top_k: cli.options.TopKOption = None,
    headers: cli.options.HeadersOption = False,
    keys: cli.options.KeysOption = False,
) -> None:
    """One model: parameters, memory, FLOPs.

    Also the vendor's published counts, held against the architecture.
    """
    one_format(json, markdown)
    if via is not None:
        _show_counted(model, json)
        return
    loaded = load(model, strict, top_k, headers)
    if keys:
        _show_keys(loaded, json)
        return
    workload = loaded.workload(
        context=tokens(context),
        prompt=tokens(prompt),
        past=past_tokens(past),
        batch=batch,
        convention=convention,
        pairs=pairs,
        logits=logits,
        form=form,
        images=images,
        patches=values.patches(patches),
        frames=frames,
        runtime=runtime,
    )
    report = Report(
        command="show",
        models=(loaded.report(workload, dtype, kv_dtype, quant),),
        defaults={**workload.assumed, **_kept(loaded, workload)},
        warnings=(*loaded.warnings, *workload.warnings),
        extra=_beside(loaded),
    )
    if json:
        from moecalc.render.json import report_json

        emit(report_json(report))
    elif markdown:
        from moecalc.render.markdown import report_markdown

        emit(report_markdown(report))
    else:
        from moecalc.render.layout import width
        from moecalc.render.show import show_text

        if isinstance(loaded, Model):
            verdicts = judge(loaded.claims, loaded.ledger)
            pins = [pin.source for pin in loaded.pins]
            emit(show_text(report, loaded.title, width(), verdicts, pins))
        else:
            emit(show_text(report, loaded.title, width(), statements=loaded.outline))
        return
    warn(report.warnings)


def _kept(loaded: AnyModel, workload: Workload) -> dict[str, str]:
    """What engines keep in a format of its own; a runtime that was named keeps what it keeps."""
    return served_apart(loaded.ledger) if isinstance(loaded, Model) and workload.runtime is None else {}


def _beside(loaded: AnyModel) -> dict[str, Any]:
    """What outside sources say of the model: claims with their verdicts and pins, or the statements of an outline."""
    if isinstance(loaded, Model):
        claims = [verdict.to_dict() for verdict in judge(loaded.claims, loaded.ledger)]
        beside = {"claims": claims, "pins": msgspec.to_builtins(loaded.pins)}
        if loaded.reconciliations:
            held = [{"agrees": each.agrees, "summary": each.summary} for each in loaded.reconciliations]
            beside["reconciliations"] = held
        return beside
    return {"statements": msgspec.to_builtins(loaded.outline)}


def _show_keys(loaded: AnyModel, json: bool) -> None:
    from moecalc.checks.config_keys import key_uses
    from moecalc.render.keys import keys_text
    from moecalc.render.layout import width

    if not isinstance(loaded, Model) or loaded.config is None:
        raise InputError(
            f"`{loaded.name}` was not read from a config", hint="`--keys` takes a config.json or a hub id"
        )
    uses = key_uses(loaded.config)
    if json:
        from moecalc.render.json import report_json

        entries = [
            {"key": use.path, "value": use.value, "use": use.use, "changes": use.changes} for use in uses
        ]
        emit(report_json(Report(command="show", models=(), extra={"keys": entries})))
        return
    emit(keys_text(uses, width()))


def _show_counted(model: str, json: bool) -> None:
    from moecalc.api.counted import count_via_transformers
    from moecalc.api.loading import config_of
    from moecalc.render.json import report_json
    from moecalc.render.layout import width
    from moecalc.render.show import show_text

    config, source = config_of(model)
    counted = count_via_transformers(config, source, source)
    report = Report(command="show", models=(counted,))
    emit(report_json(report) if json else show_text(report, counted.name, width()))
