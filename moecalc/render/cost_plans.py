"""What `cost` says of the plan that it chose, beside the others that the devices allow."""

from collections.abc import Iterator
from decimal import Decimal

from moecalc.calc.cost.cost import Cost
from moecalc.calc.cost.plans import SAME_PRICE, Plans, Priced
from moecalc.render.amounts import dollars

SAVED = f"{SAME_PRICE:.0%}"


def plan_words(cost: Cost) -> str:
    """Which plan costs least, and what to type for it; empty where the plan was named, or there is no other."""
    plans = cost.plans
    if plans is None:
        return ""
    return f"`{plans.chosen.plan.words}` is the plan that `speed` takes, for one user's speed; {_compared(cost, plans)}"


def _compared(cost: Cost, plans: Plans) -> str:
    of = f"of {plans.tried} plans tried on these devices"
    least, expected = plans.at_ceiling, plans.as_expected
    if least is None and expected is None:
        known = plans.chosen.usd.expected is not None
        return f"{of} none saves more than {SAVED} at the ceiling{' or as expected' if known else ''}"
    said = []
    if least is not None:
        both = " and as expected" if expected is least else ""
        said.append(f"`{least.plan.words}` costs least at the ceiling{both}: {_figures(cost, least)}")
    else:
        said.append(f"none saves more than {SAVED} at the ceiling")
    if expected is not None and expected is not least:
        said.append(f"`{expected.plan.words}` costs least as expected: {_figures(cost, expected)}")
    chosen = _amounts(plans.chosen, _times(cost))
    return f"{of} {'; '.join(said)}; here {', '.join(chosen)}"


def _figures(cost: Cost, priced: Priced) -> str:
    what = "per M output tokens" if cost.request is None else "per 1,000 requests"
    ceiling, *expected = _amounts(priced, _times(cost))
    at = "" if priced.batch == cost.batch else f" at batch {priced.batch:,}"
    return ", ".join([f"{ceiling} {what}{at}", *expected])


def _amounts(priced: Priced, times: int) -> Iterator[str]:
    yield f"${dollars(times * priced.usd.ceiling)}"
    if priced.usd.expected is not None:
        yield f"expected ${dollars(times * Decimal(priced.usd.expected))}"


def _times(cost: Cost) -> int:
    return 1 if cost.request is None else 1000
