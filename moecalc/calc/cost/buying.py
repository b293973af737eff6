"""Renting held against an API: the ratio of prices, and the volume from which the rented deployment is cheaper."""

from decimal import Decimal

import msgspec

from moecalc.calc.cost.figure import Figure
from moecalc.calc.cost.outlay import HOURS_PER_DAY, SECONDS_PER_HOUR
from moecalc.specs.api_prices import ApiPrice, ApiPrices
from moecalc.specs.request import Request

SECONDS_PER_DAY = HOURS_PER_DAY * SECONDS_PER_HOUR


class BreakEven(msgspec.Struct, frozen=True, kw_only=True):
    """The volume at which an API and a deployment that is paid around the clock cost the same."""

    requests_per_day: Decimal
    tokens_per_day: Decimal
    """Input, cached or not, and output together."""
    load: Figure[Decimal]
    """That volume as a share of what the deployment can do in a day; above 1 the API is cheaper at any volume."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One price of an API beside the cost of the deployment."""

    price: ApiPrice
    output_ratio: Figure[Decimal]
    """The API's price of output over its cost here."""
    input_ratio: Figure[Decimal] | None
    request_usd: Decimal | None = None
    request_ratio: Figure[Decimal] | None = None
    break_even: BreakEven | None = None


class Buying(msgspec.Struct, frozen=True, kw_only=True):
    """All prices that were found for the model."""

    found: ApiPrices
    offers: tuple[Offer, ...]


def break_even(
    request: Request, api_usd: Decimal, usd_per_day: Decimal, seconds: Figure[float], deployments: int = 1
) -> BreakEven:
    """From `api_usd` per request; `usd_per_day` and `seconds` per request are of one of the `deployments`."""
    requests = deployments * usd_per_day / api_usd
    day = deployments * SECONDS_PER_DAY
    return BreakEven(
        requests_per_day=requests,
        tokens_per_day=requests * request.longest,
        load=seconds.map(lambda value: requests * Decimal(value) / day),
    )
