"""Compare models where people decide: size, active share, memory, FLOPs, devices, and cost over batch."""

from fractions import Fraction
from typing import Any

from msgspec.structs import replace

from moecalc.api.loading import load
from moecalc.api.model import AnyModel, Model, StatedModel
from moecalc.api.precision import plain_precision
from moecalc.api.skews import routing_of
from moecalc.calc.attention_words import cache_words
from moecalc.calc.comparing.comparison import ComparisonData, columns_for, entries, verdicts
from moecalc.calc.comparing.demand import Demand, EqualState, Exact, LedgerDemand, StatedDemand
from moecalc.calc.comparing.deployment import Deployment, device, smallest
from moecalc.calc.comparing.verdict import Subject
from moecalc.calc.speed.traffic import UNIFORM, Routing
from moecalc.errors import InputError
from moecalc.specs.hardware import accelerator
from moecalc.specs.routing import UNIFORM_SKEW, Skew
from moecalc.specs.workload import Workload, plan_workload

DEFAULT_GPU = "h100"


class Comparison(ComparisonData, frozen=True, kw_only=True):
    """The result of `compare`."""

    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON form, as `moecalc compare --json` prints it."""
        return self.to_report().to_dict()

    def to_markdown(self) -> str:
        """A Markdown table of the comparison, with its sentences below."""
        from moecalc.render.markdown import comparison_markdown  # only if asked for

        return comparison_markdown(self)

    def __repr__(self) -> str:
        names = " against ".join(entry.name for entry in self.entries)
        return f"<Comparison {names} on {self.device.name}: {' '.join(self.sentences)}>"


def compare(
    *models: Any,
    gpu: str = DEFAULT_GPU,
    context: int | None = None,
    batch: int = 1,
    dtype: str | None = None,
    quant: str | None = None,
    kv_dtype: str | None = None,
    equal_kv: bool = False,
    utilization: Fraction | float = 1,
    skew: str | Skew = UNIFORM_SKEW,
) -> Comparison:
    """Compare two or more models on one kind of accelerator.

    `models` are names, paths, configs or loaded models; the first is the one ratios refer to. `equal_kv` gives
    every model the first one's state, `skew` says how tokens choose experts (`zipf:1`).
    `utilization` is the share of usable memory given to weights and state.
    Raises InputError for fewer than two models, unknown names, or a share outside (0, 1].
    """
    if len(models) < 2:
        raise InputError("`compare` needs at least two models", hint="moecalc compare mixtral-8x7b llama-13b")
    share = _share(utilization)
    loaded = [m if isinstance(m, Model | StatedModel) else load(m) for m in models]
    trained = [model.context_length for model in loaded if model.context_length]
    # One context for all: the longest any of them was trained for, at most the usual default.
    workload = plan_workload(max(trained, default=None), context=context, batch=batch)
    card = accelerator(gpu)
    devices = [device(card, *_formats(model, dtype, quant)) for model in loaded]

    demands: list[Demand | None] = [model.demand(dtype, kv_dtype, quant) for model in loaded]
    routing = routing_of(skew=skew)
    if routing is not UNIFORM:
        demands = _skewed(demands, routing)
    first = demands[0]
    if equal_kv and (first is None or first.state_bytes(workload.context) is None):
        raise InputError(
            f"`--equal-kv` gives every model the state of the first, and that of `{loaded[0].name}` is not known",
            hint="put a model with a known architecture first",
        )
    if equal_kv and first is not None:
        demands = [EqualState(demand, first) if demand else None for demand in demands]
    deployments = [
        smallest(demand, chosen, workload.context, batch, share) if demand else None
        for demand, chosen in zip(demands, devices, strict=True)
    ]
    subjects = [_subject(m, d, workload) for m, d in zip(loaded, deployments, strict=True)]
    reports = [model.report(workload, dtype, kv_dtype, quant) for model in loaded]
    return Comparison(
        entries=tuple(entries(subjects, reports, workload)),
        workload=workload,
        device=devices[0],
        columns=tuple(columns_for(subjects)),
        sentences=verdicts(subjects, equal_kv),
        warnings=tuple(_warnings(loaded, workload)),
        equal_kv=equal_kv,
        utilization=share,
        routing_words=routing.words,
    )


def _skewed(demands: list[Demand | None], routing: Routing) -> list[Demand | None]:
    """The demands of the models with experts under that routing. Raises InputError where none has experts."""
    if not any(demand is not None and demand.experts_touched(1) is not None for demand in demands):
        raise InputError(
            f"none of these models has a router that `--skew {routing.words}` could be of",
            hint="leave `--skew` out, or name a mixture-of-experts model",
        )
    exact = Exact(under=routing, words=routing.words)
    return [
        replace(demand, routing=exact) if isinstance(demand, LedgerDemand | StatedDemand) else demand
        for demand in demands
    ]


def _formats(model: AnyModel, dtype: str | None, quant: str | None) -> tuple[str, ...]:
    """The formats a model's weights are stored in."""
    if isinstance(model, Model):
        return model.formats(dtype, quant)
    return (plain_precision(dtype or "bf16").default,)


def _share(utilization: Fraction | float) -> Fraction:
    number = isinstance(utilization, int | float | Fraction)
    if not number or not 0 < utilization <= 1:  # nan is refused too
        raise InputError(f"`utilization` is {utilization!r}", hint="a share above 0 and at most 1, e.g. 0.9")
    return Fraction(utilization).limit_denominator(10_000)


def _subject(model: AnyModel, deployment: Deployment | None, workload: Workload) -> Subject:
    if isinstance(model, Model):
        return Subject(
            name=model.name,
            total=model.params.total,
            active=model.params.active(),
            state_per_token=model.state_bytes_per_token(workload.context),
            attention=cache_words(model.ledger),
            smallest=deployment,
        )
    numbers = model.numbers
    return Subject(
        name=model.name,
        total=numbers.total if numbers else None,
        active=numbers.active if numbers else None,
        state_per_token=None,
        attention="undisclosed",
        smallest=deployment,
    )


def _warnings(models: list[AnyModel], workload: Workload) -> list[str]:
    said = [warning for model in models for warning in model.warnings]
    said += [
        f"{model.name} was trained at {model.context_length:,} tokens; {workload.context:,} is beyond that"
        for model in models
        if model.context_length and workload.context > model.context_length
    ]
    return said
