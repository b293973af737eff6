"""API prices by provider from the package `genai-prices` (extra `prices`): data that ships with it, nothing is fetched.

Which of its models is which of the catalogue is never guessed: a name says so by itself, or
`data/prices/aliases.yaml` does, with what the package calls it. The package keeps prices of models that a provider
no longer has, and says of few since when a price holds; both are passed on as they are.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from msgspec import Struct

from moecalc import strict_yaml
from moecalc.errors import InputError

_ALIASES = Path(__file__).parent / "data" / "prices" / "aliases.yaml"

PACKAGE = "genai-prices"

INSTALL = "pip install 'moecalc[prices]'"


class Variants(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words at the end of a model's id that change neither shapes nor sizes."""

    words: tuple[str, ...]
    source: str


class Alias(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider's id of a catalogue model, and what the package calls it."""

    provider: str
    model: str
    means: str
    name: str | None


class Excluded(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider's id that reads like a catalogue model and is not it."""

    provider: str
    model: str
    reason: str
    source: str


class Aliases(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the names alone do not say."""

    variants: Variants
    aliases: tuple[Alias, ...]
    excluded: tuple[Excluded, ...]


class ApiPrice(Struct, frozen=True, kw_only=True):
    """What a provider asks per million tokens, in USD."""

    provider: str
    model: str
    """The provider's own id."""
    matched: str
    """How it was told that this is the model: `name` or `alias`."""
    input_usd: Decimal
    output_usd: Decimal
    cached_usd: Decimal | None
    """Of cached input; None where the provider states no price of its own."""
    since: dt.date | None
    """The day from which the price holds, as far as the package says."""
    hours: str = ""
    """When it holds, where the price changes over the day (UTC)."""
    source: str = ""
    """The provider's page of prices."""

    def request_usd(self, new: int, cached: int, output: int) -> Decimal:
        """A request: new input, cached input at its own price where there is one, output."""
        cached_usd = self.input_usd if self.cached_usd is None else self.cached_usd
        return (new * self.input_usd + cached * cached_usd + output * self.output_usd) / 1_000_000


class ApiPrices(Struct, frozen=True, kw_only=True):
    """Every price of one model that the package has."""

    version: str
    """Of the package."""
    on: dt.date
    """The day whose prices these are."""
    newest: dt.date | None
    """The last day up to then for which the package dates a change of any price."""
    prices: tuple[ApiPrice, ...]
    """Cheapest output first."""
    excluded: tuple[Excluded, ...] = ()
    """What reads like the model and is not."""


@cache
def aliases() -> Aliases:
    """The table of names. Raises InputError where the file is not as it should be."""
    return strict_yaml.decode(strict_yaml.load(_ALIASES), Aliases)


def api_prices(model: str, names: Iterable[str], prompt: int, on: dt.date) -> ApiPrices:
    """The prices of a catalogue model on a day, for prompts of that many tokens (some prices rise with them).

    `names` are the model's name, aliases and hub repositories. Raises InputError where the package is not installed.
    """
    providers = _providers()
    spelt = {normal(name.rpartition("/")[2]) for name in (model, *names)}
    prices: list[ApiPrice] = []
    excluded: list[Excluded] = []
    for provider in providers:
        for offered in provider.models:
            matched = _matches(provider.id, offered.id, model, spelt)
            if isinstance(matched, Excluded):
                excluded.append(matched)
            elif matched is not None:
                prices += _prices(provider, offered, matched, prompt, on)
    prices.sort(key=lambda price: (price.output_usd, price.input_usd, price.provider, price.model))
    dates = {date for provider in providers for date in _dates(provider) if date <= on}
    return ApiPrices(
        version=_version(),
        on=on,
        newest=max(dates, default=None),
        prices=tuple(prices),
        excluded=tuple(excluded),
    )


def normal(name: str) -> str:
    """A name with case forgiven, and every separator a dash."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _matches(provider: str, offered: str, model: str, spelt: set[str]) -> str | Excluded | None:
    """How an id was found to be the model; the exclusion where it only reads like it; None where it does not."""
    table = aliases()
    for alias in table.aliases:
        if alias.provider == provider and alias.model == offered:
            return "alias" if alias.means == model else None
    if ":" in offered:  # terms of their own: `:free`, `:batch`, a version that only an alias explains
        return None
    name = normal(offered.rpartition("/")[2])
    cut = next((word for word in table.variants.words if name.endswith(f"-{word}")), None)
    if name not in spelt and (cut is None or name.removesuffix(f"-{cut}") not in spelt):
        return None
    for entry in table.excluded:
        if entry.provider == provider and entry.model == offered:
            return entry
    return "name"


def _prices(provider: Any, offered: Any, matched: str, prompt: int, on: dt.date) -> Iterator[ApiPrice]:
    found: dict[tuple[Decimal, Decimal, Decimal | None], tuple[dt.date | None, list[dt.time]]] = {}
    for time in _times(offered):
        moment = dt.datetime.combine(on, time, tzinfo=dt.UTC)
        price = offered.get_prices(moment)
        input_, output = _at(price.input_mtok, prompt), _at(price.output_mtok, prompt)
        if (
            not input_ or not output
        ):  # free of charge for some, or no text model: no price to hold against a cost
            continue
        key = input_, output, _at(price.cache_read_mtok, prompt)
        found.setdefault(key, (_since(offered, price), []))[1].append(time)
    for (input_, output, cached), (since, times) in found.items():
        yield ApiPrice(
            provider=provider.id,
            model=offered.id,
            matched=matched,
            input_usd=input_,
            output_usd=output,
            cached_usd=cached,
            since=since,
            hours="" if len(found) == 1 else f"from {', '.join(f'{time:%H:%M}' for time in times)} UTC",
            source=(provider.pricing_urls or [""])[0],
        )


def _times(offered: Any) -> list[dt.time]:
    """Midnight, and every time of day at which the price changes."""
    times = {dt.time(0)}
    for condition in _conditions(offered):
        for name in ("start_time", "end_time"):
            time = getattr(condition.constraint, name, None)
            if time is not None:
                times.add(time.replace(tzinfo=None))
    return sorted(times)


def _since(offered: Any, price: Any) -> dt.date | None:
    for condition in _conditions(offered):
        if condition.prices is price:
            return getattr(condition.constraint, "start_date", None)
    return None


def _dates(provider: Any) -> Iterator[dt.date]:
    for offered in provider.models:
        for condition in _conditions(offered):
            date = getattr(condition.constraint, "start_date", None)
            if date is not None:
                yield date


def _conditions(offered: Any) -> list[Any]:
    return offered.prices if isinstance(offered.prices, list) else []


def _at(price: Any, prompt: int) -> Decimal | None:
    """A price per million tokens for a prompt of that length."""
    if price is None or isinstance(price, Decimal):
        return price
    reached = [tier.price for tier in price.tiers if prompt > tier.start]
    chosen: Decimal = reached[-1] if reached else price.base
    return chosen


def _providers() -> list[Any]:
    try:
        data = import_module("genai_prices.data")
    except ModuleNotFoundError:
        raise InputError(
            f"API prices come from the package `{PACKAGE}`, which is not installed", hint=f"`{INSTALL}`"
        ) from None
    return list(data.providers)


def _version() -> str:
    from importlib.metadata import version

    return version(PACKAGE)
