"""The part of `moecalc profile` that is about a served model: its options, and what they lead to."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from moecalc.errors import InputError, UndeterminedError

if TYPE_CHECKING:
    from moecalc.profile.endpoint.computing import Computed
    from moecalc.specs.plan import Plan

EndpointOption = Annotated[
    str | None,
    typer.Option("--endpoint", help="Measure an OpenAI-compatible server: http://127.0.0.1:8000."),
]
ServedOption = Annotated[
    str | None, typer.Option("--model", help="With --endpoint: the name the server has the model under.")
]
LikeOption = Annotated[
    str | None,
    typer.Option("--like", help="With --endpoint: which model it is, to hold it against what --gpu can do."),
]
ConcurrencyOption = Annotated[
    str | None,
    typer.Option("--concurrency", help="With --endpoint: requests under way at a time. Default: 1,4,16."),
]
OutputOption = Annotated[
    str | None, typer.Option("--output", help="With --endpoint: tokens of an answer. Default: 128.")
]
RequestsOption = Annotated[
    int | None,
    typer.Option(
        "--requests",
        help="With --endpoint: requests of each level. Default: twice the concurrency, at least 4.",
    ),
]
SecondsOption = Annotated[
    float | None,
    typer.Option("--seconds", help="With --endpoint: the most that a level may take. Default: 60."),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--timeout", help="With --endpoint: seconds of silence after which it is given up. Default: 60."
    ),
]

MOST_SECONDS = 86_400
MOST_REQUESTS = 100_000


def refuse(options: Mapping[str, object], what: str, hint: str) -> None:
    """Raise InputError where one of the options was given."""
    for option, value in options.items():
        if value is not None:
            raise InputError(f"`{option}` {what}", hint=hint)


def answer(
    url: str,
    served: str | None,
    *,
    like: str | None = None,
    gpu: str | None = None,
    plan: Plan | None = None,
    quant: str | None = None,
    kv_dtype: str | None = None,
    engine: str | None = None,
    concurrency: str | None = None,
    prompt: int | None = None,
    output: int | None = None,
    requests: int | None = None,
    seconds: float | None = None,
    timeout: float | None = None,
    save: str | None = None,
    json: bool = False,
    markdown: bool = False,
    strict: bool = False,
) -> int:
    """Measure a server and print it. Raises UndeterminedError behind the answer where the run ended early."""
    from moecalc.cli.output import emit
    from moecalc.cli.progress import Bar
    from moecalc.profile import endpoint
    from moecalc.profile.endpoint.ladder import Limits, concurrencies_of

    if served is None:
        raise InputError(
            "`--endpoint` needs the name that the server has the model under", hint="add `--model NAME`"
        )
    for option, value in (("--seconds", seconds), ("--timeout", timeout)):
        if value is not None and not 0 < value <= MOST_SECONDS:
            raise InputError(f"`{option}` is {value:g}", hint=f"above 0, at most {MOST_SECONDS:,}")
    if requests is not None and not 1 <= requests <= MOST_REQUESTS:
        raise InputError(f"`--requests` is {requests}", hint=f"from 1 to {MOST_REQUESTS:,}")
    levels = endpoint.CONCURRENCIES if concurrency is None else concurrencies_of(concurrency)
    limits = Limits(requests=requests, seconds=endpoint.SECONDS if seconds is None else seconds)
    computed = _computed(like, gpu, plan, quant, kv_dtype, engine, strict=strict)
    with Bar("requests", 1) as bar:
        done = [0]
        total = sum(map(limits.requests_at, levels))

        def told(_concurrency: int, _ended: int, _of: int) -> None:
            done[0] += 1
            bar.show(done[0], total)

        run = endpoint.measure(
            url,
            served,
            concurrencies=levels,
            prompt=prompt or endpoint.PROMPT,
            output=output or endpoint.OUTPUT,
            limits=limits,
            silence_seconds=endpoint.SECONDS if timeout is None else timeout,
            key=os.environ.get(endpoint.KEY),
            computed=computed,
            progress=told,
        )
    if json:
        from moecalc.profile.endpoint.lines import endpoint_report
        from moecalc.render.json import report_json

        emit(report_json(endpoint_report(run)))
    else:
        from moecalc.render.endpoint import endpoint_markdown, endpoint_text
        from moecalc.render.layout import width

        emit(endpoint_markdown(run) if markdown else endpoint_text(run, width()))
    if save is not None:  # what was measured until a server died, too
        from importlib.metadata import version

        from moecalc.specs.saved import write

        write(save, run, version("moecalc"))
    if run.stopped is not None:
        sys.stdout.flush()
        raise UndeterminedError(
            f"`--endpoint {run.url}` {run.stopped}", hint="what was measured until then stands above"
        )
    return 0


def _computed(
    like: str | None,
    gpu: str | None,
    plan: Plan | None,
    quant: str | None,
    kv_dtype: str | None,
    engine: str | None,
    *,
    strict: bool,
) -> Computed | None:
    """What the run is held against; None where neither the model nor the devices were named."""
    from moecalc.api.fleets import fleet_of

    fleet = fleet_of(gpu)
    if like is None and fleet is None:
        of_expectation = {
            "--tp` or `--ep": plan,
            "--quant": quant,
            "--kv-dtype": kv_dtype,
            "--engine": engine,
        }
        refuse(of_expectation, "is about what is expected of a server", "add `--like MODEL --gpu h100`")
        return None
    if like is None:
        raise InputError(
            "an expectation for these devices needs to know which model is served",
            hint="add `--like llama-3.1-8b`",
        )
    if fleet is None:
        raise InputError(
            f"an expectation for `--like {like}` needs to know the devices it is served on",
            hint="add `--gpu h100`",
        )
    from moecalc.api.loading import load
    from moecalc.profile.endpoint.computing import computed

    return computed(load(like, strict), fleet, plan=plan, quant=quant, kv_dtype=kv_dtype, engine=engine)
