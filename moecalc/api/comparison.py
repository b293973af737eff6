"""Compare models where people decide: size, active share, memory, FLOPs, devices, and cost over batch."""

from fractions import Fraction
from typing import Any

from msgspec import to_builtins
from msgspec.structs import replace

from moecalc.api.fleets import fleet_of, is_counted
from moecalc.api.floors import Floor, floor_sentences, floors
from moecalc.api.loading import load
from moecalc.api.model import AnyModel, Model, StatedModel
from moecalc.api.outlays import Terms
from moecalc.api.precision import plain_precision
from moecalc.api.skews import routing_of
from moecalc.calc.attention_words import cache_words
from moecalc.calc.comparing.comparison import ComparisonData, columns_for, entries, findings_of, verdicts
from moecalc.calc.comparing.demand import Demand, EqualState, Exact, LedgerDemand, StatedDemand
from moecalc.calc.comparing.deployment import Deployment, Device, device, smallest
from moecalc.calc.comparing.verdict import Subject
from moecalc.calc.speed.traffic import UNIFORM, Routing
from moecalc.errors import InputError
from moecalc.report import Report
from moecalc.specs.fleet import Fleet, Group
from moecalc.specs.hardware import Accelerator
from moecalc.specs.money import Amount
from moecalc.specs.routing import UNIFORM_SKEW, Skew
from moecalc.specs.workload import Workload, plan_workload
from moecalc.units import format_percent

DEFAULT_GPU = "h100"


class Comparison(ComparisonData, frozen=True, kw_only=True):
    """The result of `compare`."""

    floors: tuple[Floor, ...] = ()
    """What latency is of expected steps, of the models for which something is expected."""

    def to_report(self) -> Report:
        """The comparison as a report, with the latency floors beside the cost curve."""
        made = super().to_report()
        return replace(made, extra={**made.extra, "floors": to_builtins(self.floors)})

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
    gpu_memory_utilization: Fraction | float = 1,
    price: Amount | None = None,
    utilization: Amount | None = None,
    hardware_price: Amount | None = None,
    lifetime: Amount | None = None,
    electricity: Amount | None = None,
    power: Amount | None = None,
    host_power: Amount | None = None,
    pue: Amount | None = None,
    skew: str | Skew = UNIFORM_SKEW,
) -> Comparison:
    """Compare two or more models on one kind of accelerator.

    `models` are names, paths, configs or loaded models; the first is the one ratios refer to. `equal_kv` gives
    every model the first one's state, `skew` says how tokens choose experts (`zipf:1`).
    `gpu` with a number (`8xh100`) puts every model on so many devices; without, each on the fewest that hold it.
    `gpu_memory_utilization` is the share of usable memory given to weights and state; `price`, `utilization` (the share
    of the paid time that devices work) and those behind them say what a device is paid for, as in `cost`.
    Raises InputError for fewer than two models, unknown names, or a share outside (0, 1].
    """
    if len(models) < 2:
        raise InputError("`compare` needs at least two models", hint="moecalc compare mixtral-8x7b llama-13b")
    share = _share(gpu_memory_utilization)
    loaded = [m if isinstance(m, Model | StatedModel) else load(m) for m in models]
    trained = [model.context_length for model in loaded if model.context_length]
    # One context for all: the longest any of them was trained for, at most the usual default.
    workload = plan_workload(max(trained, default=None), context=context, batch=batch)
    card, count = _named(gpu)
    terms = Terms(
        price=price,
        utilization=utilization,
        hardware_price=hardware_price,
        lifetime=lifetime,
        electricity=electricity,
        power=power,
        host_power=host_power,
        pue=pue,
    )
    devices = [_paid(device(card, *_formats(model, dtype, quant)), card, terms) for model in loaded]

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
    named = [
        Deployment(demand, chosen, count, workload.context, share) if demand and count else None
        for demand, chosen in zip(demands, devices, strict=True)
    ]
    subjects = [
        replace(_subject(model, fewest, workload), named=on)
        for model, fewest, on in zip(loaded, deployments, named, strict=True)
    ]
    columns = columns_for(subjects)
    floor: tuple[Floor, ...] = ()
    if dtype is None and not equal_kv:  # nothing was measured of either
        floor = tuple(floors(loaded, subjects, card, workload.context, quant, kv_dtype, columns))
    reports = [model.report(workload, dtype, kv_dtype, quant) for model in loaded]
    return Comparison(
        entries=tuple(entries(subjects, reports, workload)),
        workload=workload,
        device=devices[0],
        columns=tuple(columns),
        findings=findings_of(subjects),
        sentences=(*verdicts(subjects, equal_kv), *floor_sentences(floor, [one.name for one in subjects])),
        floors=floor,
        warnings=tuple(_warnings(loaded, workload)),
        equal_kv=equal_kv,
        utilization=share,
        named_gpus=count,
        routing_words=routing.words,
    )


def _named(gpu: str) -> tuple[Accelerator, int | None]:
    """The one kind of device to compare on, and its number where one was typed.

    Raises InputError for several kinds, and what `fleet_of` refuses.
    """
    if "," in gpu:
        raise InputError(
            f"`compare` is on one kind of device, and `--gpu {gpu}` names several",
            hint="`moecalc cost MODEL --gpu h100,h200` chooses among kinds",
        )
    found = fleet_of(gpu)
    if found is None or len(found.groups) > 1:
        raise InputError(
            f"`compare` is on one kind of device, and `--gpu {gpu}` joins several",
            hint="name one: `--gpu 8xh100`, or `--gpu h100` for the fewest that hold each model",
        )
    group = found.groups[0]
    return group.device, group.count if is_counted(gpu, found) else None


def _paid(found: Device, card: Accelerator, terms: Terms) -> Device:
    """The device at what was said to be paid for it; at its list price where nothing was."""
    if terms == Terms():
        return found
    outlay = terms.outlay(Fleet((Group(card, 1),)))
    busy = (
        ""
        if terms.utilization is None
        else f"; utilization {format_percent(outlay.busy)} of the time that is paid"
    )
    return replace(found, usd_per_hour=outlay.usd_per_busy_hour, price_words="; ".join(outlay.words) + busy)


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


def _share(given: Fraction | float) -> Fraction:
    number = isinstance(given, int | float | Fraction)
    if not number or not 0 < given <= 1:  # nan is refused too
        raise InputError(
            f"`gpu_memory_utilization` is {given!r}", hint="a share above 0 and at most 1, e.g. 0.9"
        )
    return Fraction(given).limit_denominator(10_000)


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
