"""`moecalc profile MODEL`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from moecalc import cli
from moecalc.cli import deployment, endpoint, ranks
from moecalc.cli.output import emit, warn
from moecalc.cli.progress import Bar
from moecalc.cli.targets import check_target
from moecalc.cli.values import one_format, tokens
from moecalc.errors import EXIT_CHECK_FAILED, EXIT_OK, InputError

if TYPE_CHECKING:
    from moecalc.api.model import AnyModel

EXAMPLES = (
    "moecalc profile olmoe-1b-7b --gpu 0 --batch 1,8,64 --context 4k",
    "moecalc profile qwen3-0.6b --cpu --prompt 256 --context 512",
    "moecalc profile deepseek-v3 --gpu 0 --routing zipf:1.1 --save run.json",
    "moecalc profile llama-3.1-8b --gpu 0 --calibrate --save run.json",
    "moecalc profile olmoe-1b-7b --gpu 0 --layers all --trace trace.json",
    "moecalc profile --endpoint http://127.0.0.1:8000 --model NAME --like qwen3-30b-a3b --gpu h100",
)

ProfiledArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        help="A catalogue name, path, hub id or two numbers.",
        autocompletion=cli.options.complete_model,
    ),
]
ProfiledGpuOption = Annotated[
    str | None,
    typer.Option(
        "--gpu",
        help="The GPU of this machine, by its index. Default: 0. With --endpoint: the server's devices, 8xh100.",
    ),
]
CpuOption = Annotated[bool, typer.Option("--cpu", help="Run on the processor instead.")]
ProfiledPromptOption = Annotated[
    str | None, typer.Option("--prompt", help="Tokens of a prompt. Default: 2k, or the trained length.")
]
ProfiledContextOption = Annotated[
    str | None,
    typer.Option("--context", help="Keys that a decoded token sees. Default: 8k, or the trained length."),
]
BatchesOption = Annotated[
    str | None,
    typer.Option("--batch", help="Batches to decode, e.g. 1,8,64. Default: 1; with --calibrate 1,2,4,8."),
]
RunDtypeOption = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        help="What weights, state and arithmetic are in: bf16, fp16, fp32. Default: bf16; with --cpu fp32; "
        "with --calibrate as the model is stored, which is what `speed --calibration` takes.",
    ),
]
LayersOption = Annotated[
    Literal["auto", "all", "kinds"],
    typer.Option(
        "--layers",
        help="all: the whole model. kinds: some layers of each distinct kind, composed. auto: whole where it fits.",
    ),
]
RoutingOption = Annotated[
    str,
    typer.Option(
        "--routing",
        help="How tokens choose experts, as random weights do not tell: uniform, zipf:1.1, or a recording.",
    ),
]
RepeatOption = Annotated[int | None, typer.Option("--repeat", help="Timed calls of each step. Default: 20.")]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Of weights, tokens and routing. Default: 0.")]
RunViaOption = Annotated[
    Literal["transformers"] | None,
    typer.Option("--via", help="Time that library's own module (transformers) instead."),
]
TraceOption = Annotated[
    str | None, typer.Option("--trace", help="Write the profiler's trace to a file, in Chrome's format.")
]
SaveOption = Annotated[str | None, typer.Option("--save", help="Write a run file.")]
CalibrateOption = Annotated[
    bool,
    typer.Option(
        "--calibrate",
        help="Time shorter steps too and fit this device's coefficients, for `moecalc speed --calibration`.",
    ),
]


@ranks.said_once
def command(
    model: ProfiledArgument = None,
    gpu: ProfiledGpuOption = None,
    cpu: CpuOption = False,
    prompt: ProfiledPromptOption = None,
    context: ProfiledContextOption = None,
    batch: BatchesOption = None,
    dtype: RunDtypeOption = None,
    layers: LayersOption = "auto",
    routing: RoutingOption = "uniform",
    repeat: RepeatOption = None,
    seed: SeedOption = None,
    via: RunViaOption = None,
    trace: TraceOption = None,
    save: SaveOption = None,
    calibrate: CalibrateOption = False,
    tp: deployment.TensorOption = None,
    ep: deployment.ExpertOption = None,
    url: endpoint.EndpointOption = None,
    served: endpoint.ServedOption = None,
    like: endpoint.LikeOption = None,
    concurrency: endpoint.ConcurrencyOption = None,
    output: endpoint.OutputOption = None,
    requests: endpoint.RequestsOption = None,
    seconds: endpoint.SecondsOption = None,
    timeout: endpoint.TimeoutOption = None,
    quant: cli.options.QuantOption = None,
    kv_dtype: cli.options.KvDtypeOption = None,
    engine: deployment.EngineOption = None,
    json: cli.options.JsonOption = False,
    markdown: cli.options.MarkdownOption = False,
    strict: cli.options.StrictOption = False,
) -> int:
    """Time a real forward pass here, and hold the estimate against it.

    Prefill and decode, each computed figure beside the measured one. The model is built from its architecture with
    random weights: shapes decide the time, and no checkpoint is needed. Needs torch (`pip install
    'moecalc[profile]'`).
    """
    one_format(json, markdown)
    if not ranks.is_another_rank():  # which may be on a machine that has no such folder
        check_target("--save", save)
    check_target("--trace", trace)
    of_endpoint = {
        "--model": served,
        "--like": like,
        "--concurrency": concurrency,
        "--output": output,
        "--requests": requests,
        "--seconds": seconds,
        "--timeout": timeout,
        "--kv-dtype": kv_dtype,
        "--engine": engine,
    }
    if url is not None:
        of_run = {
            "MODEL": model,
            "--cpu": cpu or None,
            "--context": context,
            "--batch": batch,
            "--dtype": dtype,
            "--layers": None if layers == "auto" else layers,
            "--routing": None if routing == "uniform" else routing,
            "--repeat": repeat,
            "--seed": seed,
            "--via": via,
            "--trace": trace,
            "--calibrate": calibrate or None,
        }
        from moecalc.api.plans import plan_from

        endpoint.refuse(of_run, "is not about a served model", "`--like` says which model it is")
        return endpoint.answer(
            url,
            served,
            like=like,
            gpu=gpu,
            plan=plan_from({"tp": tp, "ep": ep}),
            quant=quant,
            kv_dtype=kv_dtype,
            engine=engine,
            concurrency=concurrency,
            prompt=tokens(prompt),
            output=tokens(output),
            requests=requests,
            seconds=seconds,
            timeout=timeout,
            save=save,
            json=json,
            markdown=markdown,
            strict=strict,
        )
    endpoint.refuse(
        of_endpoint, "is about a served model", "`--endpoint http://127.0.0.1:8000` names the server"
    )
    if model is None:
        raise InputError(
            "no model to profile", hint="`moecalc profile olmoe-1b-7b`, or `--endpoint URL --model NAME`"
        )
    from moecalc.api.batches import batches_of
    from moecalc.profile.measure.asked import (
        CALIBRATED_BATCHES,
        DEFAULT_CONTEXT,
        DEFAULT_PROMPT,
        DEFAULT_REPEATS,
        Asked,
    )

    # Expert parallelism alone is over copies of attention: the least that can be dealt out is one sequence each.
    copies = ep if ep is not None and tp is None and ep > 0 else 1
    by_default = CALIBRATED_BATCHES if calibrate else (copies,)
    batches = by_default if batch is None else batches_of(batch)
    asked_prompt, asked_context = tokens(prompt), tokens(context)
    from moecalc.api.loading import load
    from moecalc.api.skews import skew_of

    loaded = load(model, strict)
    trained = loaded.context_length or DEFAULT_CONTEXT
    asked = Asked(
        gpu=_index(gpu),
        cpu=cpu,
        prompt=asked_prompt or min(DEFAULT_PROMPT, trained),
        context=asked_context or min(DEFAULT_CONTEXT, trained),
        batches=batches,
        dtype=_run_dtype(dtype, loaded, cpu=cpu, calibrate=calibrate),
        quant=quant,
        layers=layers,
        skew=skew_of(routing),
        repeats=DEFAULT_REPEATS if repeat is None else repeat,
        seed=0 if seed is None else seed,
        via=via,
        trace=trace,
        calibrate=calibrate,
    )
    from moecalc.profile.measure.profiling import profile
    from moecalc.specs.workload import plan_workload

    lengths = plan_workload(loaded.context_length, prompt=asked.prompt, context=asked.context)
    if tp is not None or ep is not None:
        alone = {
            "--gpu": gpu,
            "--via": via,
            "--quant": quant,
            "--trace": trace,
            "--calibrate": calibrate or None,
        }
        endpoint.refuse(alone, "is about one device", "leave it out, or `--tp` and `--ep`")
        return ranks.answer(
            loaded, asked, tp, ep, save=save, warnings=lengths.warnings, json=json, markdown=markdown
        )
    ranks.refuse_many()
    with Bar("measuring", least=2) as bar:
        run = profile(loaded, asked, bar.show)
    if json:
        from moecalc.profile.measure.lines import run_report
        from moecalc.render.json import report_json

        emit(report_json(run_report(run, (*loaded.warnings, *lengths.warnings))))
    elif markdown:
        from moecalc.render.profile import profile_markdown

        emit(profile_markdown(run))
    else:
        from moecalc.render.layout import width
        from moecalc.render.profile import profile_text

        emit(profile_text(run, width()))
    warn([*loaded.warnings, *lengths.warnings])
    if save is not None:  # behind the answer, which a full disk does not take away
        from moecalc.specs.runs import write

        write(save, run)
    is_as_computed = not any(figure.verdict == "outside" and figure.tolerance == 0 for figure in run.figures)
    return EXIT_OK if is_as_computed else EXIT_CHECK_FAILED


def _run_dtype(asked: str | None, model: AnyModel, *, cpu: bool, calibrate: bool) -> str:
    """The format to run in. A calibration is for `speed`, which takes a model as it is stored: so it is run so."""
    from moecalc.api.model import Model
    from moecalc.profile.measure.device import DTYPES
    from moecalc.specs.formats import find_format

    if asked is None and calibrate and isinstance(model, Model) and model.precision.default in DTYPES:
        return model.precision.default
    return find_format(asked or ("fp32" if cpu else "bf16")).name


def _index(gpu: str | None) -> int | None:
    """The GPU of this machine that was typed. Raises InputError for a device's name."""
    if gpu is None:
        return None
    if not (gpu.isascii() and gpu.isdecimal() and len(gpu) < 5):
        raise InputError(
            f"`--gpu {gpu}` is no GPU of this machine",
            hint="its index: `--gpu 0`; a name goes with `--endpoint`",
        )
    return int(gpu)
