"""`fit` without devices: which ones hold the model, by quantization."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

from moecalc.api.engine_rules import (
    check_formats,
    format_warnings,
    formats_of,
    is_mixture,
    is_paged,
    shares_memory,
)
from moecalc.api.fit_setting import LLAMA_CPP, TRIED, Asked
from moecalc.calc.deploy.budget import usable
from moecalc.calc.deploy.case import Case
from moecalc.calc.deploy.fitted import Offer, Offers, Setting
from moecalc.calc.deploy.search import COUNTS, Search
from moecalc.calc.deploy.shares import loaded_bytes
from moecalc.errors import InputError
from moecalc.ir.numeric import Number
from moecalc.specs.hardware import Accelerator, accelerators
from moecalc.specs.machines import MACHINE


def offers(
    model: Any,
    *,
    quant: str | Iterable[str] | None = None,
    context: int | None = None,
    sequences: int = 1,
    kv_dtype: str | None = None,
    gpu_memory_utilization: Fraction | float | None = None,
    engine: str | None = None,
) -> Offers:
    """The fewest devices of every listed kind that hold a model, by quantization (None: those people download).

    Raises UndeterminedError where the architecture is not known.
    """
    asked = Asked(
        model,
        context=context,
        sequences=sequences,
        kv_dtype=kv_dtype,
        utilization=gpu_memory_utilization,
        engine=engine,
        layout_required=True,
    )
    named = [quant] if isinstance(quant, str) else list(quant or ())
    made: list[Offer] = []
    weights: dict[str, Number] = {}
    settings: dict[str, Setting] = {}
    for name in dict.fromkeys(part.strip().lower() for part in named) or TRIED:
        if not named and is_mixture(name) and is_paged(asked.engine(name)):
            continue  # an experiment of vLLM's, which nobody asked about
        try:
            setting = asked.setting(name, ())
            precision = asked.precision(name)
            check_formats(asked.model, setting.engine, precision, name)
        except InputError:
            if named:
                raise
            continue  # a recipe that this model's matrices do not allow, or a cache that the engine has not
        shards = asked.shards(setting)
        weights[name] = loaded_bytes(shards.ledger, precision, shards.components)
        settings[name] = setting
        made += sorted(_offers(asked, name), key=_dearness)
    order = sorted(weights, key=lambda name: -weights[name])
    return Offers(
        model=asked.model.name,
        source=asked.model.source,
        settings=settings,
        weight_bytes={name: weights[name] for name in order},
        offers=tuple(sorted(made, key=lambda offer: order.index(offer.quant))),
        warnings=(
            *asked.model.warnings,
            *asked.workload.warnings,
            *(() if named else asked.left_out_words),
            *dict.fromkeys(word for name in order for word in format_warnings(settings[name].engine, name)),
            *_left_out_words(asked, order),
        ),
    )


def _offers(asked: Asked, quant: str) -> Iterator[Offer]:
    precision, engine = asked.precision(quant), asked.engine(quant)
    formats = formats_of(asked.model.ledger, precision)
    searches: dict[Case, Search] = {}
    for device in accelerators():
        memory = device.usable_bytes()
        if memory is None or engine.refusal(device) is not None or not _runs(device, engine.name, formats):
            continue
        shared = shares_memory(device)
        setting = asked.setting(quant, (device,))
        if setting.case not in searches:  # what an engine does differs by the device's memory too
            searches[setting.case] = Search(asked.shards(setting), precision, setting.overhead, setting.case)
        most = 1 if shared else COUNTS[-1] if device.is_linked else MACHINE
        capacity = usable(memory.bytes, setting.utilization)
        need = searches[setting.case].fewest(capacity, [count for count in COUNTS if count <= most])
        if need is None:
            continue
        price = device.price()
        yield Offer(
            quant=quant,
            device=device.name,
            kind=device.kind,
            count=need.count,
            plan=need.plan.with_stages,
            usd_per_hour=price.usd_per_gpu_hour * need.count if price else None,
            price_note=f"{price.provider}, {price.date or 'undated'}" if price else "no price known",
            rank=need.rank,
        )


def _runs(device: Accelerator, engine: str, formats: set[str]) -> bool:
    """Whether the engine has code for the device, and that for the formats, as far as a source says it has not.

    llama.cpp has no backend for TPU, Gaudi or Trainium (ggml-org/llama.cpp, README.md, "Supported backends").
    """
    if engine == LLAMA_CPP and device.kind == "asic":
        return False
    return not device.refuses_any(formats)


def _left_out_words(asked: Asked, quants: Iterable[str]) -> Iterator[str]:
    """What is not offered on some devices because a source says that nothing there runs it."""
    counts: dict[str, int] = {}
    for quant in quants:
        formats = formats_of(asked.model.ledger, asked.precision(quant))
        counts[quant] = sum(device.refuses_any(formats) for device in accelerators())
    said = [f"{quant} on {count} devices" for quant, count in counts.items() if count]
    if said:
        yield (
            f"left out where a source says that no engine runs it: {', '.join(said)} (`refuses` in"
            " `moecalc hardware --json`); what the others run is not checked"
        )


def _dearness(offer: Offer) -> tuple[bool, Decimal, int, str]:
    """Those with a price first, the cheapest first; then the fewest devices."""
    price = offer.usd_per_hour
    return price is None, price or Decimal(0), offer.count, offer.device
