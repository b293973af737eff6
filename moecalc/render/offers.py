"""API prices beside what a deployment costs: `moecalc cost --api`."""

from collections.abc import Sequence
from decimal import Decimal

from moecalc.calc.cost.buying import Offer
from moecalc.calc.cost.cost import Cost
from moecalc.calc.cost.figure import Figure
from moecalc.render.amounts import NONE, dollars, or_none, significant
from moecalc.render.layout import bold, table
from moecalc.specs.api_prices import ApiPrice
from moecalc.units import format_ratio

Rows = list[list[str]]

PER_THOUSAND = "1,000 req."
EVEN = "even, M/day"
EXPECTED_LOAD = "expected"
"""Beside the load at the ceiling, the one that is expected."""

SHORTEST_ID = 12
"""An id is cut to no less while another column can go."""


def api_heading(cost: Cost) -> str:
    """Whose prices these are, and of when."""
    assert cost.buying is not None
    found = cost.buying.found
    newest = f", its last dated change {found.newest}" if found.newest else ""
    return f"API prices of {cost.model}, genai-prices {found.version}: in force on {found.on}{newest}"


def offer_rows(cost: Cost) -> Rows:
    """A price of an API to a row, cheapest first: by the request where one was asked about, else by output."""
    assert cost.buying is not None
    offers = cost.buying.offers
    asked = cost.request is not None
    rows = [["provider", "its id", "input", "cached", "output"]]
    rows[0] += [PER_THOUSAND, "/ ceiling"] if asked else ["/ ceiling"]
    expected = any(_ratio(offer).expected is not None for offer in offers)
    rows[0] += ["/ expected"] if expected else []
    rows[0] += [EVEN, "load"] if asked else []
    rows[0] += [EXPECTED_LOAD] if asked and expected else []
    rows[0].append("since")
    for offer in offers:
        price, ratio, even = offer.price, _ratio(offer), offer.break_even
        row = [price.provider, price.model, dollars(price.input_usd), or_none(price.cached_usd)]
        row += [dollars(price.output_usd)]
        if offer.request_usd is not None:
            row.append(dollars(1000 * offer.request_usd))
        row.append(format_ratio(ratio.ceiling))
        if expected:
            row.append(NONE if ratio.expected is None else format_ratio(ratio.expected))
        if even is not None:
            row += [significant(even.tokens_per_day / 1_000_000), format_share(even.load.ceiling)]
            if expected:
                row.append(NONE if even.load.expected is None else format_share(even.load.expected))
        rows.append([*row, str(price.since or NONE)])
    return rows


def api_words(cost: Cost) -> list[str]:
    """What the columns mean, and what was left out."""
    assert cost.buying is not None
    found = cost.buying.found
    said = []
    if not found.prices:
        said.append(f"none of its ids is known to be {cost.model}")
    elif cost.request is not None:
        splits = cost.request.splits
        parts = 1 if splits is None else splits.ceiling.prefill + splits.ceiling.decode
        rented = "the deployment" if parts == 1 else f"the split's {parts} deployments"
        said.append(
            "1,000 req.: $ for as many requests; / ceiling, / expected (where there is room): "
            f"that over their cost here; even: from that many million tokens a day, in and out, paying for {rented} "
            "around the clock is cheaper; load: the share of the day that they take at the ceiling, and expected; "
            "above 100% it cannot do as many, and the API is cheaper at any volume"
        )
        said.append(_verdict(cost.buying.offers, rented) + _under_another_plan(cost, cost.buying.offers))
    else:
        said.append(
            '/ ceiling, / expected: the API\'s price of output over its cost here; `--request "in=8k,out=1k"` gives '
            "the break-even volume"
        )
    if found.prices:
        said.append(
            "input, cached, output: $ per M tokens; since when a price holds the package says of few; it keeps those "
            "of retired offers"
        )
        said += _by_the_hour(found.prices)
    named = [f"{price.provider} {price.model}" for price in found.prices if price.matched == "alias"]
    if named:
        said.append(f"matched by name, but by a table of aliases {', '.join(dict.fromkeys(named))}")
    said += [f"left out: {entry.provider} {entry.model}: {entry.reason}" for entry in found.excluded]
    return said


def _under_another_plan(cost: Cost, offers: Sequence[Offer]) -> str:
    """The load at the same volume under the plan that costs least: the same devices are paid for, and do more."""
    plans, even = cost.plans, offers[0].break_even
    if plans is None or even is None:
        return ""
    loads: dict[str, list[str]] = {}
    least, expected = plans.at_ceiling, plans.as_expected
    if least is not None:
        load = even.load.ceiling * least.usd.ceiling / plans.chosen.usd.ceiling
        loads.setdefault(least.plan.words, []).append(f"{format_share(load)} load at the ceiling")
    own = plans.chosen.usd.expected
    if expected is not None and expected.usd.expected is not None and even.load.expected is not None and own:
        load = even.load.expected * expected.usd.expected / own
        loads.setdefault(expected.plan.words, []).append(f"{format_share(load)} load as expected")
    told = "; ".join(f"`{words}` has {' and '.join(said)}" for words, said in loads.items())
    return f"; this is of `{cost.plan.words}`, at the same volume {told}" if told else ""


def _verdict(offers: Sequence[Offer], rented: str) -> str:
    """From which volume the deployment is cheaper than the cheapest offer: at the ceiling, and as expected."""
    offer = offers[0]
    even = offer.break_even
    assert even is not None
    named = f"against the cheapest, {offer.price.provider} {offer.price.model}"
    volume = f"{significant(even.tokens_per_day / 1_000_000)} M tokens a day"
    said = [f"at the ceiling {_wins(even.load.ceiling, volume, rented)}"]
    if even.load.expected is None:
        said.append("nothing is expected of it")
    else:
        said.append(f"as expected {_wins(even.load.expected, volume, rented)}")
        low, high = even.load.low, even.load.high
        if low is not None and high is not None and (low <= 1) != (high <= 1):
            said.append(
                f"the interval of that, {format_share(low)}-{format_share(high)}, holds either answer"
            )
    return f"{named}: {'; '.join(said)}"


def _wins(load: Decimal, volume: str, rented: str) -> str:
    if load > 1:
        return f"{rented} is never cheaper ({format_share(load)} load)"
    return f"{rented} is cheaper from {volume} ({format_share(load)} load)"


def _by_the_hour(prices: Sequence[ApiPrice]) -> list[str]:
    """Offers whose price changes over the day: which holds from when."""
    said: dict[tuple[str, str], list[str]] = {}
    for price in prices:
        if price.hours:
            said.setdefault((price.provider, price.model), []).append(
                f"{dollars(price.output_usd)} {price.hours}"
            )
    return [
        f"{provider} {model}, by the hour: {'; '.join(words)}" for (provider, model), words in said.items()
    ]


def _ratio(offer: Offer) -> Figure[Decimal]:
    return offer.request_ratio or offer.output_ratio


def format_share(value: Decimal) -> str:
    """A share that may be above 1: `33%`, `240%`."""
    return f"{significant(value * 100)}%" if value < 10 else f"{value * 100:,.0f}%"


def offer_lines(cost: Cost, columns: int) -> list[str]:
    """The rows laid out, `columns` wide: what tells least goes first."""
    rows = offer_rows(cost)
    if len(rows) == 1:
        return []
    # The ratios say what the loads do, of which neither goes: an offer is judged by both or by none.
    asked = ("output", "/ expected", "/ ceiling") if cost.request else ()
    for name in ("since", "cached", "input", *asked):
        over = max(map(len, _laid_offers(rows))) - columns
        widest = max(len(row[1]) for row in rows)
        if over <= (max(0, widest - SHORTEST_ID) if name in {"/ expected", "/ ceiling"} else 0):
            break
        if name in rows[0]:
            index = rows[0].index(name)
            rows = [[*row[:index], *row[index + 1 :]] for row in rows]
    for column in (1, 0):  # the id first, then the provider
        widest = max(len(row[column]) for row in rows)
        over = max(0, max(map(len, _laid_offers(rows))) - columns)
        left = max(widest - over, SHORTEST_ID)
        rows = [[*row[:column], _tail(row[column], left), *row[column + 1 :]] for row in rows]
    lines = _laid_offers(rows)
    lines[0] = bold(lines[0])
    return lines


def _tail(name: str, columns: int) -> str:
    """The end of an id, where the model stands; its owner stands before it."""
    return name if len(name) <= columns else "…" + name[len(name) - columns + 1 :]


def _laid_offers(rows: Rows) -> list[str]:
    return table(rows, "<<" + ">" * (len(rows[0]) - 2))
