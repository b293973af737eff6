"""`moecalc explain MODEL [params|active|memory|flops]`."""

from typing import Annotated

import typer

from moecalc.api.explaining import Topic, explain
from moecalc.api.loading import load
from moecalc.api.model import Model
from moecalc.calc import parameters
from moecalc.checks.claims import judge
from moecalc.cli import options
from moecalc.cli.output import emit, warn
from moecalc.cli.values import past_tokens, tokens
from moecalc.errors import UndeterminedError
from moecalc.render.explain import section_text
from moecalc.render.layout import paragraph, width
from moecalc.render.show import claim_sentence
from moecalc.report import Report

EXAMPLES = (
    "moecalc explain deepseek-v3",
    "moecalc explain mixtral-8x7b active",
    "moecalc explain gemma-3-27b memory --context 32k",
    "moecalc explain deepseek-v3 flops --prompt 4k",
)


def command(
    model: options.ModelArgument,
    topic: Annotated[Topic, typer.Argument(help="params, active, memory or flops.")] = "params",
    context: options.ContextOption = None,
    prompt: options.PromptOption = None,
    past: options.PastOption = "0",
    convention: options.ConventionOption = "causal",
    pairs: options.PairsOption = None,
    logits: options.LogitsOption = None,
    form: options.FormOption = None,
    dtype: options.DtypeOption = None,
    quant: options.QuantOption = None,
    kv_dtype: options.KvDtypeOption = None,
    headers: options.HeadersOption = False,
    json: options.JsonOption = False,
) -> None:
    """The working behind the figures, row by row.

    Every row of the ledger with its numbers put in.
    """
    loaded = load(model, headers=headers)
    if not isinstance(loaded, Model):
        raise UndeterminedError(
            f"`{loaded.name}` has no known architecture to explain",
            hint=f"`moecalc show {loaded.name}` prints what is stated about it",
        )
    workload = loaded.workload(
        context=tokens(context),
        prompt=tokens(prompt),
        past=past_tokens(past),
        convention=convention,
        pairs=pairs,
        logits=logits,
        form=form,
    )
    sections = explain(
        loaded, topic, workload, dtype=dtype, quant=quant, kv_dtype=kv_dtype, prefill=prompt is not None
    )
    warn((*loaded.warnings, *workload.warnings))
    if json:
        from moecalc.render.json import report_json

        report = Report(
            command="explain",
            models=(loaded.report(workload, dtype, kv_dtype, quant),),
            defaults=workload.assumed,
            warnings=(*loaded.warnings, *workload.warnings),
            extra={"sections": [section.to_dict() for section in sections]},
        )
        emit(report_json(report))
        return
    columns = width()
    lines = [line for section in sections for line in ("", *section_text(section, columns))][1:]
    if topic in {"params", "active"}:
        lines += ["", *paragraph(_active_words(loaded), columns), *_claims(loaded, columns)]
    emit("\n".join(lines))


def _active_words(model: Model) -> str:
    counts = {name: model.params.active(name) for name in parameters.ACTIVE_CONVENTIONS}
    said = " | ".join(f"{float(count):,.0f} {name.replace('_', ' ')}" for name, count in counts.items())
    return f"active {said}"


def _claims(model: Model, columns: int) -> list[str]:
    verdicts = judge(model.claims, model.ledger)
    return [line for verdict in verdicts for line in paragraph(claim_sentence(verdict), columns, "    ")]
