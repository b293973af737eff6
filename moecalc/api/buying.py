"""API prices of a model beside what it costs on a deployment."""

import datetime as dt
from decimal import Decimal
from typing import Any

from moecalc.calc.cost.buying import Buying, Offer, break_even
from moecalc.calc.cost.cost import Cost
from moecalc.calc.cost.figure import Figure
from moecalc.specs.api_prices import api_prices


def buying(cost: Cost, on: dt.date) -> Buying:
    """The API prices of a day beside a cost. Raises InputError where the package of prices is not installed."""
    found = api_prices(cost.model, _names(cost.model), cost.prompt, on)
    output = cost.usd_per_million(cost.output)
    input_ = cost.usd_per_million(cost.input) if cost.input else None
    asked = cost.request
    offers = []
    for price in found.prices:
        own: dict[str, Any] = {}
        if asked is not None:
            mix = asked.time.request
            usd = price.request_usd(mix.new_tokens, mix.cached_tokens, mix.output)
            deployments = 1
            if asked.splits is not None:
                deployments = asked.splits.ceiling.prefill + asked.splits.ceiling.decode
            own = {
                "request_usd": usd,
                "request_ratio": _ratio(usd, asked.usd),
                "break_even": break_even(mix, usd, cost.outlay.usd_per_day, asked.seconds, deployments),
            }
        offers.append(
            Offer(
                price=price,
                output_ratio=_ratio(price.output_usd, output),
                input_ratio=None if input_ is None else _ratio(price.input_usd, input_),
                **own,
            )
        )
    return Buying(found=found, offers=tuple(sorted(offers, key=_price)))


def _price(offer: Offer) -> tuple[Decimal, Decimal]:
    """What offers are sorted by: the price of the request that was asked about, else of output."""
    output = offer.price.output_usd
    return (output if offer.request_usd is None else offer.request_usd, output)


def _ratio(usd: Decimal, figure: Figure[Decimal]) -> Figure[Decimal]:
    ratios = figure.map(lambda value: usd / value)
    # What costs most here is where the API is cheapest against it.
    return Figure(
        ceiling=ratios.ceiling,
        least=ratios.least,
        expected=ratios.expected,
        low=ratios.high,
        high=ratios.low,
    )


def _names(model: str) -> tuple[str, ...]:
    """A catalogue model's aliases and hub repositories; nothing for a model that is in none."""
    from moecalc.sources import catalog

    path = catalog.find(model)
    if path is None:
        return ()
    spec = catalog.load(path)
    return (*spec.aliases, *spec.hub)
