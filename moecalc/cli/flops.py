"""`moecalc flops MODEL`."""

from __future__ import annotations

from moecalc import cli
from moecalc.api.loading import load
from moecalc.api.model import Model
from moecalc.calc.flop_count import count_flops
from moecalc.cli import values
from moecalc.cli.output import emit, warn
from moecalc.cli.values import one_format, past_tokens, tokens
from moecalc.errors import UndeterminedError
from moecalc.report import ModelReport, Report

EXAMPLES = (
    "moecalc flops deepseek-v3 --prompt 8k --context 32k --batch 16",
    "moecalc flops deepseek-v3 --prompt 512 --past 32k --form naive",
    "moecalc flops llama-3.1-405b --prompt 4k --convention useful",
    "moecalc flops gpt2 --prompt 1024 --convention full --json",
    "moecalc flops qwen3.5-27b --images 2 --patches 36x52",
    "moecalc flops path/to/config.json --form counted",
)


def command(
    model: cli.options.ModelArgument,
    prompt: cli.options.PromptOption = None,
    context: cli.options.ContextOption = None,
    past: cli.options.PastOption = "0",
    batch: cli.options.BatchOption = 1,
    convention: cli.options.ConventionOption = "causal",
    pairs: cli.options.PairsOption = None,
    logits: cli.options.LogitsOption = None,
    form: cli.options.FormOption = None,
    images: cli.options.ImagesOption = None,
    patches: cli.options.PatchesOption = None,
    frames: cli.options.FramesOption = None,
    json: cli.options.JsonOption = False,
    markdown: cli.options.MarkdownOption = False,
    strict: cli.options.StrictOption = False,
) -> None:
    """FLOPs of decode, prefill and training, by component.

    With the context from which attention outweighs the matmuls, and how far the rules of thumb are off here.
    """
    one_format(json, markdown)
    loaded = load(model, strict)
    if not isinstance(loaded, Model):
        raise UndeterminedError(
            f"`{loaded.name}` has no known architecture to count",
            hint=f"`moecalc show {loaded.name}` prints what follows from its figures",
        )
    workload = loaded.workload(
        prompt=tokens(prompt),
        context=tokens(context),
        past=past_tokens(past),
        batch=batch,
        convention=convention,
        pairs=pairs,
        logits=logits,
        form=form,
        images=images,
        patches=values.patches(patches),
        frames=frames,
    )
    count = count_flops(loaded.ledger, workload)
    report = Report(
        command="flops",
        models=(ModelReport(name=loaded.name, source=loaded.source, lines=tuple(count.lines())),),
        defaults=workload.assumed,
        warnings=(*loaded.warnings, *workload.warnings),
        extra={"flops": count.to_dict()},
    )
    if json:
        from moecalc.render.json import report_json

        emit(report_json(report))
    elif markdown:
        from moecalc.render.flops import flops_markdown

        emit(flops_markdown(count, report))
    else:
        from moecalc.render.flops import flops_text
        from moecalc.render.layout import width

        emit(flops_text(count, report, loaded.title, width()))
        return
    warn(report.warnings)
